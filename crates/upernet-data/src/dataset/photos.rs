//! Photos by the names that annotation files give them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::files::Listing;
use crate::Error;

/// All photos below a folder. A name is only ever looked up among them, so that no name in a stranger's
/// file leads out of the folder.
#[derive(Debug)]
pub(crate) struct Photos {
    by_path: HashMap<String, PathBuf>,
    /// By file name alone; nothing where two have the same.
    by_name: HashMap<String, Option<PathBuf>>,
}

impl Photos {
    /// Lists the photos below a folder.
    pub(crate) fn below(root: &Path) -> Result<Self, Error> {
        let listing = Listing::pictures(root)?;
        let mut photos = Self {
            by_path: HashMap::new(),
            by_name: HashMap::new(),
        };
        for file in &listing.files {
            let path = root.join(file);
            let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
            let name = parts
                .last()
                .map(|name| name.clone().into_owned())
                .unwrap_or_default();
            let unique = !photos.by_name.contains_key(&name);
            photos.by_name.insert(name, unique.then(|| path.clone()));
            photos.by_path.insert(parts.join("/"), path);
        }
        Ok(photos)
    }

    /// Finds a photo by its name in one of the folders (`""` or ending in `/`), else anywhere if no two
    /// are called so.
    pub(crate) fn find(&self, name: &str, folders: &[String]) -> Option<&Path> {
        let name = name.replace('\\', "/");
        let name = name.strip_prefix("./").unwrap_or(&name);
        let direct = folders
            .iter()
            .find_map(|folder| self.by_path.get(&format!("{folder}{name}")));
        let anywhere = || self.by_name.get(name.rsplit('/').next()?)?.as_ref();
        direct.or_else(anywhere).map(PathBuf::as_path)
    }
}
