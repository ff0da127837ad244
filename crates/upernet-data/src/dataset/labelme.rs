//! Labelme's files: the polygons of one photo in one JSON file.
//!
//! Source of the format: <https://github.com/wkentaro/labelme>, `labelme/label_file.py`.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;
use upernet_image::{DecodeLimits, LabelMap};

use super::annotation::Annotation;
use super::files::{Listing, has_extension, is_picture, peek, read_bounded};
use super::label_table::one_line;
use super::pairs::{Entry, LonelyLabels, Pairs, key_of};
use super::photos::Photos;
use super::shapes::{Area, Shape, paint};
use super::split_files::{divide, find_split_files};
use super::{Contents, DatasetOptions, LabelMapping, SplitFiles};
use crate::Error;

/// Most bytes of a file; the photo may be in it, as text.
const MOST_BYTES: u64 = 256 << 20;

/// Files that are looked into before a folder is held to be something else.
const LOOKED_INTO: usize = 20;

/// Folder names that make a split of what is below.
const SPLITS: [&str; 7] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
];

/// Sides of the polygon that stands for a circle: at a radius of 1,000 pixels it is off by 0.3.
const CIRCLE_SIDES: u16 = 128;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    shapes: Vec<LabelmeShape>,
    image_height: Option<u32>,
    image_width: Option<u32>,
    #[serde(default)]
    image_path: String,
}

#[derive(Deserialize)]
struct LabelmeShape {
    label: String,
    points: Vec<[f32; 2]>,
    #[serde(default)]
    shape_type: Option<String>,
}

/// Says where files are, if any.
pub(super) fn detect(root: &Path, options: &DatasetOptions) -> Result<Option<String>, Error> {
    let listing = json_files(root, options)?;
    for file in listing.files.iter().take(LOOKED_INTO) {
        let start = peek(&listing.root.join(file))?;
        if ["\"shapes\"", "\"imageData\"", "\"imagePath\""]
            .iter()
            .any(|key| start.contains(key))
        {
            return Ok(Some(format!("{} with Labelme's shapes", file.display())));
        }
    }
    Ok(None)
}

/// Finds all files and their photos.
pub(super) fn read(root: &Path, options: &DatasetOptions) -> Result<Contents, Error> {
    let listing = json_files(root, options)?;
    let photos = Photos::below(
        &options
            .images
            .as_ref()
            .map_or(root.to_path_buf(), |images| root.join(images)),
    )?;
    let found = listing.files.par_iter().map(|file| {
        let path = listing.root.join(file);
        match photo_of(&path, file, &photos)? {
            Some(image) => Ok(Ok(Entry {
                name: key_of(file),
                image,
                annotation: Annotation::Labelme(path),
            })),
            None => Ok(Err(LonelyLabels {
                file: path,
                photo: key_of(file),
            })),
        }
    });
    let mut pairs = Pairs::default();
    for entry in found.collect::<Result<Vec<_>, Error>>()? {
        match entry {
            Ok(entry) => pairs.entries.push(entry),
            Err(lonely) => pairs.lonely_labels.push(lonely),
        }
    }
    let pool = Some(pairs.names());
    let split_files = find_split_files(root, options)?;
    let splits = if split_files.is_empty() {
        by_folder(pairs)
    } else {
        divide(&pairs, &split_files)?
    };
    Ok(Contents {
        splits,
        official: None,
        pool,
    })
}

/// Reads and paints the labels of a file.
pub(super) fn read_labels(
    path: &Path,
    mapping: &LabelMapping,
    limits: &DecodeLimits,
) -> Result<LabelMap, Error> {
    let content = read_content(path)?;
    let invalid = |problem: String| Error::Invalid {
        path: path.to_path_buf(),
        problem,
    };
    let (Some(height), Some(width)) = (content.image_height, content.image_width) else {
        return Err(invalid(
            "has no imageHeight and imageWidth; save it anew with Labelme".to_owned(),
        ));
    };
    let outlines = content
        .shapes
        .iter()
        .map(outline)
        .collect::<Result<Vec<_>, _>>()
        .map_err(invalid)?;
    let shapes: Vec<Shape<'_>> = content
        .shapes
        .iter()
        .zip(&outlines)
        .map(|(shape, points)| Shape {
            label: &shape.label,
            area: Area::Polygons(vec![points]),
        })
        .collect();
    paint([height as usize, width as usize], &shapes, mapping, limits).map_err(invalid)
}

