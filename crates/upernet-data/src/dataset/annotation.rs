//! Where the labels of a photo are, and reading them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use upernet_image::{DecodeLimits, LabelMap};

use super::LabelMapping;
use super::coco::CocoFile;
use super::labelme;
use super::mask::RawMask;
use crate::Error;

/// Where the labels of a photo are.
#[derive(Clone, Debug)]
pub(crate) enum Annotation {
    /// A picture of ids or colours.
    Mask(PathBuf),
    /// Labelme's polygons, one file for each photo.
    Labelme(PathBuf),
    /// COCO's polygons and runs, one file for all photos of a split.
    Coco {
        /// The file's content.
        file: Arc<CocoFile>,
        /// The photo's place in it.
        image: usize,
    },
}

impl Annotation {
    /// The file to name in messages.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Mask(path) | Self::Labelme(path) => path,
            Self::Coco { file, .. } => file.path(),
        }
    }

    /// Reads the labels as classes.
    pub(crate) fn read(
        &self,
        mapping: &LabelMapping,
        limits: &DecodeLimits,
    ) -> Result<LabelMap, Error> {
        match self {
            Self::Mask(path) => RawMask::read(path, limits)?.classes(mapping, path),
            Self::Labelme(path) => labelme::read_labels(path, mapping, limits),
            Self::Coco { file, image } => file.labels(*image, mapping, limits),
        }
    }
}
