//! Mean cross-entropy of logits that are resized to the labels' size, and its gradient, in one pass.
//!
//! The resized logits never exist: a row of them is interpolated, pixel by pixel, while it is in the
//! cache, and what it gives back is gathered at once. At 512 x 512 pixels and 150 classes the logits
//! of one image alone would take 157 MB, and their probabilities as much again.

mod label_probabilities;
mod row;
mod rows;
mod spread;
mod targets;

use std::ops::{Range, RangeInclusive};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

pub(crate) use self::{label_probabilities::label_probabilities, targets::Targets};
use self::{
    row::LogitRow,
    rows::BandRows,
    spread::{Common, Nothing, Spread},
    targets::Slope,
};
use super::{
    map::MapSize,
    resize::{Tap, taps},
    scratch::with_scratch,
    simd,
};

/// Marks a pixel that does not count.
pub(crate) const IGNORED: u32 = u32::MAX;
/// Rows of labels that a thread takes at once, about.
const BAND_ROWS: usize = 32;

/// Logits, and what they should have been.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labelled<'a> {
    /// `[N, h, w, classes]`.
    pub(crate) logits: &'a [f32],
    pub(crate) from: MapSize,
    pub(crate) classes: usize,
    /// `[N, H, W]`: a class or [`IGNORED`].
    pub(crate) labels: &'a [u32],
    pub(crate) to: [usize; 2],
}

impl<'a> Labelled<'a> {
    /// # Panics
    ///
    /// Panics if a length does not fit.
    fn check(&self) {
        let [height, width] = self.to;
        assert_eq!(
            self.logits.len(),
            self.from.pixels() * self.classes,
            "logits of another size"
        );
        assert_eq!(
            self.labels.len(),
            self.from.batch * height * width,
            "labels of another size"
        );
    }

    /// `[h, w, classes]`.
    fn image(&self, image: usize) -> &'a [f32] {
        let length = self.from.height * self.from.width * self.classes;
        &self.logits[image * length..][..length]
    }
}

/// The weighted mean over the pixels that count, 0 if none does; its gradient goes to `gradient`,
/// `[N, h, w, classes]`.
///
/// # Panics
///
/// Panics if a length does not fit or a label is no class.
pub(crate) fn cross_entropy(given: Labelled<'_>, targets: &Targets, gradient: &mut [f32]) -> f32 {
    given.check();
    assert_eq!(
        given.logits.len(),
        gradient.len(),
        "a gradient of another size"
    );
    assert_eq!(
        targets.weights().len(),
        given.classes,
        "targets of other classes"
    );
    let total = total_weight(given, targets);
    gradient.fill(0.0);
    if total == 0.0 {
        return 0.0;
    }
    let scale = rounded(1.0 / total);
    let slopes = targets.slopes(scale);
    let (from, [height, width]) = (given.from, given.to);
    let (rows, columns) = (taps(from.height, height), taps(from.width, width));
    let bands: Vec<(usize, Range<usize>)> = (0..from.batch)
        .flat_map(|image| {
            let starts = (0..height).step_by(BAND_ROWS);
            starts.map(move |start| (image, start..height.min(start + BAND_ROWS)))
        })
        .collect();
    let done: Vec<Done> = bands
        .into_par_iter()
        .map(|(image, labelled)| {
            let job = Band {
                given,
                targets,
                rows: &rows,
                columns: &columns,
                image,
                labelled,
                scale,
                slopes: &slopes,
            };
            job.run()
        })
        .collect();
    let mut loss = 0.0;
    for done in done {
        loss += done.loss;
        let own = &mut gradient[done.start..][..done.gradient.len()];
        for (sum, value) in own.iter_mut().zip(done.gradient) {
            *sum += value;
        }
    }
    rounded(loss / total)
}

/// What all pixels together count in the mean.
fn total_weight(given: Labelled<'_>, targets: &Targets) -> f64 {
    let mut counts = vec![0_u64; given.classes];
    for &label in given.labels.iter().filter(|&&label| label != IGNORED) {
        let count = counts.get_mut(label as usize);
        *count.unwrap_or_else(|| panic!("label {label} is no class")) += 1;
    }
    let weighted = counts.iter().zip(targets.weights());
    weighted
        .map(|(&count, &weight)| count as f64 * f64::from(weight))
        .sum()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded to f32 once, at the end"
)]
fn rounded(value: f64) -> f32 {
    value as f32
}

/// What a band of rows adds to the result.
struct Done {
    loss: f64,
    /// Where its gradient begins.
    start: usize,
    gradient: Vec<f32>,
}

/// Some rows of labels of one image.
struct Band<'a> {
    given: Labelled<'a>,
    targets: &'a Targets,
    rows: &'a [Tap],
    columns: &'a [Tap],
    image: usize,
    labelled: Range<usize>,
    /// What a pixel of weight 1 is of the mean.
    scale: f32,
    /// By label.
    slopes: &'a [Slope],
}

impl Band<'_> {
    fn run(self) -> Done {
        let first = self.rows[self.labelled.start].low;
        let last = self.rows[self.labelled.end - 1].high;
        if self.targets.spread().is_empty() {
            return self.run_with(Nothing, first..=last);
        }
        let spread = Spread::new(self.given, self.targets, self.image, first..=last);
        self.run_with(spread, first..=last)
    }

    fn run_with(self, common: impl Common, sources: RangeInclusive<usize>) -> Done {
        let from = self.given.from;
        let (first, line) = (*sources.start(), from.width * self.given.classes);
        let mut gradient = vec![0.0; sources.count() * line];
        let (row_length, slopes_length) = LogitRow::lengths(self.given);
        let loss = with_scratch(row_length + slopes_length, |scratch| {
            let (row, slopes) = scratch.split_at_mut(row_length);
            simd::dispatch(BandRows {
                band: &self,
                first,
                row: LogitRow::new(self.given, row),
                slopes,
                common,
                gradient: &mut gradient,
            })
        });
        Done {
            loss,
            start: (self.image * from.height + first) * line,
            gradient,
        }
    }
}
