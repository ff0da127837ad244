//! Adaptive average pooling onto several square grids at once.
//!
//! Source of the rule: `torch.nn.AdaptiveAvgPool2d`. Cell `i` of a grid of `s` averages rows
//! `floor(i H / s) .. ceil((i + 1) H / s)`, so that cells overlap where `s` does not divide `H`, and a
//! map smaller than the grid repeats its rows.
//!
//! The sum is separable: every row of the map is read once and summed over the columns of all cells
//! of all grids; what then remains to be summed over rows is small.

use std::ops::Range;

use pulp::Arch;
use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};

use super::{
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
};

/// Averages `map`, `[N, H, W, C]`, onto a grid of `scale` x `scale` cells for each of `scales`; the
/// results are `[N, scale, scale, C]`.
///
/// # Panics
///
/// Panics if the slice has another length than its shape says, if a scale is zero, or if the map has
/// no pixels.
pub(crate) fn adaptive_average(map: &[f32], shape: [usize; 4], scales: &[usize]) -> Vec<Vec<f32>> {
    adaptive_average_on(simd::arch(), map, shape, scales)
}

fn adaptive_average_on(
    arch: Arch,
    map: &[f32],
    shape: [usize; 4],
    scales: &[usize],
) -> Vec<Vec<f32>> {
    let [batch, height, width, channels] = shape;
    assert_eq!(
        map.len(),
        shape.iter().product::<usize>(),
        "the map is not {shape:?}"
    );
    assert!(
        height > 0 && width > 0,
        "a map without pixels has no average: {shape:?}"
    );
    assert!(
        scales.iter().all(|&scale| scale > 0),
        "scales must be positive, got {scales:?}"
    );
    let zeros = |scale: usize| vec![0.0; batch * scale * scale * channels];
    let mut grids: Vec<Vec<f32>> = scales.iter().map(|&scale| zeros(scale)).collect();
    if map.is_empty() || scales.is_empty() {
        return grids;
    }

    let columns: Vec<Range<usize>> = scales
        .iter()
        .flat_map(|&scale| (0..scale).map(move |cell| window(cell, scale, width)))
        .collect();
    let pooling = Pooling {
        arch,
        height,
        width,
        channels,
    };
    let line = columns.len() * channels;
    with_scratch(batch * height * line, |sums| {
        pooling.sum_columns(map, &columns, sums);
        let mut first = 0;
        for (&scale, grid) in scales.iter().zip(&mut grids) {
            let sums = &sums[first * channels..];
            pooling.average_rows(sums, line, &columns[first..first + scale], grid);
            first += scale;
        }
    });
    grids
}

/// What all sums share.
#[derive(Clone, Copy)]
struct Pooling {
    arch: Arch,
    height: usize,
    width: usize,
    channels: usize,
}

impl Pooling {
    /// Sums every row of the map over `columns`: `[N, H, W, C]` to `[N, H, columns, C]`.
    fn sum_columns(self, map: &[f32], columns: &[Range<usize>], sums: &mut [f32]) {
        let (row, line) = (self.width * self.channels, columns.len() * self.channels);
        let rows = (sums.len() / line).div_ceil(4 * rayon::current_num_threads());
        let parts = sums.par_chunks_mut(rows * line);
        parts
            .zip(map.par_chunks(rows * row))
            .for_each(|(sums, map)| {
                for (sums, row) in sums.chunks_exact_mut(line).zip(map.chunks_exact(row)) {
                    for (columns, out) in columns.iter().zip(sums.chunks_exact_mut(self.channels)) {
                        self.arch.dispatch(Sum {
                            rows: &row[columns.start * self.channels..columns.end * self.channels],
                            stride: self.channels,
                            scale: 1.0,
                            out,
                        });
                    }
                }
            });
    }

    /// Averages what is summed over the columns of one grid; rows of `sums` begin `line` apart.
    fn average_rows(self, sums: &[f32], line: usize, columns: &[Range<usize>], grid: &mut [f32]) {
        let scale = columns.len();
        let parts = grid.par_chunks_exact_mut(scale * self.channels).enumerate();
        parts.for_each(|(row, out)| {
            let (image, cell) = (row / scale, row % scale);
            let rows = window(cell, scale, self.height);
            let sums = &sums[(image * self.height + rows.start) * line..];
            let cells = out.chunks_exact_mut(self.channels).zip(columns);
            for (index, (out, columns)) in cells.enumerate() {
                let sums = &sums[index * self.channels..];
                self.arch.dispatch(Sum {
                    rows: &sums[..(rows.len() - 1) * line + self.channels],
                    stride: line,
                    scale: 1.0 / (rows.len() * columns.len()) as f32,
                    out,
                });
            }
        });
    }
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
        let Self {
            rows,
            stride,
            scale,
            out,
        } = self;
        let scale = simd.splat_f32s(scale);
        let mut rows = rows.chunks(stride);
        out.copy_from_slice(&rows.next().expect("a window holds a row")[..out.len()]);
        let (sums, tail) = S::as_mut_simd_f32s(out);
        for row in rows {
            let (vectors, rest) = S::as_simd_f32s(&row[..sums.len() * S::F32_LANES + tail.len()]);
            for (sum, &vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.add_f32s(*sum, vector);
            }
            if !tail.is_empty() {
                let sum = simd.add_f32s(load(simd, tail), load(simd, rest));
                store(simd, tail, sum);
            }
        }
        for sum in sums {
            *sum = simd.mul_f32s(*sum, scale);
        }
        let sum = simd.mul_f32s(load(simd, tail), scale);
        store(simd, tail, sum);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::test_support::{max_difference, noise, on_every_arch};

    #[expect(clippy::cast_possible_truncation, reason = "the result is f32")]
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
            let map = noise(length, 1);
            on_every_arch(|arch| {
                let grids = adaptive_average_on(arch, &map, shape, &scales);
                assert_eq!(grids.len(), scales.len());
                for (grid, &scale) in grids.iter().zip(&scales) {
                    let difference = max_difference(grid, &twin(&map, shape, scale));
                    assert!(difference < 1e-6, "scale {scale} on {arch:?}: {difference}");
                }
            });
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
        assert_eq!(
            adaptive_average(&[], [0, 3, 3, 2], &[2]),
            [Vec::<f32>::new()]
        );
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
