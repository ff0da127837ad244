//! How datasets are laid out in folders, and which of these a folder is.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{direct_files, subfolders};
use super::{
    Contents, DatasetOptions, ade20k, cityscapes, coco, labelme, paired_folders, pascal_voc,
};
use crate::Error;

/// A way in which datasets are laid out in folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayoutKind {
    /// `images/` and `masks/` (or `annotations/`, `labels/`), the same names in both.
    PairedFolders,
    /// `images/training` and `annotations/training`, as ADE20K has them.
    Ade20k,
    /// `leftImg8bit` and `gtFine`.
    Cityscapes,
    /// `JPEGImages` and `SegmentationClass`, splits in `ImageSets/Segmentation`.
    PascalVoc,
    /// The same with a `labelmap.txt`, as CVAT exports it.
    Cvat,
    /// Polygons and runs of all photos in one JSON file.
    Coco,
    /// Polygons in a JSON file for each photo.
    Labelme,
}

impl LayoutKind {
    /// All layouts.
    pub const ALL: [Self; 7] = [
        Self::PairedFolders,
        Self::Ade20k,
        Self::Cityscapes,
        Self::PascalVoc,
        Self::Cvat,
        Self::Coco,
        Self::Labelme,
    ];

    /// The layout's name in options.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PairedFolders => "paired-folders",
            Self::Ade20k => "ade20k",
            Self::Cityscapes => "cityscapes",
            Self::PascalVoc => "pascal-voc",
            Self::Cvat => "cvat",
            Self::Coco => "coco",
            Self::Labelme => "labelme",
        }
    }

    /// Says what of this layout is in the folder, or nothing if it is another one.
    fn detect(self, root: &Path, options: &DatasetOptions) -> Result<Option<String>, Error> {
        match self {
            Self::PairedFolders => paired_folders::detect(root, options),
            Self::Ade20k => paired_folders::detect_ade20k(root),
            Self::Cityscapes => cityscapes::detect(root, options),
            Self::PascalVoc => pascal_voc::detect(root, options),
            Self::Cvat => pascal_voc::detect_cvat(root, options),
            Self::Coco => coco::detect(root, options),
            Self::Labelme => labelme::detect(root, options),
        }
    }

    /// What the layout needs, for the message that it is not there.
    fn needs(self) -> &'static str {
        match self {
            Self::PairedFolders => "images/ with masks/, annotations/ or labels/",
            Self::Ade20k => "images/training with annotations/training",
            Self::Cityscapes => "leftImg8bit/ with gtFine/",
            Self::PascalVoc => "JPEGImages/ with SegmentationClass/",
            Self::Cvat => "labelmap.txt, JPEGImages/ and SegmentationClass/",
            Self::Coco => "photos and a JSON file of images, annotations and categories",
            Self::Labelme => "photos and a JSON file of shapes for each",
        }
    }

    fn read(self, root: &Path, options: &DatasetOptions) -> Result<Contents, Error> {
        match self {
            Self::PairedFolders => paired_folders::read(root, options),
            Self::Ade20k => {
                let mut contents = paired_folders::read(root, options)?;
                contents.official = ade20k::official(&contents, options)?;
                Ok(contents)
            }
            Self::Cityscapes => cityscapes::read(root, options),
            Self::PascalVoc => pascal_voc::read(root, options),
            Self::Cvat => pascal_voc::read_cvat(root, options),
            Self::Coco => coco::read(root, options),
            Self::Labelme => labelme::read(root, options),
        }
    }
}

impl fmt::Display for LayoutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for LayoutKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Error::Setting {
                    name: "layout",
                    problem: format!("\"{name}\" is not known; choose one of {names}"),
                }
            })
    }
}

/// The layout of a dataset, and why it is taken for that one; `Display` says both in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The layout.
    pub kind: LayoutKind,
    /// What was found, or who said so.
    pub reason: String,
    /// The folder with the layout in it, which may lie below the one that was opened.
    pub root: PathBuf,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: layout {}, because {}",
            self.root.display(),
            self.kind,
            self.reason
        )
    }
}

impl Layout {
    /// Looks at the folder; one that holds nothing but another folder is passed through.
    pub(crate) fn find(root: &Path, options: &DatasetOptions) -> Result<Self, Error> {
        let mut folder = root.to_path_buf();
        loop {
            let found = candidates(&folder, options)?;
            match found.as_slice() {
                [] => match only_subfolder(&folder)? {
                    Some(inner) => folder = inner,
                    None => return Err(nothing_found(root, options)),
                },
                [(kind, reason)] => {
                    return Ok(Self {
                        kind: *kind,
                        reason: reason.clone(),
                        root: folder,
                    });
                }
                [(first, why), (second, why_second), ..] => {
                    return Err(Error::Invalid {
                        path: folder,
                        problem: format!(
                            "could be {first} ({why}) or {second} ({why_second}); choose with the option layout"
                        ),
                    });
                }
            }
        }
    }

    pub(crate) fn read(&self, options: &DatasetOptions) -> Result<Contents, Error> {
        self.kind.read(&self.root, options)
    }
}

fn candidates(folder: &Path, options: &DatasetOptions) -> Result<Vec<(LayoutKind, String)>, Error> {
    if let Some(kind) = options.layout {
        let found = kind.detect(folder, options)?;
        return Ok(found
            .map(|what| (kind, format!("it was chosen, and there is {what}")))
            .into_iter()
            .collect());
    }
    let mut found = Vec::new();
    for kind in LayoutKind::ALL {
        if let Some(what) = kind.detect(folder, options)? {
            found.push((kind, format!("there is {what}")));
        }
    }
    Ok(found)
}

fn only_subfolder(folder: &Path) -> Result<Option<PathBuf>, Error> {
    match subfolders(folder)?.as_slice() {
        [inner] if direct_files(folder)?.is_empty() => Ok(Some(folder.join(inner))),
        _ => Ok(None),
    }
}

fn nothing_found(root: &Path, options: &DatasetOptions) -> Error {
    let problem = if let Some(kind) = options.layout {
        format!("is not laid out as {kind}, which needs {}", kind.needs())
    } else {
        let needs = LayoutKind::ALL
            .map(|kind| format!("{} ({kind})", kind.needs()))
            .join("; ");
        format!("no known layout; make it one of: {needs}; or set the options images and masks")
    };
    Error::NotFound {
        path: root.to_path_buf(),
        problem,
    }
}
