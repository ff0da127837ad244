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
