//! Datasets on disk, in the layouts people have.
//!
//! [`open`] looks at a folder, says which layout it is and how ids become classes, and gives splits that
//! are read sample by sample. Nothing is renumbered unless a table says so: the one in the options, in
//! the folder (`label_map.toml`, `id2label.json`), or the official one of a well-known dataset.
//!
//! Masks are PNG (indexed, grey or RGB), BMP or TIFF; the palette of an indexed one is not looked up.
//! Polygons and runs, of COCO and Labelme, are painted small over large: a pixel belongs to a polygon if
//! its centre does.

mod ade20k;
mod annotation;
mod cityscapes;
mod classes;
mod coco;
mod contact_sheet;
mod convert;
mod files;
mod label_mapping;
mod label_table;
mod labelme;
mod layout;
mod mask;
mod options;
mod paired_folders;
mod pairs;
mod pascal_voc;
mod photos;
mod polygon;
mod scan;
mod shapes;
mod split;
mod split_files;
mod split_folder;

use std::path::Path;
use std::sync::Arc;

pub use contact_sheet::{ContactSheet, contact_sheet};
pub use convert::{convert, write_samples};
pub use label_mapping::{LabelMapping, MOST_CLASSES};
pub use label_table::{LabelTable, LabelTarget};
pub use layout::{Layout, LayoutKind};
pub use options::{DatasetOptions, Unpaired};
pub use split::Split;
pub use split_folder::split_folder;

pub(crate) use annotation::Annotation;
pub(crate) use classes::Classes;
pub(crate) use files::read_bounded;
pub(crate) use mask::RawMask;
pub(crate) use pairs::Entry;

use upernet_image::DecodeLimits;

use crate::Error;
use pairs::Pairs;

/// A dataset in a folder.
#[derive(Clone, Debug)]
pub struct Dataset {
    layout: Layout,
    contents: Arc<Contents>,
    classes: Classes,
    options: DatasetOptions,
}

/// What a layout's reader found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) splits: Vec<SplitFiles>,
    pub(crate) official: Option<Official>,
    /// All photos with labels by the names that split files list, where splits are divided by such files
    /// or not at all.
    pub(crate) pool: Option<Vec<String>>,
}

impl Contents {
    /// All photos with labels.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.splits.iter().flat_map(|split| &split.pairs.entries)
    }
}

/// The table that a well-known dataset is read with.
#[derive(Clone, Debug)]
pub(crate) struct Official {
    pub(crate) table: LabelTable,
    pub(crate) origin: String,
}

/// The files of one split.
#[derive(Clone, Debug)]
pub(crate) struct SplitFiles {
    pub(crate) name: String,
    pub(crate) pairs: Pairs,
}

impl SplitFiles {
    fn new(name: &str, pairs: Pairs) -> Self {
        Self {
            name: name.to_owned(),
            pairs,
        }
    }
}

/// Opens the dataset in a folder: finds out its layout, lists its files and settles its classes.
///
/// No photo is read, and masks only if nothing else says how many classes there are.
///
/// # Errors
///
/// Returns an error that names the folder or file and says what to do: no layout or several are found,
/// the label map makes no sense, or classes cannot be counted because the ids are not 0, 1, 2, ...
///
/// ```
/// use upernet_data::{SampleSource, dataset::{self, DatasetOptions}};
/// use upernet_image::{LabelMap, Overwrite, Palette, image::RgbImage, write_label_png, write_png};
///
/// let folder = tempfile::tempdir()?;
/// for name in ["images", "masks"] {
///     std::fs::create_dir(folder.path().join(name))?;
/// }
/// write_png(folder.path().join("images/a.png"), &RgbImage::new(2, 1), Overwrite::Refuse)?;
/// let labels = LabelMap::new([1, 2], vec![1, 255])?;
/// write_label_png(folder.path().join("masks/a.png"), &labels, &Palette::generated(2), Overwrite::Refuse)?;
///
/// let options = DatasetOptions { num_classes: Some(2), ..DatasetOptions::default() };
/// let dataset = dataset::open(folder.path(), &options)?;
/// assert!(dataset.layout().to_string().ends_with("there is images/ with pictures in masks/"));
/// let split = dataset.split("all")?;
/// assert_eq!((split.len(), split.read(0)?.labels), (1, labels));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open(path: impl AsRef<Path>, options: &DatasetOptions) -> Result<Dataset, Error> {
    let Found {
        layout,
        contents,
        classes,
        ..
    } = Found::in_folder(path.as_ref(), options)?;
    Ok(Dataset {
        layout,
        contents,
        classes: classes?,
        options: options.clone(),
    })
}

