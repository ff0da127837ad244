//! Which mask belongs to which photo.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::annotation::Annotation;
use super::files::Listing;
use crate::Error;

/// A photo and where its labels are.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The photo's path without extension and without what all names share, `/` between folders.
    pub(crate) name: String,
    pub(crate) image: PathBuf,
    pub(crate) annotation: Annotation,
}

/// Photos of one split with their masks, and what is left over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) entries: Vec<Entry>,
    pub(crate) lonely_images: Vec<PathBuf>,
    pub(crate) lonely_labels: Vec<LonelyLabels>,
}

impl Pairs {
    /// Names of the photos with labels.
    pub(crate) fn names(&self) -> Vec<String> {
        self.entries
            .iter()
            .map(|entry| entry.name.clone())
            .collect()
    }

    /// Refuses photos without labels and labels without photo.
    pub(crate) fn complete(&self) -> Result<(), Error> {
        if let Some(image) = self.lonely_images.first() {
            let others = others(self.lonely_images.len());
            return Err(Error::Invalid {
                path: image.clone(),
                problem: format!(
                    "the photo has no mask{others}; add the mask, remove the photo, or set unpaired to skip"
                ),
            });
        }
        if let Some(LonelyLabels { file, photo }) = self.lonely_labels.first() {
            let others = others(self.lonely_labels.len());
            return Err(Error::Invalid {
                path: file.clone(),
                problem: format!(
                    "there is no photo \"{photo}\" for these labels{others}; add the photo, remove the \
                     labels, or set unpaired to skip"
                ),
            });
        }
        Ok(())
    }
}

/// How many there are beside the one that is named.
fn others(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" ({count} such)"),
    }
}

/// Labels whose photo is not there.
#[derive(Clone, Debug)]
pub(crate) struct LonelyLabels {
    pub(crate) file: PathBuf,
    /// How the photo should be called.
    pub(crate) photo: String,
}

/// What photos' and masks' names have beside what they share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Suffixes {
    pub(crate) image: String,
    pub(crate) mask: String,
}

/// Joins photos and masks whose paths are the same up to suffix and extension.
///
/// Files without the suffix, such as the coloured masks beside Cityscapes' ids, are none of ours.
pub(crate) fn pair(images: &Listing, masks: &Listing, suffixes: &Suffixes) -> Result<Pairs, Error> {
    let images = by_key(images, &suffixes.image)?;
    let mut masks = by_key(masks, &suffixes.mask)?;
    let mut pairs = Pairs::default();
    for (name, image) in images {
        match masks.remove(&name) {
            Some(mask) => pairs.entries.push(Entry {
                name,
                image,
                annotation: Annotation::Mask(mask),
            }),
            None => pairs.lonely_images.push(image),
        }
    }
    pairs.lonely_labels = masks
        .into_iter()
        .map(|(photo, file)| LonelyLabels { file, photo })
        .collect();
    Ok(pairs)
}

/// Files by their path without suffix and extension.
pub(crate) fn by_key(listing: &Listing, suffix: &str) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut files = BTreeMap::new();
    for file in &listing.files {
        let key = key_of(file);
        let Some(key) = key.strip_suffix(suffix) else {
            continue;
        };
        let path = listing.root.join(file);
        if let Some(other) = files.insert(key.to_owned(), path.clone()) {
            return Err(Error::Invalid {
                path,
                problem: format!(
                    "has the same name as {} but for the extension; remove one",
                    other.display()
                ),
            });
        }
    }
    Ok(files)
}

/// A relative path without extension, with `/` between folders on every system.
///
/// Steps upwards are left out: the key names a file below some folder.
pub(crate) fn key_of(file: &Path) -> String {
    let stem = file.with_extension("");
    let parts = stem.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}
