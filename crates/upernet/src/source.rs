//! Where a model is: a folder, a file, or an id on the Hugging Face hub.

use std::path::{Path, PathBuf};

use upernet_zoo::published;

use crate::Error;

/// Where a model was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Located {
    /// Its folder or weight file.
    pub path: PathBuf,
    /// Whether the hub, which may have a newer one, could not be asked and a cached copy is used.
    /// Whoever shows results should say so.
    pub unconfirmed: bool,
}

/// Finds the folder or weight file of a model.
///
/// `model` is a path, or, with the `hub` feature, an id such as `openmmlab/upernet-swin-tiny`, perhaps
/// with `@revision`. What exists on disk wins. `progress` hears of each piece of a download: the
/// file, the bytes on disk, and the bytes in all if the hub states them.
///
/// # Errors
///
/// Returns an error that says what to do if there is no such path and the hub has no such model or
/// cannot be used.
pub fn locate(
    model: &str,
    progress: &mut dyn FnMut(&str, u64, Option<u64>),
) -> Result<Located, Error> {
    let path = Path::new(model);
    if path.exists() {
        return Ok(Located {
            path: path.to_owned(),
            unconfirmed: false,
        });
    }
    let mut files = published().iter().filter(|known| !known.id.contains('/'));
    match files.find(|known| known.id == model) {
        Some(known) => Err(Error::PublishedElsewhere {
            name: model.to_owned(),
            address: known.address,
        }),
        None => pull(model, progress),
    }
}

#[cfg(feature = "hub")]
fn pull(model: &str, progress: &mut dyn FnMut(&str, u64, Option<u64>)) -> Result<Located, Error> {
    use upernet_hf::hub::{HubOptions, ModelId, Origin, pull};

    if !ModelId::looks_like(model) {
        let hint = "there is no such path, and it is no hub id (OWNER/NAME)";
        return Err(Error::NoSuchModel {
            name: model.to_owned(),
            hint,
        });
    }
    let mut progress = |file: &str, done: u64, total: Option<u64>| progress(file, done, total);
    let pulled = pull(
        &ModelId::parse(model)?,
        &HubOptions::from_env()?,
        &mut progress,
    )?;
    let unconfirmed = pulled.origin == Origin::Unconfirmed;
    Ok(Located {
        path: pulled.folder,
        unconfirmed,
    })
}

#[cfg(not(feature = "hub"))]
fn pull(model: &str, _progress: &mut dyn FnMut(&str, u64, Option<u64>)) -> Result<Located, Error> {
    let hint = "there is no such path, and this build cannot use the hub (feature `hub`)";
    Err(Error::NoSuchModel {
        name: model.to_owned(),
        hint,
    })
}
