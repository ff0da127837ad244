//! One split of a dataset, read sample by sample.

use std::path::Path;
use std::sync::Arc;

use upernet_image::{DecodeLimits, LabelMap, read_image};

use super::LabelMapping;
use super::pairs::Entry;
use crate::{Error, Sample, SampleSource};

/// One split of a dataset on disk: cheap to clone, samples are read when they are asked for.
#[derive(Clone, Debug)]
pub struct Split {
    pub(super) name: Arc<str>,
    pub(super) entries: Arc<[Entry]>,
    pub(super) classes: Arc<[String]>,
    pub(super) mapping: Arc<LabelMapping>,
    pub(super) limits: DecodeLimits,
}

impl Split {
    /// Returns the split's name, such as `training`.
    #[must_use]
    pub fn split_name(&self) -> &str {
        &self.name
    }

    /// Returns the file of a photo.
    ///
    /// # Panics
    ///
    /// Panics if `index` is not below [`len`](SampleSource::len).
    #[must_use]
    pub fn image_path(&self, index: usize) -> &Path {
        &self.entries[index].image
    }

    /// Returns the file with the labels of a photo, which may be that of other photos too.
    ///
    /// # Panics
    ///
    /// Panics if `index` is not below [`len`](SampleSource::len).
    #[must_use]
    pub fn annotation_path(&self, index: usize) -> &Path {
        self.entries[index].annotation.path()
    }
}

impl SampleSource for Split {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn class_names(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        self.entries[index].name.clone()
    }

    fn read(&self, index: usize) -> Result<Sample, Error> {
        let entry = &self.entries[index];
        let image = read_image(&entry.image, &self.limits)?;
        let labels = self.read_labels(index)?;
        let [height, width] = labels.size();
        if [height, width] != [image.height() as usize, image.width() as usize] {
            return Err(Error::Invalid {
                path: entry.annotation.path().to_path_buf(),
                problem: format!(
                    "has {width} x {height} pixels, but {} has {} x {}; export the mask at the size of \
                     the photo",
                    entry.image.display(),
                    image.width(),
                    image.height(),
                ),
            });
        }
        Ok(Sample { image, labels })
    }

    fn read_labels(&self, index: usize) -> Result<LabelMap, Error> {
        self.entries[index]
            .annotation
            .read(&self.mapping, &self.limits)
    }
}
