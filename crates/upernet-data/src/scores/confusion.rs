//! Pixels counted by true and predicted class.

mod count;
mod csv;

use serde::{Deserialize, Serialize};
use upernet_image::{IGNORE_LABEL, LabelMap};

use crate::Error;

/// Most classes of a matrix, which then has 128 MiB.
const MOST_LABELS: usize = 4096;

/// How many pixels of each true class were predicted to be of each class.
///
/// Images are added one at a time, and matrices of several threads are [merged](Self::merge); order does
/// not matter. Pixels whose truth is the ignore id are left out, whatever was predicted there.
///
/// As data it is `{"ignore_id": 255, "rows": [[..], ..]}`, one row for each true class.
///
/// ```
/// use upernet_data::{pixels::LabelMap, scores::ConfusionMatrix};
///
/// let mut matrix = ConfusionMatrix::new(2)?;
/// matrix.add(
///     &LabelMap::new([1, 4], vec![0, 0, 1, 255])?,
///     &LabelMap::new([1, 4], vec![0, 1, 1, 0])?,
/// )?;
/// assert_eq!(matrix.rows().collect::<Vec<_>>(), [[1, 1], [0, 1]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Rows", into = "Rows")]
pub struct ConfusionMatrix {
    num_labels: usize,
    ignore_id: u16,
    /// By true class, then by predicted class.
    pixels: Vec<u64>,
}

impl ConfusionMatrix {
    /// Makes a matrix of zeros for classes `0..num_labels`; pixels labelled [`IGNORE_LABEL`] will be left
    /// out.
    ///
    /// # Errors
    ///
    /// Returns an error unless there are 1 to 4096 classes.
    pub fn new(num_labels: usize) -> Result<Self, Error> {
        Self::with_ignore_id(num_labels, IGNORE_LABEL)
    }

    /// Makes a matrix of zeros that leaves out pixels whose true label is `ignore_id`, be it a class or
    /// not.
    ///
    /// # Errors
    ///
    /// Returns an error unless there are 1 to 4096 classes.
    pub fn with_ignore_id(num_labels: usize, ignore_id: u16) -> Result<Self, Error> {
        check_num_labels(num_labels)?;
        Ok(Self {
            num_labels,
            ignore_id,
            pixels: vec![0; num_labels * num_labels],
        })
    }

    /// Counts the pixels of one image.
    ///
    /// # Errors
    ///
    /// Returns an error, and counts nothing, if the sizes differ, a true label is neither a class nor the
    /// ignore id, or a prediction is not a class where the truth counts.
    pub fn add(&mut self, truth: &LabelMap, predicted: &LabelMap) -> Result<(), Error> {
        check_pair(truth, predicted, self.num_labels, self.ignore_id)?;
        count::add_pixels(
            &mut self.pixels,
            self.num_labels,
            self.ignore_id,
            [truth.labels(), predicted.labels()],
        );
        Ok(())
    }

    /// Adds the counts of another matrix.
    ///
    /// # Errors
    ///
    /// Returns an error if the other has another number of classes or another ignore id.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if (self.num_labels, self.ignore_id) != (other.num_labels, other.ignore_id) {
            return Err(Error::Labels {
                what: "confusion matrix",
                problem: format!(
                    "{} classes ignoring {} cannot be merged with {} classes ignoring {}",
                    self.num_labels, self.ignore_id, other.num_labels, other.ignore_id
                ),
            });
        }
        for (sum, pixels) in self.pixels.iter_mut().zip(&other.pixels) {
            *sum += pixels;
        }
        Ok(())
    }

    /// Number of classes.
    #[must_use]
    pub fn num_labels(&self) -> usize {
        self.num_labels
    }

    /// The true label of pixels that are left out.
    #[must_use]
    pub fn ignore_id(&self) -> u16 {
        self.ignore_id
    }

    /// One row for each true class, with the pixels predicted to be of each class.
    #[must_use]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.pixels.chunks_exact(self.num_labels)
    }

    /// Number of pixels counted.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        self.pixels.iter().sum()
    }
}

/// Checks that scores of so many classes have a meaning and a place in memory.
pub(super) fn check_num_labels(num_labels: usize) -> Result<(), Error> {
    if (1..=MOST_LABELS).contains(&num_labels) {
        return Ok(());
    }
    Err(Error::Setting {
        name: "num_labels",
        problem: format!("{num_labels} classes cannot be scored, 1 to {MOST_LABELS} can"),
    })
}

/// Checks that two maps can be compared, pixel by pixel.
pub(super) fn check_pair(
    truth: &LabelMap,
    predicted: &LabelMap,
    num_labels: usize,
    ignore_id: u16,
) -> Result<(), Error> {
    if truth.size() != predicted.size() {
        let ([height, width], [rows, columns]) = (truth.size(), predicted.size());
        return Err(Error::Labels {
            what: "prediction",
            problem: format!(
                "has {rows} x {columns} pixels, the truth {height} x {width} (height x width); \
                 resize the prediction to the truth"
            ),
        });
    }
    let labels = [truth.labels(), predicted.labels()];
    let Some(index) = count::first_fault(num_labels, ignore_id, labels) else {
        return Ok(());
    };
    let width = truth.size()[1];
    let label = truth.labels()[index];
    let (what, label) = if usize::from(label) < num_labels {
        ("prediction", predicted.labels()[index])
    } else {
        ("truth", label)
    };
    Err(Error::Labels {
        what,
        problem: format!(
            "label {label} at row {}, column {} is none of the {num_labels} classes, \
             nor the ignore id {ignore_id}",
            index / width,
            index % width
        ),
    })
}

/// A matrix as data.
#[derive(Serialize, Deserialize)]
struct Rows {
    ignore_id: u16,
    rows: Vec<Vec<u64>>,
}

