//! `images/` beside `masks/`, and ADE20K, which is that with fixed names.

use std::path::{Path, PathBuf};

use super::files::{Listing, direct_files, has_pictures, is_picture, subfolders};
use super::pairs::{Pairs, Suffixes, by_key, pair};
use super::split_files::{divide, find_split_files};
use super::{Contents, DatasetOptions, SplitFiles};
use crate::Error;

const IMAGES: [&str; 5] = ["images", "img_dir", "imgs", "image", "photos"];
const MASKS: [&str; 7] = [
    "masks",
    "annotations",
    "labels",
    "ann_dir",
    "mask",
    "label",
    "gt",
];
const ADE20K: [&str; 2] = ["training", "validation"];

/// What names of masks have at their end where they are not simply those of the photos.
const MASK_SUFFIXES: [&str; 9] = [
    "_mask",
    "_masks",
    "_label",
    "_labels",
    "_seg",
    "_gt",
    "_L",
    "-mask",
    "_labelTrainIds",
];

/// What splits are called.
const SPLITS: [&str; 7] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
];

/// The split of a folder without splits.
const ALL: &str = "all";

/// A folder of photos and the folder of their masks, relative to the dataset's.
#[derive(Debug)]
struct Folders {
    images: PathBuf,
    masks: PathBuf,
}

/// Says which folders are there, if they are.
pub(super) fn detect(root: &Path, options: &DatasetOptions) -> Result<Option<String>, Error> {
    if options.layout.is_none() && detect_ade20k(root)?.is_some() {
        return Ok(None);
    }
    if let Some(folders) = folders(root, options)? {
        let Folders { images, masks } = folders;
        return Ok(Some(format!(
            "{}/ with pictures in {}/",
            images.display(),
            masks.display()
        )));
    }
    let splits = splits_on_top(root, options)?;
    let described = splits.iter().map(|(split, folders)| {
        format!(
            "{split}/{}/ with {split}/{}/",
            folders.images.display(),
            folders.masks.display()
        )
    });
    Ok((!splits.is_empty()).then(|| described.collect::<Vec<_>>().join(", ")))
}

/// Says which of ADE20K's folders are there, if they are.
pub(super) fn detect_ade20k(root: &Path) -> Result<Option<String>, Error> {
    let mut found = Vec::new();
    for split in ADE20K {
        let [images, masks] = ["images", "annotations"].map(|folder| format!("{folder}/{split}"));
        if has_pictures(&root.join(&images))? && has_pictures(&root.join(&masks))? {
            found.push(format!("{images} with {masks}"));
        }
    }
    Ok((!found.is_empty()).then(|| found.join(", ")))
}

/// Lists and pairs the files of all splits.
pub(super) fn read(root: &Path, options: &DatasetOptions) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    if let Some(folders) = folders(root, options)? {
        let [images, masks] = [root.join(&folders.images), root.join(&folders.masks)];
        let split_files = find_split_files(root, options)?;
        let splits = split_folders(&images, &masks)?;
        if splits.is_empty() || !split_files.is_empty() {
            let pairs = pair_folders(&images, &masks, options)?;
            contents.pool = Some(pairs.names());
            contents.splits = if split_files.is_empty() {
                vec![SplitFiles::new(ALL, pairs)]
            } else {
                divide(&pairs, &split_files)?
            };
            return Ok(contents);
        }
        for split in &splits {
            let pairs = pair_folders(&images.join(split), &masks.join(split), options)?;
            contents.splits.push(SplitFiles::new(split, pairs));
        }
    } else {
        for (split, Folders { images, masks }) in splits_on_top(root, options)? {
            let folder = root.join(&split);
            let pairs = pair_folders(&folder.join(images), &folder.join(masks), options)?;
            contents.splits.push(SplitFiles::new(&split, pairs));
        }
    }
    Ok(contents)
}

fn folders(root: &Path, options: &DatasetOptions) -> Result<Option<Folders>, Error> {
    let images = one_of(root, "images", options.images.as_deref(), &IMAGES)?;
    let masks = one_of(root, "masks", options.masks.as_deref(), &MASKS)?;
    Ok(images
        .zip(masks)
        .map(|(images, masks)| Folders { images, masks }))
}

/// Picks the one folder with pictures in it, by option or by name.
fn one_of(
    root: &Path,
    option: &'static str,
    chosen: Option<&Path>,
    names: &[&str],
) -> Result<Option<PathBuf>, Error> {
    if let Some(chosen) = chosen {
        let path = root.join(chosen);
        if path.is_dir() {
            return Ok(Some(chosen.to_path_buf()));
        }
        let problem = format!("no such folder; correct the option {option}");
        return Err(Error::NotFound { path, problem });
    }
    let mut found = Vec::new();
    for name in names {
        if has_pictures(&root.join(name))? {
            found.push(*name);
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [name] => Ok(Some(PathBuf::from(name))),
        several => Err(Error::Invalid {
            path: root.to_path_buf(),
            problem: format!(
                "has pictures in {}; choose with the option {option}",
                several
                    .iter()
                    .map(|name| format!("{name}/"))
                    .collect::<Vec<_>>()
                    .join(" and in ")
            ),
        }),
    }
}

/// Splits as folders above `images/` and `masks/`: `train/images`, `train/masks`.
fn splits_on_top(root: &Path, options: &DatasetOptions) -> Result<Vec<(String, Folders)>, Error> {
    let mut splits = Vec::new();
    if options.images.is_some() || options.masks.is_some() {
        return Ok(splits);
    }
    let names = subfolders(root)?;
    if let [only] = names.as_slice()
        && !SPLITS.contains(&only.as_str())
    {
        // An unpacked archive: the dataset is inside.
        return Ok(splits);
    }
    for split in names {
        if let Some(folders) = folders(&root.join(&split), options)? {
            splits.push((split, folders));
        }
    }
    Ok(splits)
}

/// Folders directly in both, if the photos all lie in such folders.
fn split_folders(images: &Path, masks: &Path) -> Result<Vec<String>, Error> {
    if direct_files(images)?
        .iter()
        .any(|name| is_picture(Path::new(name)))
    {
        return Ok(Vec::new());
    }
    let mut splits = subfolders(images)?;
    splits.retain(|split| masks.join(split).is_dir());
    Ok(splits)
}

fn pair_folders(images: &Path, masks: &Path, options: &DatasetOptions) -> Result<Pairs, Error> {
    let [images, masks] = [Listing::pictures(images)?, Listing::pictures(masks)?];
    let mask = match &options.mask_suffix {
        Some(suffix) => suffix.clone(),
        None => mask_suffix(&images, &masks)?,
    };
    pair(
        &images,
        &masks,
        &Suffixes {
            image: String::new(),
            mask,
        },
    )
}

/// Finds what masks' names have at their end: nothing, if any mask is called like its photo.
fn mask_suffix(images: &Listing, masks: &Listing) -> Result<String, Error> {
    let images = by_key(images, "")?;
    let masks = by_key(masks, "")?;
    if masks.keys().any(|mask| images.contains_key(mask)) {
        return Ok(String::new());
    }
    let fits = |suffix: &&str| {
        masks.keys().any(|mask| {
            mask.strip_suffix(*suffix)
                .is_some_and(|stem| images.contains_key(stem))
        })
    };
    Ok(MASK_SUFFIXES
        .into_iter()
        .find(fits)
        .unwrap_or_default()
        .to_owned())
}
