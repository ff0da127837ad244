//! How good predicted labels are near outlines.
//!
//! Cheng, Girshick, Dollár, Berg and Kirillov 2021, "Boundary `IoU`", <https://arxiv.org/abs/2103.16562>;
//! upstream is `boundary_iou/utils/boundary_utils.py` of `bowenc0221/boundary-iou-api`.

mod band;

use serde::{Deserialize, Serialize};
use upernet_image::{IGNORE_LABEL, LabelMap};

use super::{
    AbsentClasses, Scores,
    confusion::{check_num_labels, check_pair},
    convention::mean,
};
use crate::Error;

/// The intersection over union of outlines, streaming.
///
/// The outline of a class is the part of its mask that lies within `d` pixels (in chessboard distance) of
/// a pixel outside of the mask, where `d` is 0.02 of the image's diagonal, rounded, and at least 1. What
/// lies beyond the border of the image is outside of every mask. That is upstream's `mask_to_boundary`:
/// the mask less its erosion by `d` squares of 3 x 3, padded with 0.
///
/// Upstream scores objects. This is its semantic form: the mask of a class is all of its pixels in an
/// image, intersections and unions of outlines are summed over the dataset, class by class, and then
/// divided, as `IoU` does with whole masks. (The other form in use, a mean over images of the score of
/// each, weighs an image with three pixels of a class like one that is full of it.)
///
/// Pixels whose truth is ignored decide nothing: they do not count, and they make no outline, neither in
/// the truth nor in the prediction. So a prediction that is right wherever it counts scores 1, and the
/// rim of an ignored region gives nothing away. (Upstream's objects know no such pixels; its panoptic form
/// leaves them out of the union too, but lets them make outlines in the truth, which a prediction cannot
/// find.)
///
/// ```
/// use upernet_data::{pixels::LabelMap, scores::{AbsentClasses, BoundaryIou}};
///
/// // Truth: the left three columns of seven. Prediction: the left four. Outlines are 1 pixel wide.
/// let map = |columns| LabelMap::new([7, 7], (0..49).map(|i| u16::from(i % 7 >= columns)).collect());
/// let mut boundary = BoundaryIou::new(2)?;
/// boundary.add(&map(3)?, &map(4)?)?;
/// let scores = boundary.scores(AbsentClasses::Skip);
/// // 16 of 21 and 18 of 28 pixels are outline, 7 + 2 + 2 of them shared.
/// assert_eq!(scores.classes[0], Some(11.0 / (16.0 + 18.0 - 11.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BoundaryIou {
    ratio: f64,
    ignore_id: u16,
    classes: Vec<Outlines>,
}

/// Outline pixels of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outlines {
    truth: u64,
    predicted: u64,
    /// Pixels that are outline of the class on both sides.
    both: u64,
}

/// Scores near outlines: fractions, 0 to 1, undefined ones absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundaryScores {
    /// Mean over classes.
    #[serde(rename = "mIoU")]
    pub mean: Option<f64>,
    /// Boundary `IoU` of each class, by id.
    #[serde(rename = "IoU")]
    pub classes: Vec<Option<f64>>,
    /// Width of outlines in diagonals of the image.
    pub ratio: f64,
}

impl BoundaryIou {
    /// The width of outlines in diagonals of the image, as upstream has it for COCO and LVIS.
    pub const RATIO: f64 = 0.02;

    /// Makes sums of zero for classes `0..num_labels`.
    ///
    /// # Errors
    ///
    /// Returns an error unless there are 1 to 4096 classes.
    pub fn new(num_labels: usize) -> Result<Self, Error> {
        check_num_labels(num_labels)?;
        Ok(Self {
            ratio: Self::RATIO,
            ignore_id: IGNORE_LABEL,
            classes: vec![Outlines::default(); num_labels],
        })
    }