/// A dataset whose classes may not be settled: what a check looks at.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) layout: Layout,
    pub(crate) contents: Arc<Contents>,
    pub(crate) classes: Result<Classes, Error>,
    pub(crate) limits: DecodeLimits,
}

impl Found {
    /// Finds out the layout, lists the files and tries to settle the classes.
    pub(crate) fn in_folder(path: &Path, options: &DatasetOptions) -> Result<Self, Error> {
        if !path.is_dir() {
            let problem = "no such folder; give the folder of the dataset".to_owned();
            return Err(Error::NotFound {
                path: path.to_path_buf(),
                problem,
            });
        }
        let layout = Layout::find(path, options)?;
        let contents = Arc::new(layout.read(options)?);
        let classes = classes::settle(&layout.root, &contents, options);
        Ok(Self {
            layout,
            contents,
            classes,
            limits: options.limits,
        })
    }
}

impl Dataset {
    /// Returns the layout; its `Display` says which it is and why.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the names of the splits, sorted.
    #[must_use]
    pub fn splits(&self) -> Vec<&str> {
        self.contents
            .splits
            .iter()
            .map(|split| split.name.as_str())
            .collect()
    }

    /// Returns the names of the classes, by id.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.classes.names
    }

    /// Returns how ids become classes; its `Display` says it in a sentence.
    #[must_use]
    pub fn label_mapping(&self) -> &LabelMapping {
        &self.classes.mapping
    }

    /// Returns the split whose name says that it is for training, if there is one.
    #[must_use]
    pub fn training_split(&self) -> Option<&str> {
        self.first_of(&["training", "train", "trainval"])
    }

    /// Returns the split whose name says that it is for validation, if there is one.
    #[must_use]
    pub fn validation_split(&self) -> Option<&str> {
        self.first_of(&["validation", "val", "valid", "test"])
    }

    fn first_of(&self, names: &[&str]) -> Option<&str> {
        let splits = self.splits();
        let found = names
            .iter()
            .find_map(|name| splits.iter().find(|split| *split == name));
        found.copied()
    }

    /// Returns a split, ready to be read.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such split, it has no photo, or (unless the options say to skip
    /// them) a photo has no mask or a mask no photo.
    pub fn split(&self, name: &str) -> Result<Split, Error> {
        let found = self.files_of(name)?;
        if self.options.unpaired == Unpaired::Refuse {
            found.pairs.complete()?;
        }
        if found.pairs.entries.is_empty() {
            return Err(Error::Invalid {
                path: self.layout.root.clone(),
                problem: format!(
                    "the split \"{name}\" has no photo with a mask; masks are called like their photos"
                ),
            });
        }
        Ok(Split {
            name: name.into(),
            entries: found.pairs.entries.clone().into(),
            classes: Arc::clone(&self.classes.names),
            mapping: Arc::clone(&self.classes.mapping),
            limits: self.options.limits,
        })
    }

    /// The files of a split.
    pub(crate) fn files_of(&self, name: &str) -> Result<&SplitFiles, Error> {
        let found = self.contents.splits.iter().find(|split| split.name == name);
        found.ok_or_else(|| Error::NotFound {
            path: self.layout.root.clone(),
            problem: format!(
                "there is no split \"{name}\"; there are: {}",
                self.splits().join(", ")
            ),
        })
    }

    /// What a check looks at.
    pub(crate) fn found(&self) -> Found {
        Found {
            layout: self.layout.clone(),
            contents: Arc::clone(&self.contents),
            classes: Ok(self.classes.clone()),
            limits: self.options.limits,
        }
    }
}
