//! Counts of pixels as shares of their row.

use super::{super::letters, ConfusionChart, layout::LABEL_SIZE};

/// So many classes have a pixel of their own; later classes are left out, and the picture says so.
const MOST_CLASSES: usize = 2000;
/// Longer names are shortened, in pixels.
const LONGEST_NAME: f32 = 170.0;

/// Shares of each row.
pub(super) struct Matrix {
    pub(super) names: Vec<String>,
    /// Nothing for a class without pixels.
    pub(super) shares: Vec<Option<Vec<f32>>>,
    pub(super) left_out: usize,
}

impl Matrix {
    pub(super) fn new(chart: &ConfusionChart<'_>) -> Self {
        let longest = chart.rows.iter().map(Vec::len).max().unwrap_or_default();
        let classes = longest.max(chart.rows.len()).max(chart.class_names.len());
        let shown = classes.min(MOST_CLASSES);
        let name = |class: usize| match chart.class_names.get(class) {
            Some(name) if letters::has_letters(name) && !name.trim().is_empty() => {
                letters::fitted(name.trim(), LABEL_SIZE, LONGEST_NAME)
            }
            _ => class.to_string(),
        };
        let shares = |class: usize| {
            let row = chart.rows.get(class)?;
            let sum: f64 = row.iter().map(|&count| count as f64).sum();
            let share = |class| row.get(class).map_or(0.0, |&count| count as f64 / sum);
            (sum > 0.0).then(|| (0..shown).map(|class| single(share(class))).collect())
        };
        Self {
            names: (0..shown).map(name).collect(),
            shares: (0..shown).map(shares).collect(),
            left_out: classes - shown,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a share needs no more digits"
)]
fn single(share: f64) -> f32 {
    share as f32
}