    /// Makes outlines `ratio` diagonals wide. Upstream has 0.02 for COCO and LVIS and 0.005 for the
    /// large images of Cityscapes.
    ///
    /// # Errors
    ///
    /// Returns an error unless the ratio is above 0 and at most 1.
    pub fn with_ratio(self, ratio: f64) -> Result<Self, Error> {
        if ratio > 0.0 && ratio <= 1.0 {
            return Ok(Self { ratio, ..self });
        }
        Err(Error::Setting {
            name: "boundary ratio",
            problem: format!(
                "{ratio} is not above 0 and at most 1; the usual one is {}",
                Self::RATIO
            ),
        })
    }

    /// Leaves out pixels whose true label is `ignore_id`.
    #[must_use]
    pub fn with_ignore_id(self, ignore_id: u16) -> Self {
        Self { ignore_id, ..self }
    }

    /// Adds the outlines of one image.
    ///
    /// # Errors
    ///
    /// Returns an error, and adds nothing, if the sizes differ, a true label is neither a class nor the
    /// ignore id, or a prediction is not a class where the truth counts.
    pub fn add(&mut self, truth: &LabelMap, predicted: &LabelMap) -> Result<(), Error> {
        check_pair(truth, predicted, self.classes.len(), self.ignore_id)?;
        let size = truth.size();
        let width = self.outline_width(size);
        let counts = |&label: &u16| label != self.ignore_id;
        let hide = |labels: &[u16]| -> Vec<u16> {
            truth
                .labels()
                .iter()
                .zip(labels)
                .map(|(truth, &label)| if counts(truth) { label } else { band::UNKNOWN })
                .collect()
        };
        let truth_inside = band::only_label_within(hide(truth.labels()), size, width);
        let predicted_inside = band::only_label_within(hide(predicted.labels()), size, width);
        let pixels = truth.labels().iter().zip(predicted.labels());
        let inside = truth_inside.iter().zip(&predicted_inside);
        for ((&truth, &predicted), (&truth_inside, &predicted_inside)) in pixels.zip(inside) {
            if truth == self.ignore_id {
                continue;
            }
            let (truth_outline, predicted_outline) =
                (truth_inside != truth, predicted_inside != predicted);
            self.classes[usize::from(truth)].truth += u64::from(truth_outline);
            self.classes[usize::from(predicted)].predicted += u64::from(predicted_outline);
            let both = truth == predicted && truth_outline && predicted_outline;
            self.classes[usize::from(truth)].both += u64::from(both);
        }
        Ok(())
    }

    /// Adds the sums of another.
    ///
    /// # Errors
    ///
    /// Returns an error if the other has another number of classes, ignore id, or width of outlines.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        let rules = |sums: &Self| (sums.classes.len(), sums.ignore_id, sums.ratio.to_bits());
        if rules(self) != rules(other) {
            return Err(Error::Labels {
                what: "boundary scores",
                problem: "counted for other classes, ignore ids or widths cannot be merged"
                    .to_owned(),
            });
        }
        for (sum, class) in self.classes.iter_mut().zip(&other.classes) {
            sum.truth += class.truth;
            sum.predicted += class.predicted;
            sum.both += class.both;
        }
        Ok(())
    }

    /// The scores of what was added so far.
    #[must_use]
    pub fn scores(&self, absent_classes: AbsentClasses) -> BoundaryScores {
        let classes: Vec<Option<f64>> = self
            .classes
            .iter()
            .map(|class| {
                absent_classes.ratio(class.both, class.truth + class.predicted - class.both)
            })
            .collect();
        BoundaryScores {
            mean: mean(classes.iter().copied()),
            classes,
            ratio: self.ratio,
        }
    }

    /// Width of outlines in pixels. Python rounds halves to the even number, and so does this.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a length of at most the diagonal of an image in memory"
    )]
    fn outline_width(&self, [height, width]: [usize; 2]) -> usize {
        let (height, width) = (height as f64, width as f64);
        let diagonal = (height * height + width * width).sqrt();
        ((self.ratio * diagonal).round_ties_even() as usize).max(1)
    }
}

