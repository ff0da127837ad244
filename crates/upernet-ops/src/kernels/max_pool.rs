//! The largest value of 3 x 3 pixels around every second pixel of every second row.
//!
//! Source of the rule: `torch.nn.MaxPool2d(3, 2, 1)`. What lies past the border is left out, and a NaN
//! wins. The maximum is separable: of the rows first, then of the columns.

use std::ops::RangeInclusive;

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{map::MapSize, scratch::with_scratch, simd};

/// Computes the maxima of `x`, `[N, H, W, C]`, into `out`, `[N, H / 2, W / 2, C]`, rounded up.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn max_pool3x3(x: &[f32], from: MapSize, channels: usize, out: &mut [f32]) {
    let (height, width) = (from.height.div_ceil(2), from.width.div_ceil(2));
    assert_eq!(x.len(), from.pixels() * channels, "input of another size");
    assert_eq!(
        out.len(),
        from.batch * height * width * channels,
        "output of another size"
    );
    if out.is_empty() {
        return;
    }
    let row = from.width * channels;
    let lines = out.par_chunks_exact_mut(width * channels).enumerate();
    lines.for_each(|(line, out)| {
        let (image, y) = (line / height, line % height);
        with_scratch(row, |highest| {
            simd::arch().dispatch(
                #[inline(always)]
                || {
                    let rows = window(y, from.height).map(|y| image * from.height + y);
                    maximum(rows.map(|line| &x[line * row..][..row]), highest);
                    for (column, out) in out.chunks_exact_mut(channels).enumerate() {
                        let columns = window(column, from.width);
                        maximum(columns.map(|x| &highest[x * channels..][..channels]), out);
                    }
                },
            );
        });
    });
}

/// What output number `index` sees of a line of `length`.
#[inline(always)]
fn window(index: usize, length: usize) -> RangeInclusive<usize> {
    (2 * index).saturating_sub(1)..=(2 * index + 1).min(length - 1)
}

/// The larger values, place by place.
#[inline(always)]
fn maximum<'a>(mut lines: impl Iterator<Item = &'a [f32]>, out: &mut [f32]) {
    if let Some(first) = lines.next() {
        out.copy_from_slice(first);
    }
    for line in lines {
        for (out, &value) in out.iter_mut().zip(line) {
            // A comparison alone would lose a NaN.
            let replaces = value > *out || value.is_nan();
            *out = if replaces { value } else { *out };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::test_support::noise;

    fn twin(x: &[f32], from: MapSize, channels: usize) -> Vec<f32> {
        let mut out = Vec::new();
        for image in 0..from.batch {
            for row in (0..from.height).step_by(2) {
                for column in (0..from.width).step_by(2) {
                    for channel in 0..channels {
                        let mut most = f32::NEG_INFINITY;
                        for (y, x0) in (0..3).flat_map(|y| (0..3).map(move |x| (y, x))) {
                            let place = [(row + y).wrapping_sub(1), (column + x0).wrapping_sub(1)];
                            if let Some(pixel) = from.pixel(image, place[0], place[1]) {
                                most = most.max(x[pixel * channels + channel]);
                            }
                        }
                        out.push(most);
                    }
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            batch in 0..3_usize,
            size in [1..12_usize, 1..12_usize],
            channels in 1..40_usize,
        ) {
            let from = MapSize::new(batch, size);
            let x = noise(from.pixels() * channels, 1);
            let expected = twin(&x, from, channels);
            let mut out = vec![f32::NAN; expected.len()];
            max_pool3x3(&x, from, channels, &mut out);
            prop_assert_eq!(out, expected);
        }
    }

    /// `F.max_pool2d(x, 3, 2, 1)`, torch 2.15: whichever of the nine it is.
    #[test]
    fn a_nan_wins() {
        for place in 0..9 {
            let mut x = [1.0; 9];
            x[place] = f32::NAN;
            let mut out = [0.0; 4];
            max_pool3x3(&x, MapSize::new(1, [3, 3]), 1, &mut out);
            let (row, column) = (place / 3, place % 3);
            for (index, value) in out.into_iter().enumerate() {
                // Output (i, j) sees rows 2 i - 1 to 2 i + 1: both see the middle row.
                let sees = |line: usize, output: usize| line == 1 || line / 2 == output;
                let expected = sees(row, index / 2) && sees(column, index % 2);
                assert_eq!(value.is_nan(), expected, "{place}: {out:?}");
            }
        }
    }
}
