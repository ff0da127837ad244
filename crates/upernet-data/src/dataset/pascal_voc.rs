//! Pascal VOC's folders, and CVAT's export in the same layout with a `labelmap.txt`.

use std::path::Path;

use super::files::{Listing, has_pictures, read_text};
use super::label_mapping::parse_color;
use super::pairs::{Suffixes, pair};
use super::split_files::{divide, find_split_files, text_files};
use super::{Contents, DatasetOptions, LabelTable, LabelTarget, Official, SplitFiles};
use crate::Error;

const MASKS: &str = "SegmentationClass";
const LISTS: &str = "ImageSets/Segmentation";
const LABEL_MAP: &str = "labelmap.txt";

/// Source: `VOCinit.m` of the development kit of VOC 2012; id 0 is the background.
const CLASSES: [&str; 21] = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// Says what is there, if it is VOC without a label map.
pub(super) fn detect(root: &Path, options: &DatasetOptions) -> Result<Option<String>, Error> {
    let found = folders(root, options)?;
    Ok(found
        .filter(|_| !root.join(LABEL_MAP).is_file())
        .map(|[images, masks]| format!("{images}/ with pictures in {masks}/")))
}

/// Says what is there, if it is CVAT's export.
pub(super) fn detect_cvat(root: &Path, options: &DatasetOptions) -> Result<Option<String>, Error> {
    let found = folders(root, options)?;
    Ok(found
        .filter(|_| root.join(LABEL_MAP).is_file())
        .map(|[images, masks]| format!("{LABEL_MAP}, {images}/ with pictures in {masks}/")))
}

/// Lists and pairs the files; the names are VOC's own if the photos' are.
pub(super) fn read(root: &Path, options: &DatasetOptions) -> Result<Contents, Error> {
    let mut contents = read_splits(root, options)?;
    let is_own = contents.entries().next().is_some()
        && contents.entries().all(|entry| is_voc_name(&entry.name));
    contents.official = is_own.then(|| Official {
        table: LabelTable {
            classes: CLASSES.map(str::to_owned).to_vec(),
            ..LabelTable::default()
        },
        origin: "Pascal VOC's classes".to_owned(),
    });
    Ok(contents)
}

/// Lists and pairs the files of CVAT's export and reads its label map.
pub(super) fn read_cvat(root: &Path, options: &DatasetOptions) -> Result<Contents, Error> {
    let path = root.join(LABEL_MAP);
    let table =
        parse_label_map(&read_text(&path)?).map_err(|problem| Error::Invalid { path, problem })?;
    let mut contents = read_splits(root, options)?;
    contents.official = Some(Official {
        table,
        origin: LABEL_MAP.to_owned(),
    });
    Ok(contents)
}

fn folders(root: &Path, options: &DatasetOptions) -> Result<Option<[String; 2]>, Error> {
    let [images, masks] = names(options);
    let is_there = has_pictures(&root.join(&images))? && has_pictures(&root.join(&masks))?;
    Ok(is_there.then_some([images, masks]))
}

fn names(options: &DatasetOptions) -> [String; 2] {
    let or = |chosen: &Option<std::path::PathBuf>, usual: &str| {
        chosen
            .as_ref()
            .map_or(usual.to_owned(), |folder| folder.display().to_string())
    };
    [or(&options.images, "JPEGImages"), or(&options.masks, MASKS)]
}

fn read_splits(root: &Path, options: &DatasetOptions) -> Result<Contents, Error> {
    let [images, masks] = names(options).map(|folder| root.join(folder));
    let [images, masks] = [Listing::pictures(&images)?, Listing::pictures(&masks)?];
    let pairs = pair(&images, &masks, &Suffixes::default())?;
    let pool = Some(pairs.names());
    let mut lists = find_split_files(root, options)?;
    if lists.is_empty() {
        lists = text_files(&root.join(LISTS))?;
    }
    let splits = if lists.is_empty() {
        vec![SplitFiles::new("all", pairs)]
    } else {
        divide(&pairs, &lists)?
    };
    Ok(Contents {
        splits,
        official: None,
        pool,
    })
}

/// `2007_000032` as since 2008, or `000032` as before.
fn is_voc_name(name: &str) -> bool {
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    digits(name, 6)
        || name
            .split_once('_')
            .is_some_and(|(year, number)| digits(year, 4) && digits(number, 6))
}

/// Reads lines `name:r,g,b:parts:actions`; a class's id is the place of its line.
fn parse_label_map(text: &str) -> Result<LabelTable, String> {
    let mut table = LabelTable::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default().trim();
        let color = fields.next().unwrap_or_default().trim();
        if name.is_empty() || table.classes.iter().any(|class| class == name) {
            return Err(format!(
                "line {number}: the name \"{name}\" is empty or there twice; write name:r,g,b::"
            ));
        }
        table.classes.push(name.to_owned());
        if color.is_empty() {
            continue;
        }
        let Some(rgb) = parse_color(color) else {
            return Err(format!(
                "line {number}: \"{color}\" is not a colour; write name:r,g,b::"
            ));
        };
        let key = rgb.map(|part| part.to_string()).join(",");
        if table
            .colors
            .insert(key, LabelTarget::Name(name.to_owned()))
            .is_some()
        {
            return Err(format!(
                "line {number}: the colour {color} has a class already; give each its own"
            ));
        }
    }
    if table.classes.is_empty() {
        return Err("names no class; write lines name:r,g,b::".to_owned());
    }
    Ok(table)
}
