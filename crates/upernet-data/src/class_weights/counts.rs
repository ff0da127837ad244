//! How common each class is.

use std::path::PathBuf;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;
use upernet_image::{IGNORE_LABEL, LabelMap};

use crate::{Error, SampleSource};

/// Pixels of each class in a dataset. Pixels labelled [`IGNORE_LABEL`] are in no sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCounts {
    /// Number of pixels of each class, by id.
    pub pixels: Vec<u64>,
    /// Number of labelled pixels, of any class, in the images that hold each class.
    pub present_pixels: Vec<u64>,
}

impl ClassCounts {
    /// Makes counts of zero for classes `0..num_labels`.
    #[must_use]
    pub fn new(num_labels: usize) -> Self {
        Self {
            pixels: vec![0; num_labels],
            present_pixels: vec![0; num_labels],
        }
    }

    /// Counts the labels of all samples, on all threads. A thread holds one sample at a time.
    ///
    /// # Errors
    ///
    /// Returns the error of a sample that cannot be read or has a label out of range.
    pub fn scan(source: &dyn SampleSource) -> Result<Self, Error> {
        let empty = || Self::new(source.class_names().len());
        (0..source.len())
            .into_par_iter()
            .try_fold(empty, |mut counts, index| {
                let labels = source.read(index)?.labels;
                counts.add(&labels).map_err(|error| match error {
                    Error::Labels { problem, .. } => Error::Invalid {
                        path: PathBuf::from(source.name(index)),
                        problem,
                    },
                    error => error,
                })?;
                Ok(counts)
            })
            .try_reduce(empty, |mut counts, other| {
                counts.merge(&other)?;
                Ok(counts)
            })
    }

    /// Counts the labels of one image.
    ///
    /// # Errors
    ///
    /// Returns an error, and counts nothing, if a label is neither a class nor [`IGNORE_LABEL`].
    pub fn add(&mut self, labels: &LabelMap) -> Result<(), Error> {
        let mut areas = labels.class_areas();
        areas.retain(|area| area.label != IGNORE_LABEL);
        let num_labels = self.pixels.len();
        if let Some(area) = areas
            .iter()
            .find(|area| usize::from(area.label) >= num_labels)
        {
            return Err(Error::Labels {
                what: "labels",
                problem: format!(
                    "{} pixels have label {}, which is none of the {num_labels} classes, \
                     nor {IGNORE_LABEL} for none",
                    area.pixels, area.label
                ),
            });
        }
        let labelled: u64 = areas.iter().map(|area| area.pixels).sum();
        for area in areas {
            self.pixels[usize::from(area.label)] += area.pixels;
            self.present_pixels[usize::from(area.label)] += labelled;
        }
        Ok(())
    }

    /// Adds other counts.
    ///
    /// # Errors
    ///
    /// Returns an error if the other has another number of classes.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if self.pixels.len() != other.pixels.len() {
            return Err(Error::Labels {
                what: "class counts",
                problem: format!(
                    "of {} classes cannot be merged with those of {}",
                    self.pixels.len(),
                    other.pixels.len()
                ),
            });
        }
        let sums = self.pixels.iter_mut().chain(&mut self.present_pixels);
        for (sum, pixels) in sums.zip(other.pixels.iter().chain(&other.present_pixels)) {
            *sum += pixels;
        }
        Ok(())
    }

    /// Number of classes.
    #[must_use]
    pub fn num_labels(&self) -> usize {
        self.pixels.len()
    }

    /// Ids of the classes that no pixel has.
    #[must_use]
    pub fn absent(&self) -> Vec<usize> {
        (0..self.pixels.len())
            .filter(|&class| self.pixels[class] == 0)
            .collect()
    }
}