impl From<ConfusionMatrix> for Rows {
    fn from(matrix: ConfusionMatrix) -> Self {
        Self {
            ignore_id: matrix.ignore_id,
            rows: matrix.rows().map(<[u64]>::to_vec).collect(),
        }
    }
}

impl TryFrom<Rows> for ConfusionMatrix {
    type Error = Error;

    fn try_from(data: Rows) -> Result<Self, Error> {
        let num_labels = data.rows.len();
        if let Some(row) = data.rows.iter().find(|row| row.len() != num_labels) {
            return Err(Error::Labels {
                what: "confusion matrix",
                problem: format!("has {num_labels} rows and one of {} columns", row.len()),
            });
        }
        // Sums of what is kept are formed later, and must not overflow.
        let total = data
            .rows
            .iter()
            .flatten()
            .try_fold(0_u64, |sum, pixels| sum.checked_add(*pixels));
        if total.is_none_or(|total| total > u64::MAX / 4) {
            return Err(Error::Labels {
                what: "confusion matrix",
                problem: "counts more pixels than there can be".to_owned(),
            });
        }
        let matrix = Self::with_ignore_id(num_labels, data.ignore_id)?;
        Ok(Self {
            pixels: data.rows.concat(),
            ..matrix
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(size: [usize; 2], labels: &[u16]) -> LabelMap {
        LabelMap::new(size, labels.to_vec()).unwrap()
    }

    fn images() -> impl Strategy<Value = Vec<[LabelMap; 2]>> {
        let label = prop_oneof![0_u16..4, Just(255)];
        let image = (1_usize..6, 1_usize..30).prop_flat_map(move |(height, width)| {
            let truth = proptest::collection::vec(label.clone(), height * width);
            let predicted = proptest::collection::vec(0_u16..4, height * width);
            (truth, predicted).prop_map(move |(truth, predicted)| {
                [
                    map([height, width], &truth),
                    map([height, width], &predicted),
                ]
            })
        });
        proptest::collection::vec(image, 0..5)
    }

    proptest! {
        #[test]
        fn merging_is_adding(images in images()) {
            let mut all = ConfusionMatrix::new(4).unwrap();
            let mut merged = all.clone();
            for [truth, predicted] in &images {
                all.add(truth, predicted).unwrap();
                let mut one = ConfusionMatrix::new(4).unwrap();
                one.add(truth, predicted).unwrap();
                merged.merge(&one).unwrap();
            }
            prop_assert_eq!(&all, &merged);
            let counted = images.iter().flat_map(|[truth, _]| truth.labels());
            let counted = counted.filter(|&&label| label != 255).count();
            prop_assert_eq!(all.pixels(), counted as u64);
            let data = serde_json::to_string(&all).unwrap();
            prop_assert_eq!(serde_json::from_str::<ConfusionMatrix>(&data).unwrap(), all);
        }
    }

    #[test]
    fn a_class_can_be_ignored() {
        let mut matrix = ConfusionMatrix::with_ignore_id(2, 0).unwrap();
        matrix
            .add(&map([1, 4], &[0, 0, 1, 1]), &map([1, 4], &[0, 1, 1, 0]))
            .unwrap();
        assert!(matrix.rows().eq([[0, 0], [1, 1]]));
        let error = matrix
            .add(&map([1, 1], &[255]), &map([1, 1], &[0]))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "truth: label 255 at row 0, column 0 is none of the 2 classes, nor the ignore id 0"
        );
    }

    #[test]
    fn a_bad_image_counts_nothing() {
        let mut matrix = ConfusionMatrix::new(3).unwrap();
        let truth = map([2, 3], &[0, 1, 2, 0, 1, 255]);
        let error = matrix
            .add(&truth, &map([2, 3], &[0, 1, 2, 0, 3, 7]))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "prediction: label 3 at row 1, column 1 is none of the 3 classes, nor the ignore id 255"
        );
        assert_eq!(error.kind(), crate::ErrorKind::BadData);
        let error = matrix.add(&truth, &map([3, 2], &[0; 6])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "prediction: has 3 x 2 pixels, the truth 2 x 3 (height x width); \
             resize the prediction to the truth"
        );
        assert_eq!(matrix.pixels(), 0);
    }

    #[test]
    fn matrices_of_other_kinds_do_not_merge() {
        let mut matrix = ConfusionMatrix::new(3).unwrap();
        let error = matrix.merge(&ConfusionMatrix::new(2).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "confusion matrix: 3 classes ignoring 255 cannot be merged with 2 classes ignoring 255"
        );
        let other = ConfusionMatrix::with_ignore_id(3, 0).unwrap();
        assert!(matrix.merge(&other).is_err());
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(ConfusionMatrix::new(0).is_err());
        assert!(ConfusionMatrix::new(MOST_LABELS).is_ok());
        let error = ConfusionMatrix::new(usize::MAX).unwrap_err().to_string();
        assert!(
            error.ends_with("classes cannot be scored, 1 to 4096 can"),
            "{error}"
        );
    }

    #[test]
    fn damaged_data_is_refused() {
        let read = |data| serde_json::from_str::<ConfusionMatrix>(data);
        assert!(read(r#"{"ignore_id":255,"rows":[[1,0],[0,1]]}"#).is_ok());
        for data in [
            r#"{"ignore_id":255,"rows":[]}"#,
            r#"{"ignore_id":255,"rows":[[1,0],[0]]}"#,
            r#"{"ignore_id":255,"rows":[[1,0],[0,-1]]}"#,
            r#"{"ignore_id":255,"rows":[[18446744073709551615,1],[0,0]]}"#,
            r#"{"rows":[[1]]}"#,
        ] {
            assert!(read(data).is_err(), "{data}");
        }
    }
}