/// Returns the labels that occur in a file.
pub(super) fn read_names(path: &Path) -> Result<Vec<String>, Error> {
    Ok(read_content(path)?
        .shapes
        .into_iter()
        .map(|shape| shape.label)
        .collect())
}

fn read_content(path: &Path) -> Result<Content, Error> {
    serde_json::from_slice(&read_bounded(path, MOST_BYTES)?).map_err(|error| Error::Invalid {
        path: path.to_path_buf(),
        problem: format!("is not a Labelme file: {}", one_line(&error.to_string())),
    })
}

/// The corners of a shape, whatever Labelme's tool for it was.
fn outline(shape: &LabelmeShape) -> Result<Vec<[f32; 2]>, String> {
    match (
        shape.shape_type.as_deref().unwrap_or("polygon"),
        shape.points.as_slice(),
    ) {
        ("polygon", points) => Ok(points.to_vec()),
        ("rectangle", &[[left, top], [right, bottom]]) => Ok(vec![
            [left, top],
            [right, top],
            [right, bottom],
            [left, bottom],
        ]),
        ("circle", &[[x, y], [edge_x, edge_y]]) => {
            let radius = (edge_x - x).hypot(edge_y - y);
            let angle =
                |side: u16| f32::from(side) / f32::from(CIRCLE_SIDES) * std::f32::consts::TAU;
            let corner = |angle: f32| [x + radius * angle.cos(), y + radius * angle.sin()];
            Ok((0..CIRCLE_SIDES).map(|side| corner(angle(side))).collect())
        }
        (kind, points) => Err(format!(
            "a {kind} of {} points labelled \"{}\" has no area; draw it as a polygon, or remove it",
            points.len(),
            shape.label
        )),
    }
}

fn json_files(root: &Path, options: &DatasetOptions) -> Result<Listing, Error> {
    let root = options
        .masks
        .as_ref()
        .map_or(root.to_path_buf(), |masks| root.join(masks));
    if !root.is_dir() {
        return Ok(Listing {
            root,
            files: Vec::new(),
        });
    }
    let is_json = |path: &Path| {
        has_extension(path, &["json"])
            && !path.ends_with("id2label.json")
            && !path.ends_with("label_map.json")
    };
    Listing::of(&root, is_json)
}

/// The photo beside the file with its name, else the one that the file names.
fn photo_of(path: &Path, file: &Path, photos: &Photos) -> Result<Option<PathBuf>, Error> {
    for extension in ["jpg", "jpeg", "png", "JPG", "bmp", "tif"] {
        let beside = path.with_extension(extension);
        if is_picture(&beside) && beside.is_file() {
            return Ok(Some(beside));
        }
    }
    let named = read_content(path)?.image_path;
    let folder = file
        .parent()
        .map(|folder| format!("{}/", folder.display()))
        .unwrap_or_default();
    Ok(photos.find(&named, &[folder]).map(Path::to_path_buf))
}

/// One split for each folder that is called like one, if all files are in such folders.
fn by_folder(pairs: Pairs) -> Vec<SplitFiles> {
    let split_of = |name: &str| {
        name.split('/')
            .find(|part| SPLITS.contains(part))
            .map(str::to_owned)
    };
    if pairs
        .entries
        .iter()
        .any(|entry| split_of(&entry.name).is_none())
    {
        return vec![SplitFiles::new("all", pairs)];
    }
    let mut splits = std::collections::BTreeMap::<String, Pairs>::new();
    for entry in pairs.entries {
        splits
            .entry(split_of(&entry.name).unwrap_or_default())
            .or_default()
            .entries
            .push(entry);
    }
    for lonely in pairs.lonely_labels {
        splits
            .entry(split_of(&lonely.photo).unwrap_or_default())
            .or_default()
            .lonely_labels
            .push(lonely);
    }
    splits
        .into_iter()
        .map(|(name, pairs)| SplitFiles { name, pairs })
        .collect()
}