impl Scores {
    /// Adds the scores near outlines, counted under the same convention.
    ///
    /// # Panics
    ///
    /// Panics if the outlines left out another label than the convention says.
    #[must_use]
    pub fn with_boundary(self, boundary: &BoundaryIou) -> Self {
        assert_eq!(
            boundary.ignore_id, self.convention.ignore_id,
            "outlines were counted under another ignore id than the convention has"
        );
        let scores = boundary.scores(self.convention.absent_classes);
        Self {
            boundary: Some(scores),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(size: [usize; 2], labels: Vec<u16>) -> LabelMap {
        LabelMap::new(size, labels).unwrap()
    }

    #[test]
    fn widths_are_rounded_as_in_python() {
        let boundary = BoundaryIou::new(2).unwrap();
        // Diagonals of 125, 175 and 5 pixels: 2.5 and 3.5, both to the even number; and at least 1.
        assert_eq!(boundary.outline_width([75, 100]), 2);
        assert_eq!(boundary.outline_width([105, 140]), 4);
        assert_eq!(boundary.outline_width([3, 4]), 1);
    }

    #[test]
    fn a_prediction_that_is_right_where_it_counts_scores_one() {
        let truth: Vec<u16> = (0..40 * 50)
            .map(|pixel| match (pixel / 50, pixel % 50) {
                (10..15, _) => IGNORE_LABEL,
                (_, column) => u16::from(column > 20),
            })
            .collect();
        let guess = |&label: &u16| if label == IGNORE_LABEL { 2 } else { label };
        let predicted = truth.iter().map(guess).collect();
        let mut boundary = BoundaryIou::new(3).unwrap();
        boundary
            .add(&map([40, 50], truth), &map([40, 50], predicted))
            .unwrap();
        let scores = boundary.scores(AbsentClasses::Skip);
        assert_eq!(scores.classes, [Some(1.0), Some(1.0), None]);
        assert_eq!(scores.mean, Some(1.0));
        let scores = boundary.scores(AbsentClasses::Zero);
        assert_eq!(scores.mean, Some(2.0 / 3.0));
    }

    #[test]
    fn merging_is_adding() {
        let images = [
            [map([1, 4], vec![0, 1, 1, 0]), map([1, 4], vec![0, 0, 1, 1])],
            [
                map([2, 2], vec![1, 1, 0, 255]),
                map([2, 2], vec![1, 0, 0, 9]),
            ],
        ];
        let mut all = BoundaryIou::new(2).unwrap();
        let mut merged = all.clone();
        for [truth, predicted] in &images {
            all.add(truth, predicted).unwrap();
            let mut one = BoundaryIou::new(2).unwrap();
            one.add(truth, predicted).unwrap();
            merged.merge(&one).unwrap();
        }
        assert_eq!(all, merged);
        // In images this small all is outline, so these are the pixels of the masks: 2 + 1, 2 + 2, 1 + 1.
        let class = Outlines {
            truth: 3,
            predicted: 4,
            both: 2,
        };
        assert_eq!(all.classes[0], class);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let boundary = BoundaryIou::new(2).unwrap();
        for ratio in [0.0, -1.0, 1.5, f64::NAN, f64::INFINITY] {
            assert!(boundary.clone().with_ratio(ratio).is_err(), "{ratio}");
        }
        let mut wide = boundary.clone().with_ratio(0.1).unwrap();
        assert!(wide.merge(&boundary).is_err());
        let pair = [map([1, 2], vec![0, 1]), map([1, 2], vec![0, 2])];
        let error = wide.add(&pair[0], &pair[1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "prediction: label 2 at row 0, column 1 is none of the 2 classes, nor the ignore id 255"
        );
        assert!(BoundaryIou::new(0).is_err());
    }

    #[test]
    #[should_panic(expected = "outlines were counted under another ignore id")]
    fn outlines_of_another_convention_panic() {
        let convention = super::super::Convention::default();
        let scores = Scores::new(&convention.matrix(2).unwrap(), convention);
        let boundary = BoundaryIou::new(2).unwrap().with_ignore_id(0);
        let _ = scores.with_boundary(&boundary);
    }
}
