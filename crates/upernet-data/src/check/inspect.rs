//! What is in one photo and its mask.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};
use upernet_image::image::RgbImage;
use upernet_image::{DecodeLimits, LabelMap, decode_image};

use crate::dataset::{Annotation, Entry, LabelMapping, RawMask, read_bounded};

/// Different colours in a mask after which the others are not told apart: no colour map has as many.
pub(super) const MOST_COLORS: usize = 1024;

/// Something that a mask holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Id(u16),
    Color([u8; 3]),
    /// The class of a painted shape, which has no id of its own.
    Class(u16),
}

/// What is in a photo's file.
#[derive(Debug)]
pub(super) struct Photo {
    pub(super) size: [usize; 2],
    /// SHA-256 of the file.
    pub(super) hash: [u8; 32],
}

/// What is in a mask.
#[derive(Debug)]
pub(super) struct Mask {
    pub(super) size: [usize; 2],
    /// Pixels of each value.
    pub(super) values: BTreeMap<Value, u64>,
}

/// Reads a photo; the error does not name the file.
pub(super) fn photo(path: &Path, limits: &DecodeLimits) -> Result<Photo, String> {
    let bytes = read_bounded(path, limits.max_bytes)
        .map_err(|error| without_path(&error.to_string(), path))?;
    let decoded =
        decode_image(&bytes, limits).map_err(|error| without_path(&error.to_string(), path))?;
    Ok(Photo {
        size: [decoded.height() as usize, decoded.width() as usize],
        hash: Sha256::digest(&bytes).into(),
    })
}

/// Reads a mask; the error does not name the file. Without a mapping, shapes cannot be painted.
pub(super) fn mask(
    entry: &Entry,
    mapping: Option<&LabelMapping>,
    limits: &DecodeLimits,
) -> Result<Option<Mask>, String> {
    let path = entry.annotation.path();
    let without_path = |error: crate::Error| without_path(&error.to_string(), path);
    let Annotation::Mask(file) = &entry.annotation else {
        let Some(mapping) = mapping else {
            return Ok(None);
        };
        let labels = entry
            .annotation
            .read(mapping, limits)
            .map_err(without_path)?;
        return Ok(Some(Mask {
            size: labels.size(),
            values: ids(&labels, Value::Class),
        }));
    };
    let raw = RawMask::read(file, limits).map_err(without_path)?;
    let values = match &raw {
        RawMask::Ids(labels) => ids(labels, Value::Id),
        RawMask::Colors(picture) => colors(picture),
    };
    Ok(Some(Mask {
        size: raw.size(),
        values,
    }))
}

impl Mask {
    /// Whether it has colours.
    pub(super) fn is_colored(&self) -> bool {
        self.values
            .keys()
            .any(|value| matches!(value, Value::Color(_)))
    }

    /// Whether it has colours, all of them grey.
    pub(super) fn is_grey_in_colors(&self) -> bool {
        let is_grey = |value: &Value| matches!(value, Value::Color([red, green, blue]) if red == green && green == blue);
        self.values.keys().all(is_grey)
    }
}

fn ids(labels: &LabelMap, value: fn(u16) -> Value) -> BTreeMap<Value, u64> {
    labels
        .class_areas()
        .into_iter()
        .map(|area| (value(area.label), area.pixels))
        .collect()
}

/// Counts colours, of those beyond [`MOST_COLORS`] none.
fn colors(picture: &RgbImage) -> BTreeMap<Value, u64> {
    let mut counts = BTreeMap::new();
    let mut pixels = picture.pixels().peekable();
    while let Some(pixel) = pixels.next() {
        // Neighbours are mostly alike, and looking a colour up is slow.
        let mut run = 1;
        while pixels.next_if_eq(&pixel).is_some() {
            run += 1;
        }
        if counts.len() < MOST_COLORS || counts.contains_key(&Value::Color(pixel.0)) {
            *counts.entry(Value::Color(pixel.0)).or_insert(0) += run;
        }
    }
    counts
}

fn without_path(message: &str, path: &Path) -> String {
    let shown = path.display().to_string();
    let rest = [shown.as_str(), "the given bytes"]
        .into_iter()
        .find_map(|start| message.strip_prefix(start));
    rest.and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(message)
        .to_owned()
}
