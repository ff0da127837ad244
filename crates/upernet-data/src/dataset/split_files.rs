//! Text files that say which photos are in which split.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::files::{direct_files, has_extension, is_picture, read_text};
use super::pairs::{Entry, Pairs, key_of};
use super::{DatasetOptions, SplitFiles};
use crate::Error;

/// The folder that [`split_folder`](super::split_folder) writes to and readers look into.
pub(crate) const SPLITS: &str = "splits";

/// Finds the split files: those of the options, else `splits/*.txt`.
pub(crate) fn find_split_files(
    root: &Path,
    options: &DatasetOptions,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    if !options.split_files.is_empty() {
        let files = options.split_files.iter();
        return Ok(files
            .map(|(split, file)| (split.clone(), root.join(file)))
            .collect());
    }
    text_files(&root.join(SPLITS))
}

/// The `.txt` files directly in a folder, by name without extension; none if there is no such folder.
pub(crate) fn text_files(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let names = direct_files(folder)?.into_iter();
    let texts = names.filter(|name| has_extension(Path::new(name), &["txt"]));
    Ok(texts
        .map(|name| (key_of(Path::new(&name)), folder.join(name)))
        .collect())
}

/// Divides photos among the splits that name them.
pub(crate) fn divide(
    pairs: &Pairs,
    files: &BTreeMap<String, PathBuf>,
) -> Result<Vec<SplitFiles>, Error> {
    let entries: HashMap<&str, &Entry> = pairs
        .entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry))
        .collect();
    let lonely: HashMap<String, &PathBuf> = pairs
        .lonely_images
        .iter()
        .filter_map(|path| Some((stem(path)?, path)))
        .collect();
    files
        .iter()
        .map(|(split, file)| split_of(split, file, &entries, &lonely))
        .collect()
}

fn split_of(
    split: &str,
    file: &Path,
    entries: &HashMap<&str, &Entry>,
    lonely: &HashMap<String, &PathBuf>,
) -> Result<SplitFiles, Error> {
    let mut found = Pairs::default();
    for (number, line) in (1..).zip(read_text(file)?.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let name = if is_picture(Path::new(line)) {
            key_of(Path::new(line))
        } else {
            line.to_owned()
        };
        if let Some(entry) = entries.get(name.as_str()) {
            found.entries.push((*entry).clone());
        } else if let Some(image) = stem(Path::new(line)).and_then(|stem| lonely.get(&stem)) {
            found.lonely_images.push((*image).clone());
        } else {
            return Err(Error::Invalid {
                path: file.to_path_buf(),
                problem: format!(
                    "line {number}: there is no photo \"{line}\"; remove the line or add the photo"
                ),
            });
        }
    }
    Ok(SplitFiles::new(split, found))
}

fn stem(path: &Path) -> Option<String> {
    let name = if is_picture(path) {
        path.file_stem()
    } else {
        path.file_name()
    };
    Some(name?.to_string_lossy().into_owned())
}
