//! Adaptive average pooling onto several square grids at once.
//!
//! Source of the rule: `torch.nn.AdaptiveAvgPool2d`. Cell `i` of a grid of `s` averages rows
//! `floor(i H / s) .. ceil((i + 1) H / s)`, so that cells overlap where `s` does not divide `H`, and a
//! map smaller than the grid repeats its rows.
//!
//! The sum is separable: every row of the map is read once and summed over the columns of all cells
//! of all grids; what then remains to be summed over rows is small.

use std::ops::Range;

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::simd::{self, Simd, WithSimd, load, store};

/// Averages `map`, `[N, H, W, C]`, onto a grid of `scale` x `scale` cells for each of `scales`; the
/// results are `[N, scale, scale, C]`.
///
/// # Panics
///
/// Panics if the slice has another length than its shape says, if a scale is zero, or if the map has
/// no pixels.
pub(crate) fn adaptive_average(map: &[f32], shape: [usize; 4], scales: &[usize]) -> Vec<Vec<f32>> {
    let [batch, height, width, channels] = shape;
    assert_eq!(map.len(), shape.iter().product::<usize>(), "the map is not {shape:?}");
    assert!(height > 0 && width > 0, "a map without pixels has no average: {shape:?}");
    assert!(scales.iter().all(|&scale| scale > 0), "scales must be positive, got {scales:?}");
    let zeros = |scale: usize| vec![0.0; batch * scale * scale * channels];
    let mut grids: Vec<Vec<f32>> = scales.iter().map(|&scale| zeros(scale)).collect();
    if map.is_empty() || scales.is_empty() {
        return grids;
    }

    // [N * H, cells of all grids, C]
    let columns: Vec<Range<usize>> =
        scales.iter().flat_map(|&scale| (0..scale).map(move |cell| window(cell, scale, width))).collect();
    let sums_length = columns.len() * channels;
    let mut sums = vec![0.0; batch * height * sums_length];
    let rows = (batch * height).div_ceil(4 * rayon::current_num_threads());
    sums.par_chunks_mut(rows * sums_length).enumerate().for_each(|(part, sums)| {
        for (row, sums) in sums.chunks_exact_mut(sums_length).enumerate() {
            let row = &map[(part * rows + row) * width * channels..][..width * channels];
            for (columns, sum) in columns.iter().zip(sums.chunks_exact_mut(channels)) {
                let pixels = &row[columns.start * channels..columns.end * channels];
                simd::dispatch(Sum { rows: pixels, stride: channels, scale: 1.0, out: sum });
            }
        }
    });

    let mut first = 0;
    for (&scale, grid) in scales.iter().zip(&mut grids) {
        let line = scale * channels;
        grid.par_chunks_exact_mut(line).enumerate().for_each(|(row, out)| {
            let (image, cell) = (row / scale, row % scale);
            let rows = window(cell, scale, height);
            let sums = &sums[(image * height + rows.start) * sums_length..][..rows.len() * sums_length];
            for (index, out) in out.chunks_exact_mut(channels).enumerate() {
                let pixels = rows.len() * columns[first + index].len();
                simd::dispatch(Sum {
                    rows: &sums[(first + index) * channels..],
                    stride: sums_length,
                    scale: 1.0 / pixels as f32,
                    out,
                });
            }
        });
        first += scale;
    }
    grids
}

/// What cell `cell` of `cells` covers of a line of `length`.
fn window(cell: usize, cells: usize, length: usize) -> Range<usize> {
    cell * length / cells..((cell + 1) * length).div_ceil(cells)
}

/// The sum of rows that begin `stride` values apart, times `scale`.
struct Sum<'a> {
    rows: &'a [f32],
    stride: usize,
    scale: f32,
    out: &'a mut [f32],
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, stride, scale, out } = self;
        let scale = simd.splat_f32s(scale);
        // Four vectors at a time: one sum alone would wait for each addition.
        for (block, out) in out.chunks_mut(4 * S::F32_LANES).enumerate() {
            let start = block * 4 * S::F32_LANES;
            let mut sums = [simd.splat_f32s(0.0); 4];
            for row in rows.chunks(stride) {
                let row = &row[start..][..out.len()];
                for (vector, sum) in row.chunks(S::F32_LANES).zip(&mut sums) {
                    *sum = simd.add_f32s(*sum, load(simd, vector));
                }
            }
            for (vector, sum) in out.chunks_mut(S::F32_LANES).zip(sums) {
                store(simd, vector, simd.mul_f32s(sum, scale));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn twin(map: &[f32], [batch, height, width, channels]: [usize; 4], scale: usize) -> Vec<f32> {
        let mut output = Vec::new();
        for image in 0..batch {
            for (y, x) in (0..scale).flat_map(|y| (0..scale).map(move |x| (y, x))) {
                for channel in 0..channels {
                    let (mut sum, mut count) = (0.0, 0.0);
                    for row in y * height / scale..((y + 1) * height).div_ceil(scale) {
                        for column in x * width / scale..((x + 1) * width).div_ceil(scale) {
                            let pixel = (image * height + row) * width + column;
                            sum += f64::from(map[pixel * channels + channel]);
                            count += 1.0;
                        }
                    }
                    output.push((sum / count) as f32);
                }
            }
        }
        output
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            batch in 1..3_usize,
            size in [1..17_usize, 1..17_usize],
            channels in 1..80_usize,
            scales in proptest::collection::vec(1..8_usize, 1..5),
        ) {
            let shape = [batch, size[0], size[1], channels];
            let length: usize = shape.iter().product();
            let map: Vec<f32> = (0..length).map(|i| ((i * 7919) % 2003) as f32 / 500.0 - 2.0).collect();
            let grids = adaptive_average(&map, shape, &scales);
            prop_assert_eq!(grids.len(), scales.len());
            for (grid, &scale) in grids.iter().zip(&scales) {
                let expected = twin(&map, shape, scale);
                prop_assert_eq!(grid.len(), expected.len());
                for (value, expected) in grid.iter().zip(&expected) {
                    prop_assert!((value - expected).abs() < 2e-6, "{value} is not {expected}");
                }
            }
        }
    }

    /// `F.adaptive_avg_pool2d(torch.arange(1., 6).view(1, 1, 1, 5), (2, 2))`: the middle is shared.
    #[test]
    fn windows_overlap() {
        let grids = adaptive_average(&[1.0, 2.0, 3.0, 4.0, 5.0], [1, 1, 5, 1], &[2]);
        assert_eq!(grids, [[2.0, 4.0, 2.0, 4.0]]);
    }

    #[test]
    fn an_empty_batch_is_fine() {
        assert_eq!(adaptive_average(&[], [0, 3, 3, 2], &[2]), [Vec::<f32>::new()]);
    }

    #[test]
    #[should_panic(expected = "scales must be positive, got [1, 0]")]
    fn refuses_a_scale_of_zero() {
        let _ = adaptive_average(&[1.0], [1, 1, 1, 1], &[1, 0]);
    }

    #[test]
    #[should_panic(expected = "a map without pixels has no average: [1, 0, 3, 2]")]
    fn refuses_a_map_without_pixels() {
        let _ = adaptive_average(&[], [1, 0, 3, 2], &[2]);
    }
}
