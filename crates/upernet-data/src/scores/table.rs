//! Scores as text.

use std::fmt;

use super::{ClassScores, Scores};

/// Scores in percent, as text: the means, the convention, and one line for each class.
#[derive(Clone, Copy, Debug)]
pub struct ScoreTable<'a> {
    scores: &'a Scores,
    class_names: &'a [String],
}

impl<'a> ScoreTable<'a> {
    pub(super) fn new(scores: &'a Scores, class_names: &'a [String]) -> Self {
        Self {
            scores,
            class_names,
        }
    }

    /// The name of a class, on one line and without what would move the cursor of a terminal.
    fn name(&self, class: usize) -> String {
        let Some(name) = self.class_names.get(class) else {
            return class.to_string();
        };
        let shown = |letter: char| if letter.is_control() { '?' } else { letter };
        name.chars().map(shown).collect()
    }

    fn boundary(&self, class: usize) -> Option<String> {
        let boundary = self.scores.boundary.as_ref()?;
        Some(percent(boundary.classes.get(class).copied().flatten()))
    }

    fn write_classes(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = (0..self.scores.classes.len())
            .map(|class| self.name(class))
            .collect();
        let widest = names.iter().map(|name| name.chars().count()).max();
        let width = widest.unwrap_or(0).max("class".len());
        write!(
            formatter,
            "{:width$} {:>6} {:>6} {:>6} {:>6} {:>6}",
            "class", "IoU", "Acc", "Prec", "Dice", "F1"
        )?;
        if self.scores.boundary.is_some() {
            write!(formatter, " {:>6}", "BIoU")?;
        }
        writeln!(formatter, " {:>12}", "pixels")?;
        for (index, (name, class)) in names.iter().zip(&self.scores.classes).enumerate() {
            write!(formatter, "{name:width$}")?;
            for column in columns(class) {
                write!(formatter, " {:>6}", percent(column))?;
            }
            if let Some(boundary) = self.boundary(index) {
                write!(formatter, " {boundary:>6}")?;
            }
            writeln!(formatter, " {:>12}", class.pixels)?;
        }
        Ok(())
    }
}

impl fmt::Display for ScoreTable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scores = self.scores;
        self.write_classes(formatter)?;
        writeln!(
            formatter,
            "mIoU {} %, mAcc {} %, aAcc {} %, mDice {} %, mean F1 {} %",
            percent(scores.mean_iou),
            percent(scores.mean_accuracy),
            percent(scores.accuracy),
            percent(scores.mean_dice),
            percent(scores.mean_f1)
        )?;
        if let Some(boundary) = &scores.boundary {
            writeln!(
                formatter,
                "boundary mIoU {} %, outlines as wide as {} of the diagonal",
                percent(boundary.mean),
                boundary.ratio
            )?;
        }
        write!(
            formatter,
            "{} classes, {} pixels; {}",
            scores.classes.len(),
            scores.pixels,
            scores.convention
        )
    }
}

fn columns(class: &ClassScores) -> [Option<f64>; 5] {
    [
        class.iou,
        class.accuracy,
        class.precision,
        class.dice,
        class.f1,
    ]
}

/// A fraction in percent, a dash where there is none.
fn percent(score: Option<f64>) -> String {
    score.map_or_else(|| "-".to_owned(), |score| format!("{:.2}", 100.0 * score))
}

#[cfg(test)]
mod tests {
    use upernet_image::LabelMap;

    use crate::scores::{BoundaryIou, ConfusionMatrix, Convention, Resolution, Scores};

    fn scores(convention: Convention) -> Scores {
        let map = |labels: [u16; 6]| LabelMap::new([2, 3], labels.to_vec()).unwrap();
        let (truth, predicted) = (map([0, 0, 1, 1, 1, 255]), map([0, 1, 1, 1, 1, 0]));
        let mut matrix = ConfusionMatrix::new(3).unwrap();
        matrix.add(&truth, &predicted).unwrap();
        let mut boundary = BoundaryIou::new(3).unwrap();
        boundary.add(&truth, &predicted).unwrap();
        Scores::new(&matrix, convention).with_boundary(&boundary)
    }

    #[test]
    fn scores_as_text() {
        let names = ["sky".to_owned(), "Straße\u{1b}[2J".to_owned()];
        let text = scores(Convention::default()).table(&names).to_string();
        // 1 of 2 sky pixels; 3 of 3 street pixels and one more; in two rows all is outline.
        assert_eq!(
            text,
            "\
class         IoU    Acc   Prec   Dice     F1   BIoU       pixels
sky         50.00  50.00 100.00  66.67  66.67  50.00            2
Straße?[2J  75.00 100.00  75.00  85.71  85.71  75.00            3
2               -      -      -      -      -      -            0
mIoU 62.50 %, mAcc 75.00 %, aAcc 80.00 %, mDice 76.19 %, mean F1 76.19 %
boundary mIoU 62.50 %, outlines as wide as 0.02 of the diagonal
3 classes, 5 pixels; a class that neither truth nor prediction has is left out of the mean \
(as mmsegmentation does); pixels labelled 255 do not count; compared at the size of each mask"
        );
    }

    #[test]
    fn the_convention_is_always_said() {
        let convention = Convention {
            absent_classes: crate::scores::AbsentClasses::Zero,
            resolution: Resolution::Fixed([512, 1024]),
            ..Convention::default()
        };
        let text = scores(convention).table(&[]).to_string();
        assert!(text.contains("mIoU 41.67 %"), "{text}");
        assert!(
            text.ends_with(
                "has counts as 0 in the mean (as Ultralytics does); pixels labelled 255 do not count; \
                 compared at 512 x 1024 pixels (height x width)"
            ),
            "{text}"
        );
    }
}
