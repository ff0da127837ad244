//! Mean cross-entropy of logits that are resized to the labels' size, and its gradient, in one pass.
//!
//! The resized logits never exist: a row of them is interpolated, pixel by pixel, while it is in the
//! cache, and what it gives back is gathered at once. At 512 x 512 pixels and 150 classes the logits
//! of one image alone would take 157 MB, and their probabilities as much again.

mod rows;
mod spread;
mod targets;

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

pub(crate) use self::targets::Targets;
use self::{rows::BandRows, spread::SpreadRow};
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
    pub(crate) targets: &'a Targets,
}

/// The weighted mean over the pixels that count, 0 if none does; its gradient goes to `gradient`,
/// `[N, h, w, classes]`.
///
/// # Panics
///
/// Panics if a length does not fit or a label is no class.
pub(crate) fn cross_entropy(given: Labelled<'_>, gradient: &mut [f32]) -> f32 {
    let (from, [height, width]) = (given.from, given.to);
    assert_eq!(
        [given.logits.len(), gradient.len()],
        [from.pixels() * given.classes; 2],
        "logits of another size"
    );
    assert_eq!(
        given.labels.len(),
        from.batch * height * width,
        "labels of another size"
    );
    assert_eq!(
        given.targets.classes(),
        given.classes,
        "targets of other classes"
    );
    let total = total_weight(given);
    gradient.fill(0.0);
    if total == 0.0 {
        return 0.0;
    }
    let scale = rounded(1.0 / total);
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
                rows: &rows,
                columns: &columns,
                image,
                labelled,
                scale,
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
fn total_weight(given: Labelled<'_>) -> f64 {
    let mut counts = vec![0_u64; given.classes];
    for &label in given.labels.iter().filter(|&&label| label != IGNORED) {
        let count = counts.get_mut(label as usize);
        *count.unwrap_or_else(|| panic!("label {label} is no class")) += 1;
    }
    let weighted = counts.iter().zip(given.targets.weights());
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
    rows: &'a [Tap],
    columns: &'a [Tap],
    image: usize,
    labelled: Range<usize>,
    /// What a pixel of weight 1 is of the mean.
    scale: f32,
}

impl Band<'_> {
    fn run(self) -> Done {
        let (from, classes) = (self.given.from, self.given.classes);
        let first = self.rows[self.labelled.start].low;
        let last = self.rows[self.labelled.end - 1].high;
        let line = from.width * classes;
        let mut gradient = vec![0.0; (last + 1 - first) * line];
        let padded = classes.next_multiple_of(16);
        let length = from.width * padded;
        let loss = with_scratch(2 * length + padded, |scratch| {
            let (logits, scratch) = scratch.split_at_mut(length);
            let (slopes, pixel) = scratch.split_at_mut(length);
            simd::dispatch(BandRows {
                band: &self,
                first,
                padded,
                logits,
                slopes,
                pixel,
                spread: SpreadRow::new(self.given.targets, from.width),
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
