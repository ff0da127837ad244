//! Learned positions, resized bicubically for images of other sizes than they were learned on.
//!
//! Upstream: `interpolate_pos_encoding` of the embeddings, which is
//! `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)`, antialiased or not.

use burn::tensor::{Device, Tensor, TensorData};

/// How positions are resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Between the sixteen nearest cells.
    Bicubic,
    /// Over more of them where the grid becomes smaller.
    AntialiasedBicubic,
}

/// Positions of a grid of `[height, width]` patches, row by row, `[height * width, C]`, from the
/// `[side * side, C]` that were learned.
///
/// Interpolation is linear and separable, so it is two products with small constant matrices, which is
/// right on every backend and has the right gradient. A grid of the size that was learned stays as it is.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::{Interpolation, resized_positions};
///
/// let learned = Tensor::ones([9, 2], &Device::flex());
/// let resized = resized_positions(learned, [2, 5], Interpolation::Bicubic);
/// assert_eq!(resized.dims(), [10, 2]);
/// ```
#[must_use]
pub fn resized_positions(
    learned: Tensor<2>,
    [height, width]: [usize; 2],
    interpolation: Interpolation,
) -> Tensor<2> {
    let [positions, channels] = learned.dims();
    let side = positions.isqrt();
    if [height, width] == [side; 2] {
        return learned;
    }
    let device = learned.device();
    let rows = matrix(side, height, interpolation, &device);
    let columns = matrix(side, width, interpolation, &device);
    let tall = rows.matmul(learned.reshape([side, side * channels]));
    let tall = tall.reshape([height, side, channels]);
    let resized = columns.unsqueeze::<3>().matmul(tall); // [height, width, C]
    resized.reshape([height * width, channels])
}

/// The matrix `[to, from]` that interpolates a line of `from` values to `to` values.
fn matrix(from: usize, to: usize, interpolation: Interpolation, device: &Device) -> Tensor<2> {
    let mut matrix = vec![0.0_f32; to * from];
    for (row, weights) in matrix.chunks_exact_mut(from).enumerate() {
        match interpolation {
            Interpolation::Bicubic => add_taps(weights, row, to),
            Interpolation::AntialiasedBicubic => add_antialiased_taps(weights, row, to),
        }
    }
    Tensor::from_data(TensorData::new(matrix, [to, from]), device)
}

/// Keys's cubic kernel, of slope `a` at 1.
fn cubic(distance: f64, a: f64) -> f64 {
    let x = distance.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        a * (((x - 5.0) * x + 8.0) * x - 4.0)
    } else {
        0.0
    }
}

/// Four taps around the source position, those beyond the ends counted to the ends.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "positions of a grid are small, and clamped to it before they become an index"
)]
fn add_taps(weights: &mut [f32], position: usize, to: usize) {
    /// As PyTorch and OpenCV have it.
    const SLOPE: f64 = -0.75;
    let from = weights.len();
    let source = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let low = source.floor();
    for tap in -1..=2 {
        let cell = low as i64 + tap;
        let index = cell.clamp(0, from as i64 - 1) as usize;
        weights[index] += cubic(source - cell as f64, SLOPE) as f32;
    }
}

/// Taps as far as the kernel reaches, which is wider where the line shrinks; those beyond the ends left
/// out, the others scaled to a sum of one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions of a grid are small, and clamped to it before they become an index"
)]
fn add_antialiased_taps(weights: &mut [f32], position: usize, to: usize) {
    /// As PyTorch's antialiased kernel and Pillow have it.
    const SLOPE: f64 = -0.5;
    let from = weights.len();
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let center = scale * (position as f64 + 0.5);
    let first = (center - 2.0 * stretch + 0.5).max(0.0) as usize;
    let end = ((center + 2.0 * stretch + 0.5) as usize).min(from);
    let weight = |cell: usize| cubic((cell as f64 - center + 0.5) / stretch, SLOPE);
    let sum: f64 = (first..end).map(weight).sum();
    for (cell, own) in weights.iter_mut().enumerate().take(end).skip(first) {
        *own += (weight(cell) / sum) as f32;
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tolerance;
    use rstest::rstest;

    use super::*;

    fn line(values: &[f32]) -> Tensor<2> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([values.len(), 1])
    }

    /// `interpolate(arange(9).square().reshape(1, 1, 3, 3), (2, 5), mode="bicubic", ...)` of torch 2.15.
    #[rstest]
    #[case::plain(Interpolation::Bicubic, PLAIN)]
    #[case::antialiased(Interpolation::AntialiasedBicubic, ANTIALIASED)]
    fn values_are_those_of_torch(
        #[case] interpolation: Interpolation,
        #[case] expected: [f32; 10],
    ) {
        let learned: Vec<f32> = (0_u8..9).map(|i| f32::from(i).powi(2)).collect();
        let actual = resized_positions(line(&learned), [2, 5], interpolation);
        assert_eq!(actual.dims(), [10, 1]);
        let expected = line(&expected).into_data();
        let tolerance = Tolerance::<f32>::absolute(1e-4);
        actual.into_data().assert_approx_eq(&expected, tolerance);
    }

    #[rstest]
    fn the_grid_that_was_learned_stays_as_it_is(
        #[values(Interpolation::Bicubic, Interpolation::AntialiasedBicubic)]
        interpolation: Interpolation,
    ) {
        let matrix = matrix(5, 5, interpolation, &Device::flex());
        let values: Vec<f32> = matrix.into_data().try_to_vec().expect("f32");
        for (index, value) in values.into_iter().enumerate() {
            let expected = if index % 6 == 0 { 1.0 } else { 0.0 };
            assert!((value - expected).abs() < 1e-6, "{index}: {value}");
        }
    }

    /// Of a constant nothing but the constant can come.
    #[rstest]
    fn weights_sum_to_one(
        #[values(Interpolation::Bicubic, Interpolation::AntialiasedBicubic)]
        interpolation: Interpolation,
    ) {
        let device = Device::flex();
        for (from, to) in [(1, 5), (4, 3), (5, 14), (14, 32)] {
            let sums = matrix(from, to, interpolation, &device).sum_dim(1);
            let ones = Tensor::<2>::ones([to, 1], &device).into_data();
            let tolerance = Tolerance::<f32>::absolute(1e-6);
            sums.into_data().assert_approx_eq(&ones, tolerance);
        }
    }

    const PLAIN: [f32; 10] = [
        0.883_594, 1.624_75, 3.238_28, 5.931_81, 7.784_97, 29.0615, 33.8003, 42.0508, 51.3813,
        57.2321,
    ];
    const ANTIALIASED: [f32; 10] = [
        1.850_05, 2.850_95, 4.924_56, 8.207_12, 10.15, 26.0725, 30.2327, 38.0546, 47.0854, 52.1876,
    ];
}
