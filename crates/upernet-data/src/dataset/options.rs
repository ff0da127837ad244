//! What the folder does not say, said by its owner.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use upernet_image::DecodeLimits;

use super::{LabelTable, LayoutKind};

/// How to read a dataset where what is in its folder does not suffice, or is to be read otherwise.
///
/// Everything is optional; the default looks at the folder and decides. Paths are relative to the
/// dataset's folder.
///
/// ```
/// use upernet_data::dataset::DatasetOptions;
///
/// let options: DatasetOptions = serde_json::from_str(
///     r#"{"masks": "labels", "num_classes": 3, "ignore": [0]}"#,
/// )?;
/// assert_eq!(options.num_classes, Some(3));
/// assert!(serde_json::from_str::<DatasetOptions>(r#"{"mask": "labels"}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetOptions {
    /// The layout, instead of the one that is found.
    pub layout: Option<LayoutKind>,
    /// Folder of the photos.
    pub images: Option<PathBuf>,
    /// Folder of the masks, or the file or folder of the polygons.
    pub masks: Option<PathBuf>,
    /// What a mask's name has after its photo's name and before the extension, such as `_mask`.
    pub mask_suffix: Option<String>,
    /// Splits by name, each a text file with one photo's name a line, without extension.
    pub split_files: BTreeMap<String, PathBuf>,
    /// The label map in a file of its own, TOML or JSON: see [`LabelTable`].
    pub label_map_file: Option<PathBuf>,
    /// The label map itself; not together with `label_map_file`.
    pub label_map: Option<LabelTable>,
    /// Number of classes, 1 to 255.
    pub num_classes: Option<usize>,
    /// Names of the classes, by id.
    pub class_names: Vec<String>,
    /// Ids in the masks to be ignored, beside 255.
    pub ignore: Vec<u16>,
    /// What to do about photos without a mask and masks without a photo.
    pub unpaired: Unpaired,
    /// What a file may make the reader allocate.
    #[serde(skip)]
    pub limits: DecodeLimits,
}

/// What to do about photos without a mask and masks without a photo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unpaired {
    /// Opening their split is an error that names the first one, and how many there are.
    #[default]
    Refuse,
    /// They are left out.
    Skip,
}
