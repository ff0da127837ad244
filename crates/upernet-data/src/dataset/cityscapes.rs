//! Cityscapes: `leftImg8bit/<split>/<city>/` and `gtFine/<split>/<city>/`.

use std::path::Path;

use upernet_image::CITYSCAPES;

use super::files::{Listing, subfolders};
use super::pairs::{Suffixes, pair};
use super::{Contents, DatasetOptions, LabelTable, LabelTarget, Official, SplitFiles};
use crate::Error;

const IMAGES: &str = "leftImg8bit";
const MASKS: [&str; 2] = ["gtFine", "gtCoarse"];
const IMAGE_SUFFIX: &str = "_leftImg8bit";

/// Ids of the 19 classes in the order of their training ids; all others of the 34 are ignored.
///
/// Source: `cityscapesscripts/helpers/labels.py`, <https://github.com/mcordts/cityscapesScripts>.
const IDS: [u16; 19] = [
    7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33,
];

/// One more than the highest id of that table.
const NUM_IDS: u16 = 34;

/// Says what is there, if it is Cityscapes.
pub(super) fn detect(root: &Path, options: &DatasetOptions) -> Result<Option<String>, Error> {
    if !root.join(IMAGES).is_dir() {
        return Ok(None);
    }
    let Some(masks) = mask_folder(root, options) else {
        return Ok(None);
    };
    let kind = kind_of_masks(&Listing::pictures(&root.join(&masks))?);
    Ok(kind.map(|suffix| format!("{IMAGES}/ with *{suffix}.png in {masks}/")))
}

/// Lists and pairs the files of all splits.
pub(super) fn read(root: &Path, options: &DatasetOptions) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    let Some(masks) = mask_folder(root, options) else {
        return Ok(contents);
    };
    let is_full = kind_of_masks(&Listing::pictures(&root.join(&masks))?) == Some("_labelIds");
    let kind = if is_full { "labelIds" } else { "labelTrainIds" };
    let suffixes = Suffixes {
        image: IMAGE_SUFFIX.to_owned(),
        mask: format!("_{masks}_{kind}"),
    };
    for split in subfolders(&root.join(IMAGES))? {
        let folder = root.join(&masks).join(&split);
        if folder.is_dir() {
            let images = Listing::pictures(&root.join(IMAGES).join(&split))?;
            let pairs = pair(&images, &Listing::pictures(&folder)?, &suffixes)?;
            contents.splits.push(SplitFiles::new(&split, pairs));
        }
    }
    contents.official = Some(if is_full { full_table() } else { train_table() });
    Ok(contents)
}

fn mask_folder(root: &Path, options: &DatasetOptions) -> Option<String> {
    let chosen = options
        .masks
        .as_ref()
        .map(|masks| masks.display().to_string());
    chosen.or_else(|| {
        MASKS
            .into_iter()
            .find(|folder| root.join(folder).is_dir())
            .map(str::to_owned)
    })
}

/// Training ids if there are any, else the full ones.
fn kind_of_masks(masks: &Listing) -> Option<&'static str> {
    ["_labelTrainIds", "_labelIds"].into_iter().find(|suffix| {
        let is_of_kind = |stem: &std::ffi::OsStr| stem.to_string_lossy().ends_with(suffix);
        masks
            .files
            .iter()
            .any(|file| file.file_stem().is_some_and(is_of_kind))
    })
}

fn classes() -> Vec<String> {
    CITYSCAPES
        .iter()
        .map(|class| class.name.to_owned())
        .collect()
}

fn train_table() -> Official {
    let table = LabelTable {
        classes: classes(),
        ..LabelTable::default()
    };
    Official {
        table,
        origin: "Cityscapes' training ids".to_owned(),
    }
}

fn full_table() -> Official {
    let ids = IDS
        .iter()
        .zip(0..)
        .map(|(id, class)| (id.to_string(), LabelTarget::Id(class)))
        .collect();
    let ignore = (0..NUM_IDS).filter(|id| !IDS.contains(id)).collect();
    let table = LabelTable {
        classes: classes(),
        ignore,
        ids,
        ..LabelTable::default()
    };
    Official {
        table,
        origin: "Cityscapes' official table of 34 ids".to_owned(),
    }
}
