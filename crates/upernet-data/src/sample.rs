//! A photo with its labels, and what gives them.

use upernet_image::{LabelMap, image::RgbImage};

use crate::Error;

/// A photo and the class of each of its pixels.
///
/// Labels are class ids `0..num_labels` or [`IGNORE_LABEL`](upernet_image::IGNORE_LABEL); whatever the
/// files say has been mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The photo, `[height, width]` pixels.
    pub image: RgbImage,
    /// One label for each pixel of the photo.
    pub labels: LabelMap,
}

/// Photos with labels, by index: a split of a dataset on disk, or scenes drawn on demand.
///
/// Reading is independent of order and thread: the same index gives the same sample.
pub trait SampleSource: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the classes, by id.
    fn class_names(&self) -> &[String];

    /// What to call a sample in messages and file names: the stem of its photo, for example.
    ///
    /// # Panics
    ///
    /// May panic if `index` is not below [`len`](Self::len).
    fn name(&self, index: usize) -> String;

    /// Reads and decodes a sample.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it cannot be read, the sizes of photo and mask differ, or
    /// a label is neither a class id nor mapped to one.
    fn read(&self, index: usize) -> Result<Sample, Error>;

    /// Reads the labels of a sample; a source that can leaves its photo alone.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); what is wrong with the photo may go unnoticed.
    fn read_labels(&self, index: usize) -> Result<LabelMap, Error> {
        Ok(self.read(index)?.labels)
    }
}
