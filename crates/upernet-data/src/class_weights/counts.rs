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

    /// Counts the labels of all samples, on all threads. A thread holds one sample's at a time.
    ///
    /// # Errors
    ///
    /// Returns the error of a sample that cannot be read or has a label out of range.
    pub fn scan(source: &dyn SampleSource) -> Result<Self, Error> {
        let empty = || Self::new(source.class_names().len());
        (0..source.len())
            .into_par_iter()
            .try_fold(empty, |mut counts, index| {
                let labels = source.read_labels(index)?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use upernet_image::image::RgbImage;

    use super::*;
    use crate::Sample;

    /// Label maps in memory; one that is missing cannot be read.
    struct Maps {
        names: Vec<String>,
        maps: Vec<Option<LabelMap>>,
    }

    impl Maps {
        fn new(maps: impl IntoIterator<Item = Option<LabelMap>>) -> Self {
            Self {
                names: ["a", "b", "c"].map(String::from).to_vec(),
                maps: maps.into_iter().collect(),
            }
        }
    }

    impl SampleSource for Maps {
        fn len(&self) -> usize {
            self.maps.len()
        }

        fn class_names(&self) -> &[String] {
            &self.names
        }

        fn name(&self, index: usize) -> String {
            format!("photo-{index}")
        }

        fn read(&self, index: usize) -> Result<Sample, Error> {
            let labels = self.maps[index].clone().ok_or_else(|| Error::NotFound {
                path: PathBuf::from(self.name(index)),
                problem: "is not there".to_owned(),
            })?;
            let image = RgbImage::new(1, 1);
            Ok(Sample { image, labels })
        }
    }

    fn map(labels: Vec<u16>) -> LabelMap {
        LabelMap::new([1, labels.len()], labels).unwrap()
    }

    #[test]
    fn images_without_a_class_are_not_in_its_total() {
        let mut counts = ClassCounts::new(3);
        counts.add(&map(vec![0, 0, 1, 255])).unwrap();
        counts.add(&map(vec![0, 0, 255, 255, 255])).unwrap();
        assert_eq!(counts.pixels, [4, 1, 0]);
        assert_eq!(counts.present_pixels, [5, 3, 0]);
        assert_eq!(counts.absent(), [2]);
    }

    proptest! {
        #[test]
        fn scanning_and_merging_are_adding(
            labels in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![0_u16..3, Just(255)], 0..50),
                0..20,
            ),
        ) {
            let maps: Vec<LabelMap> = labels.into_iter().map(map).collect();
            let mut all = ClassCounts::new(3);
            let mut merged = all.clone();
            for map in &maps {
                all.add(map).unwrap();
                let mut one = ClassCounts::new(3);
                one.add(map).unwrap();
                merged.merge(&one).unwrap();
            }
            prop_assert_eq!(&merged, &all);
            let source = Maps::new(maps.into_iter().map(Some));
            prop_assert_eq!(ClassCounts::scan(&source).unwrap(), all);
        }
    }

    #[test]
    fn a_label_out_of_range_is_named() {
        let mut counts = ClassCounts::new(3);
        let error = counts.add(&map(vec![0, 7, 7])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "labels: 2 pixels have label 7, which is none of the 3 classes, nor 255 for none"
        );
        assert_eq!(counts, ClassCounts::new(3));
        let source = Maps::new([Some(map(vec![0])), Some(map(vec![7]))]);
        assert_eq!(
            ClassCounts::scan(&source).unwrap_err().to_string(),
            "photo-1: 1 pixels have label 7, which is none of the 3 classes, nor 255 for none"
        );
    }

    #[test]
    fn what_cannot_be_read_stops_the_scan() {
        let source = Maps::new([Some(map(vec![0])), None]);
        assert_eq!(
            ClassCounts::scan(&source).unwrap_err().to_string(),
            "photo-1: is not there"
        );
    }

    #[test]
    fn counts_of_other_classes_do_not_merge() {
        let mut counts = ClassCounts::new(3);
        assert_eq!(
            counts.merge(&ClassCounts::new(2)).unwrap_err().to_string(),
            "class counts: of 3 classes cannot be merged with those of 2"
        );
    }
}
