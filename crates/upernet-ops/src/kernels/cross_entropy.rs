//! Mean cross-entropy of logits that are resized to the labels' size, and its gradient, in one pass.
//!
//! The resized logits never exist: a row of them is interpolated, pixel by pixel, while it is in the
//! cache, and what it gives back is gathered at once. At 512 x 512 pixels and 150 classes the logits
//! of one image alone would take 157 MB, and their probabilities as much again.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{
    map::MapSize,
    math::exp_f32s,
    resize::{Tap, taps},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
};

/// Marks a pixel that does not count.
pub(crate) const IGNORED: u32 = u32::MAX;
/// Below every logit, so that a lane that is no class has the probability 0.
const NO_CLASS: f32 = -1e30;
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

/// The mean over the pixels that count, 0 if there are none; its gradient goes to `gradient`,
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
    let counting = given.labels.iter().filter(|&&label| label != IGNORED);
    let counting = counting.inspect(|&&label| {
        assert!(
            (label as usize) < given.classes,
            "label {label} is no class"
        );
    });
    let count = counting.count();
    gradient.fill(0.0);
    if count == 0 {
        return 0.0;
    }
    let weight = 1.0 / count as f32;
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
                weight,
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
    mean(loss, count)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded to f32 once, at the end"
)]
fn mean(sum: f64, count: usize) -> f32 {
    (sum / count as f64) as f32
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
    /// Of one pixel in the mean.
    weight: f32,
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

struct BandRows<'a, 'b> {
    band: &'b Band<'a>,
    /// The first source row of the band.
    first: usize,
    /// Classes, filled up to whole vectors.
    padded: usize,
    /// A row between two source rows, `[w, padded]`.
    logits: &'b mut [f32],
    /// Its gradient.
    slopes: &'b mut [f32],
    /// The logits of one pixel, then their exponentials.
    pixel: &'b mut [f32],
    /// `[source rows, w, classes]`.
    gradient: &'b mut [f32],
}

impl WithSimd for BandRows<'_, '_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> f64 {
        let mut loss = 0.0;
        let [height, width] = self.band.given.to;
        for row in self.band.labelled.clone() {
            let tap = self.band.rows[row];
            self.mix_rows(tap);
            self.slopes.fill(0.0);
            let labels = (self.band.image * height + row) * width;
            let labels = &self.band.given.labels[labels..][..width];
            for (column, &label) in labels.iter().enumerate() {
                if label != IGNORED {
                    loss += f64::from(self.pixel(simd, column, label as usize));
                }
            }
            self.give_back(tap);
        }
        loss
    }
}

impl BandRows<'_, '_> {
    /// Interpolates a row of logits between two source rows.
    #[inline(always)]
    fn mix_rows(&mut self, tap: Tap) {
        let given = self.band.given;
        let line = given.from.width * given.classes;
        let start = self.band.image * given.from.height * line;
        let low = &given.logits[start + tap.low * line..][..line];
        let high = &given.logits[start + tap.high * line..][..line];
        let pixels = low
            .chunks_exact(given.classes)
            .zip(high.chunks_exact(given.classes));
        for ((low, high), cells) in pixels.zip(self.logits.chunks_exact_mut(self.padded)) {
            let (cells, rest) = cells.split_at_mut(given.classes);
            for ((low, high), cell) in low.iter().zip(high).zip(cells) {
                *cell = low + (high - low) * tap.fraction;
            }
            rest.fill(NO_CLASS);
        }
    }

    /// The loss of one pixel; its gradient is added to the row's.
    #[inline(always)]
    fn pixel<S: Simd>(&mut self, simd: S, column: usize, label: usize) -> f32 {
        let (tap, padded) = (self.band.columns[column], self.padded);
        let lanes = S::F32_LANES;
        let fraction = simd.splat_f32s(tap.fraction);
        let low = &self.logits[tap.low * padded..][..padded];
        let high = &self.logits[tap.high * padded..][..padded];
        let mut most = simd.splat_f32s(NO_CLASS);
        for start in (0..padded).step_by(lanes) {
            let (low, high) = (load(simd, &low[start..]), load(simd, &high[start..]));
            let value = simd.mul_add_e_f32s(simd.sub_f32s(high, low), fraction, low);
            store(simd, &mut self.pixel[start..], value);
            most = simd.max_f32s(most, value);
        }
        let most = simd.reduce_max_f32s(most);
        let own = self.pixel[label] - most;
        let mut sum = simd.splat_f32s(0.0);
        for start in (0..padded).step_by(lanes) {
            let value = simd.sub_f32s(load(simd, &self.pixel[start..]), simd.splat_f32s(most));
            let value = exp_f32s(simd, value);
            store(simd, &mut self.pixel[start..], value);
            sum = simd.add_f32s(sum, value);
        }
        let sum = simd.reduce_sum_f32s(sum);

        // (probability - 1 at the label) * weight, shared out between the two source columns.
        let weight = self.band.weight;
        let factor = simd.splat_f32s(weight / sum);
        let (to_high, to_low) = (tap.fraction, 1.0 - tap.fraction);
        for (column, share) in [(tap.low, to_low), (tap.high, to_high)] {
            let share_of = simd.mul_f32s(factor, simd.splat_f32s(share));
            let slopes = &mut self.slopes[column * padded..][..padded];
            for start in (0..padded).step_by(lanes) {
                let own = &mut slopes[start..];
                let value = load(simd, &self.pixel[start..]);
                store(
                    simd,
                    own,
                    simd.mul_add_e_f32s(value, share_of, load(simd, own)),
                );
            }
            slopes[label] -= weight * share;
        }
        sum.ln() - own
    }

    /// Shares a row's gradient out between its two source rows.
    #[inline(always)]
    fn give_back(&mut self, tap: Tap) {
        let (classes, line) = (
            self.band.given.classes,
            self.band.given.from.width * self.band.given.classes,
        );
        for (row, share) in [(tap.low, 1.0 - tap.fraction), (tap.high, tap.fraction)] {
            let gradient = &mut self.gradient[(row - self.first) * line..][..line];
            let pixels = gradient.chunks_exact_mut(classes);
            for (gradient, slopes) in pixels.zip(self.slopes.chunks_exact(self.padded)) {
                for (sum, slope) in gradient.iter_mut().zip(slopes) {
                    *sum += share * slope;
                }
            }
        }
    }
}
