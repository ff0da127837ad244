//! The probability of each label, of logits that are resized to the labels' size.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{BAND_ROWS, IGNORED, Labelled, row::LogitRow};
use crate::kernels::{
    resize::{Tap, taps},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd},
};

/// Writes the probability of each label, 1 where a pixel does not count, to `probabilities`,
/// `[N, H, W]`. The resized logits never exist.
///
/// # Panics
///
/// Panics if a length does not fit or a label is no class.
pub(crate) fn label_probabilities(given: Labelled<'_>, probabilities: &mut [f32]) {
    given.check();
    assert_eq!(
        given.labels.len(),
        probabilities.len(),
        "probabilities of another size"
    );
    let [height, width] = given.to;
    if probabilities.is_empty() {
        return;
    }
    let rows = taps(given.from.height, height);
    let columns = taps(given.from.width, width);
    // A band may end in one image and begin in the one before.
    let bands = probabilities.par_chunks_mut(BAND_ROWS * width);
    bands.enumerate().for_each(|(band, probabilities)| {
        let (length, _) = LogitRow::lengths(given);
        with_scratch(length, |scratch| {
            simd::dispatch(BandRows {
                given,
                rows: &rows,
                columns: &columns,
                first: band * BAND_ROWS,
                row: LogitRow::new(given, scratch),
                probabilities,
            });
        });
    });
}

struct BandRows<'a, 'b> {
    given: Labelled<'a>,
    rows: &'a [Tap],
    columns: &'a [Tap],
    /// The first row, counted through all images.
    first: usize,
    row: LogitRow<'b>,
    probabilities: &'b mut [f32],
}

impl WithSimd for BandRows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            given,
            rows,
            columns,
            first,
            mut row,
            probabilities,
        } = self;
        let [height, width] = given.to;
        let labels = &given.labels[first * width..][..probabilities.len()];
        let lines = labels
            .chunks_exact(width)
            .zip(probabilities.chunks_exact_mut(width));
        for (at, (labels, probabilities)) in (first..).zip(lines) {
            row.mix(given.image(at / height), rows[at % height]);
            let pixels = labels.iter().zip(probabilities).zip(columns);
            for ((&label, probability), &tap) in pixels {
                *probability = 1.0;
                if label != IGNORED {
                    let softmax = row.softmax(simd, tap, label as usize);
                    *probability = row.pixel()[label as usize] / softmax.sum;
                }
            }
        }
    }
}
