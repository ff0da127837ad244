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

#[cfg(test)]
mod tests {
    use upernet_image::LabelMap;

    use super::*;

    /// The example to follow by hand: truth by row, prediction by column. Class 3 is nowhere.
    fn worked_example() -> ConfusionMatrix {
        serde_json::from_value(serde_json::json!({
            "ignore_id": 255,
            "rows": [[6, 1, 1, 0], [0, 0, 2, 0], [2, 0, 8, 0], [0, 0, 0, 0]],
        }))
        .unwrap()
    }

    #[test]
    fn three_classes_by_hand() {
        let scores = Scores::new(&worked_example(), Convention::default());
        // Class 0: 6 hits of 8 true and 8 predicted pixels. Class 1: none of 2 and 1.
        // Class 2: 8 of 10 and 11.
        let classes = &scores.classes;
        let iou: Vec<_> = classes.iter().map(|class| class.iou).collect();
        assert_eq!(iou, [Some(6.0 / 10.0), Some(0.0), Some(8.0 / 13.0), None]);
        let recall: Vec<_> = classes.iter().map(|class| class.accuracy).collect();
        assert_eq!(recall, [Some(6.0 / 8.0), Some(0.0), Some(8.0 / 10.0), None]);
        let precision: Vec<_> = classes.iter().map(|class| class.precision).collect();
        assert_eq!(
            precision,
            [Some(6.0 / 8.0), Some(0.0), Some(8.0 / 11.0), None]
        );
        let dice: Vec<_> = classes.iter().map(|class| class.dice).collect();
        assert_eq!(
            dice,
            [Some(12.0 / 16.0), Some(0.0), Some(16.0 / 21.0), None]
        );
        // Without a hit, precision and recall are 0, and their harmonic mean 0 / 0.
        let f1: Vec<_> = classes.iter().map(|class| class.f1).collect();
        assert_eq!(f1, [Some(12.0 / 16.0), None, Some(16.0 / 21.0), None]);
        assert_eq!(scores.mean_iou, Some((6.0 / 10.0 + 8.0 / 13.0) / 3.0));
        assert_eq!(scores.mean_dice, Some((12.0 / 16.0 + 16.0 / 21.0) / 3.0));
        assert_eq!(
            scores.mean_f1,
            Some(f64::midpoint(12.0 / 16.0, 16.0 / 21.0))
        );
        assert_eq!(scores.accuracy, Some(14.0 / 20.0));
        assert_eq!(scores.pixels, 20);
        let counts = classes
            .iter()
            .map(|class| [class.pixels, class.predicted_pixels]);
        assert!(counts.eq([[8, 8], [2, 1], [10, 11], [0, 0]]));
    }

    #[test]
    fn the_same_matrix_has_another_mean_where_absent_classes_are_zero() {
        let convention = Convention {
            absent_classes: AbsentClasses::Zero,
            ..Convention::default()
        };
        let scores = Scores::new(&worked_example(), convention);
        assert_eq!(scores.mean_iou, Some((6.0 / 10.0 + 8.0 / 13.0) / 4.0));
        assert_eq!(scores.mean_f1, scores.mean_dice);
        assert_eq!(scores.classes[3].iou, Some(0.0));
    }

    #[test]
    fn a_class_that_is_only_predicted_counts_in_iou_and_not_in_accuracy() {
        let mut matrix = ConfusionMatrix::new(2).unwrap();
        let map = |labels: [u16; 2]| LabelMap::new([1, 2], labels.to_vec()).unwrap();
        matrix.add(&map([0, 0]), &map([0, 1])).unwrap();
        let scores = Scores::new(&matrix, Convention::default());
        assert_eq!(scores.mean_iou, Some(0.25));
        assert_eq!(scores.mean_accuracy, Some(0.5));
    }

    #[test]
    fn nothing_counted_is_no_score() {
        let scores = Scores::new(&ConfusionMatrix::new(2).unwrap(), Convention::default());
        assert_eq!((scores.mean_iou, scores.accuracy), (None, None));
        let data = serde_json::to_value(&scores).unwrap();
        assert!(data["mIoU"].is_null() && data["classes"][0]["IoU"].is_null());
        assert_eq!(serde_json::from_value::<Scores>(data).unwrap(), scores);
    }

    #[test]
    fn data_has_the_names_of_mmsegmentation() {
        let scores = Scores::new(&worked_example(), Convention::default());
        let data = serde_json::to_value(&scores).unwrap();
        assert_eq!(data["aAcc"], 0.7);
        assert_eq!(data["classes"][0]["Acc"], 0.75);
        assert_eq!(data["convention"]["absent_classes"], "skip");
        assert_eq!(data["convention"]["resolution"], "mask");
        assert_eq!(data.get("boundary"), None);
    }

    #[test]
    #[should_panic(expected = "the matrix was counted under another ignore id")]
    fn a_matrix_of_another_convention_panics() {
        let matrix = ConfusionMatrix::with_ignore_id(2, 0).unwrap();
        let _ = Scores::new(&matrix, Convention::default());
    }
}
