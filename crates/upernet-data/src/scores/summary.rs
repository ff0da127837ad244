//! The scores of a confusion matrix.

use serde::{Deserialize, Serialize};

use super::{
    AbsentClasses, BoundaryScores, ConfusionMatrix, Convention, ScoreTable, convention::mean,
};

/// What a confusion matrix says under a convention. All scores are fractions, 0 to 1.
///
/// The formulas are mmsegmentation's (`mmseg/evaluation/metrics/iou_metric.py`), in which a class has
/// `hits` where truth and prediction agree, `truth` pixels and `predicted` pixels, all summed over the
/// dataset first:
///
/// | score | of a class | undefined if |
/// |---|---|---|
/// | `IoU` | hits / (truth + predicted - hits) | neither side has the class |
/// | `Acc` (recall) | hits / truth | the truth lacks it |
/// | `Precision` | hits / predicted | it is never predicted |
/// | `Dice` | 2 hits / (truth + predicted) | neither side has it |
/// | `Fscore` | 2 `Precision` `Acc` / (`Precision` + `Acc`) | one of the two is undefined, or both are 0 |
///
/// Means are over the classes whose score is defined, each mean over its own. So a class that is
/// predicted and never true counts in `mIoU`, as 0, and not in `mAcc`; and one that is never hit counts
/// as 0 in `mDice` and not in `mFscore`, though Dice and F1 are otherwise the same number. Under
/// [`AbsentClasses::Zero`] every undefined score is 0 instead.
///
/// `aAcc` is hits / truth over all classes together.
///
/// As data, scores have mmsegmentation's names, and undefined ones are `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean over classes of intersection over union.
    #[serde(rename = "mIoU")]
    pub mean_iou: Option<f64>,
    /// Mean over classes of accuracy.
    #[serde(rename = "mAcc")]
    pub mean_accuracy: Option<f64>,
    /// Share of all pixels that are right.
    #[serde(rename = "aAcc")]
    pub accuracy: Option<f64>,
    /// Mean over classes of the Dice score.
    #[serde(rename = "mDice")]
    pub mean_dice: Option<f64>,
    /// Mean over classes of the F1 score.
    #[serde(rename = "mFscore")]
    pub mean_f1: Option<f64>,
    /// Number of pixels that count.
    pub pixels: u64,
    /// How all this was counted.
    pub convention: Convention,
    /// The scores of each class, by id.
    pub classes: Vec<ClassScores>,
    /// The scores near outlines, where they were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundary: Option<BoundaryScores>,
}

/// The scores of one class: fractions, 0 to 1, undefined ones absent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Intersection over union.
    #[serde(rename = "IoU")]
    pub iou: Option<f64>,
    /// Share of the true pixels that are found; recall.
    #[serde(rename = "Acc")]
    pub accuracy: Option<f64>,
    /// Share of the predicted pixels that are right.
    #[serde(rename = "Precision")]
    pub precision: Option<f64>,
    /// Dice score.
    #[serde(rename = "Dice")]
    pub dice: Option<f64>,
    /// Harmonic mean of precision and recall.
    #[serde(rename = "Fscore")]
    pub f1: Option<f64>,
    /// Number of pixels that truly are of the class.
    pub pixels: u64,
    /// Number of pixels predicted to be of the class, among those that count.
    pub predicted_pixels: u64,
}

impl Scores {
    /// Computes the scores of a matrix.
    ///
    /// # Panics
    ///
    /// Panics if the matrix left out another label than the convention says.
    #[must_use]
    pub fn new(matrix: &ConfusionMatrix, convention: Convention) -> Self {
        assert_eq!(
            matrix.ignore_id(),
            convention.ignore_id,
            "the matrix was counted under another ignore id than its convention has"
        );
        let absent = convention.absent_classes;
        let mut predicted = vec![0; matrix.num_labels()];
        for row in matrix.rows() {
            for (sum, pixels) in predicted.iter_mut().zip(row) {
                *sum += pixels;
            }
        }
        let classes: Vec<ClassScores> = matrix
            .rows()
            .zip(predicted)
            .enumerate()
            .map(|(class, (row, predicted))| {
                ClassScores::new(row[class], row.iter().sum(), predicted, absent)
            })
            .collect();
        let hits: u64 = matrix
            .rows()
            .enumerate()
            .map(|(class, row)| row[class])
            .sum();
        let pixels = matrix.pixels();
        Self {
            mean_iou: mean(classes.iter().map(|class| class.iou)),
            mean_accuracy: mean(classes.iter().map(|class| class.accuracy)),
            accuracy: absent.ratio(hits, pixels),
            mean_dice: mean(classes.iter().map(|class| class.dice)),
            mean_f1: mean(classes.iter().map(|class| class.f1)),
            pixels,
            convention,
            classes,
            boundary: None,
        }
    }

    /// The scores as text, with the convention and one line for each class.
    ///
    /// A class without a name in `class_names` is called by its id.
    #[must_use]
    pub fn table<'a>(&'a self, class_names: &'a [String]) -> ScoreTable<'a> {
        ScoreTable::new(self, class_names)
    }
}

impl ClassScores {
    fn new(hits: u64, truth: u64, predicted: u64, absent: AbsentClasses) -> Self {
        let accuracy = absent.ratio(hits, truth);
        let precision = absent.ratio(hits, predicted);
        // Written as Dice is, it needs no division of rounded numbers; only where it is defined differs.
        let f1 = match absent {
            AbsentClasses::Skip if hits == 0 => None,
            _ => absent.ratio(2 * hits, truth + predicted),
        };
        Self {
            iou: absent.ratio(hits, truth + predicted - hits),
            accuracy,
            precision,
            dice: absent.ratio(2 * hits, truth + predicted),
            f1,
            pixels: truth,
            predicted_pixels: predicted,
        }
    }
}
