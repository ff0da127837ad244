//! Writes tiny datasets.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use upernet_data::dataset::{self, Dataset, DatasetOptions};
use upernet_data::pixels::image::{GrayImage, ImageBuffer, Luma, Rgb, RgbImage};
use upernet_data::pixels::{LabelMap, Overwrite, Palette, write_label_png};
use upernet_data::{Error, SampleSource};

/// The labels of the first row of a sample.
pub(crate) fn first_row(source: &dyn SampleSource, index: usize) -> Vec<u16> {
    let labels = source.read(index).unwrap().labels;
    labels.labels()[..labels.size()[1]].to_vec()
}

/// A folder that is gone after the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The path of a file, its folder made.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn text(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    /// A photo of `width` x 2 pixels; no two with different seeds are alike.
    pub(crate) fn photo(&self, name: &str, width: u32, seed: u8) -> &Self {
        let photo = RgbImage::from_fn(width, 2, |x, y| {
            Rgb([seed, u8::try_from((x * 40 + y) % 256).unwrap(), 7])
        });
        photo.save(self.path(name)).unwrap();
        self
    }

    /// A grey mask of two rows of these ids.
    pub(crate) fn mask(&self, name: &str, row: &[u8]) -> &Self {
        let width = u32::try_from(row.len()).unwrap();
        let mask = GrayImage::from_fn(width, 2, |x, _| Luma([row[x as usize]]));
        mask.save(self.path(name)).unwrap();
        self
    }

    /// A grey mask of 16 bits, two rows of these ids.
    pub(crate) fn wide_mask(&self, name: &str, row: &[u16]) -> &Self {
        let width = u32::try_from(row.len()).unwrap();
        let mask = ImageBuffer::from_fn(width, 2, |x, _| Luma([row[x as usize]]));
        mask.save(self.path(name)).unwrap();
        self
    }

    /// An indexed mask with a palette, two rows of these ids.
    pub(crate) fn indexed_mask(&self, name: &str, row: &[u16]) -> &Self {
        let labels = LabelMap::new([2, row.len()], row.repeat(2)).unwrap();
        let palette = Palette::generated(21);
        write_label_png(self.path(name), &labels, &palette, Overwrite::Replace).unwrap();
        self
    }

    /// A mask with colours, two rows of these.
    pub(crate) fn color_mask(&self, name: &str, row: &[[u8; 3]]) -> &Self {
        let width = u32::try_from(row.len()).unwrap();
        let mask = RgbImage::from_fn(width, 2, |x, _| Rgb(row[x as usize]));
        mask.save(self.path(name)).unwrap();
        self
    }

    pub(crate) fn open(&self, options: &DatasetOptions) -> Dataset {
        dataset::open(self.root(), options).unwrap()
    }

    pub(crate) fn open_plain(&self) -> Dataset {
        self.open(&DatasetOptions::default())
    }

    /// The message of opening, without the folder's own path.
    pub(crate) fn open_error(&self, options: &DatasetOptions) -> String {
        self.message(&dataset::open(self.root(), options).unwrap_err())
    }

    /// A message without the folder's own path.
    pub(crate) fn message(&self, error: &Error) -> String {
        let root = self.root().display().to_string();
        error
            .to_string()
            .replace(&format!("{root}/"), "")
            .replace(&root, "ROOT")
    }
}
