//! The operations of `operations` once more, in 64 bits, as plainly as they can be written.

use std::f64::consts::{PI, SQRT_2};

use super::values::indices;

/// Convolution of `[data, kernel, bias]`, the kernel scaled by one over the root of its fan-in.
pub(super) fn conv(
    inputs: &[Vec<f64>],
    [batch, channels, height, width]: [usize; 4],
    [outputs, fan_in, rows, columns]: [usize; 4],
    [stride, padding, groups]: [usize; 3],
) -> Vec<f64> {
    let scale = 1.0 / ((fan_in * rows * columns) as f64).sqrt();
    let out_side = |side: usize, kernel: usize| (side + 2 * padding - kernel) / stride + 1;
    let [out_height, out_width] = [out_side(height, rows), out_side(width, columns)];
    let mut result = Vec::new();
    for image in 0..batch {
        for output in 0..outputs {
            let group = output / (outputs / groups);
            for place in 0..out_height * out_width {
                let [top, left] = [place / out_width * stride, place % out_width * stride];
                let mut sum = 0.0;
                for tap in 0..fan_in * rows * columns {
                    let channel = image * channels + group * fan_in + tap / (rows * columns);
                    let row = (top + tap / columns % rows).checked_sub(padding);
                    let column = (left + tap % columns).checked_sub(padding);
                    if let (Some(row), Some(column)) = (row, column)
                        && row < height
                        && column < width
                    {
                        let weight = inputs[1][output * fan_in * rows * columns + tap];
                        sum += inputs[0][(channel * height + row) * width + column] * weight;
                    }
                }
                result.push(sum * scale + inputs[2][output]);
            }
        }
    }
    result
}

/// Product of `[batch, rows, inner]` and `[batch, inner, columns]`.
pub(super) fn matmul(inputs: &[Vec<f64>], [batch, rows, inner, columns]: [usize; 4]) -> Vec<f64> {
    let cell = |index: usize| {
        let [image, row, column] = [
            index / (rows * columns),
            index / columns % rows,
            index % columns,
        ];
        let product = |k: usize| {
            inputs[0][(image * rows + row) * inner + k]
                * inputs[1][(image * inner + k) * columns + column]
        };
        (0..inner).map(product).sum()
    };
    (0..batch * rows * columns).map(cell).collect()
}

/// Applies `map` to every line along the middle axis of `[outer, length, inner]`.
fn along(
    values: &[f64],
    [outer, length, inner]: [usize; 3],
    map: impl Fn(&[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let mut result = vec![0.0; values.len()];
    for line in 0..outer * inner {
        let at = |step: usize| (line / inner * length + step) * inner + line % inner;
        let mapped = map(&(0..length).map(|step| values[at(step)]).collect::<Vec<_>>());
        for (step, value) in mapped.into_iter().enumerate() {
            result[at(step)] = value;
        }
    }
    result
}

pub(super) fn log_softmax(values: &[f64], shape: [usize; 3], scale: f64) -> Vec<f64> {
    along(values, shape, |line| {
        let total: f64 = line.iter().map(|value| (scale * value).exp()).sum();
        line.iter()
            .map(|value| scale * value - total.ln())
            .collect()
    })
}

pub(super) fn softmax(values: &[f64], shape: [usize; 3], scale: f64) -> Vec<f64> {
    log_softmax(values, shape, scale)
        .into_iter()
        .map(f64::exp)
        .collect()
}

/// To mean 0 and variance 1 along the channels of `[batch, channels, cells]`.
pub(super) fn layer_norm(values: &[f64], shape: [usize; 3], epsilon: f64) -> Vec<f64> {
    along(values, shape, |line| normalise(line, epsilon))
}

/// To mean 0 and variance 1 over batch and cells of `[batch, channels, cells]`.
pub(super) fn batch_norm(
    values: &[f64],
    [batch, channels, cells]: [usize; 3],
    epsilon: f64,
) -> Vec<f64> {
    let mut result = vec![0.0; values.len()];
    for channel in 0..channels {
        let at = |index: usize| (index / cells * channels + channel) * cells + index % cells;
        let line: Vec<f64> = (0..batch * cells).map(|index| values[at(index)]).collect();
        for (index, value) in normalise(&line, epsilon).into_iter().enumerate() {
            result[at(index)] = value;
        }
    }
    result
}

fn normalise(line: &[f64], epsilon: f64) -> Vec<f64> {
    let count = line.len() as f64;
    let mean = line.iter().sum::<f64>() / count;
    let variance = line.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    line.iter()
        .map(|value| (value - mean) / (variance + epsilon).sqrt())
        .collect()
}

pub(super) fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x / SQRT_2))
}

/// The error function, by the series of Abramowitz and Stegun 7.1.6, whose terms are all of one sign.
pub(super) fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for index in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * index + 1);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// Means over a grid of cells that cover each of `[maps, height, width]`.
pub(super) fn adaptive_pool(
    values: &[f64],
    [maps, height, width]: [usize; 3],
    [rows, columns]: [usize; 2],
) -> Vec<f64> {
    let span = |index: usize, count: usize, side: usize| {
        index * side / count..((index + 1) * side).div_ceil(count)
    };
    let cell = |index: usize| {
        let map = index / (rows * columns);
        let vertical = span(index / columns % rows, rows, height);
        let horizontal = span(index % columns, columns, width);
        let count = (vertical.len() * horizontal.len()) as f64;
        let row = |row: usize| {
            let start = (map * height + row) * width;
            values[start + horizontal.start..start + horizontal.end]
                .iter()
                .sum::<f64>()
        };
        vertical.map(row).sum::<f64>() / count
    };
    (0..maps * rows * columns).map(cell).collect()
}

/// Half-pixel bilinear resize of `[maps, height, width]`.
pub(super) fn bilinear(
    values: &[f64],
    [maps, height, width]: [usize; 3],
    [rows, columns]: [usize; 2],
) -> Vec<f64> {
    let source = |index: usize, side: usize, target: usize| {
        let place = (index as f64 + 0.5) * side as f64 / target as f64 - 0.5;
        let place = place.max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 0"
        )]
        let low = (place as usize).min(side - 1);
        (low, (low + 1).min(side - 1), place - low as f64)
    };
    let cell = |index: usize| {
        let start = index / (rows * columns) * height * width;
        let (top, bottom, down) = source(index / columns % rows, height, rows);
        let (left, right, along) = source(index % columns, width, columns);
        let row = |row: usize| {
            let at = |column: usize| values[start + row * width + column];
            at(left) * (1.0 - along) + at(right) * along
        };
        row(top) * (1.0 - down) + row(bottom) * down
    };
    (0..maps * rows * columns).map(cell).collect()
}

/// `[2, 3, 5, 7]` with axes (3, 0, 2, 1), seen as `[35, 6]`, transposed.
pub(super) fn permute(values: &[f64]) -> Vec<f64> {
    let mut permuted = Vec::new();
    for d in 0..7 {
        for a in 0..2 {
            for c in 0..5 {
                permuted.extend((0..3).map(|b| values[((a * 3 + b) * 5 + c) * 7 + d]));
            }
        }
    }
    (0..6)
        .flat_map(|column| (0..35).map(move |row| row * 6 + column))
        .map(|at| permuted[at])
        .collect()
}

/// Of `[9, 11]` the even rows, then the odd ones, in columns 1, 4 and 7.
pub(super) fn slice_and_join(values: &[f64]) -> Vec<f64> {
    let rows = (0..9).step_by(2).chain((1..9).step_by(2));
    rows.flat_map(|row| [1, 4, 7].map(|column| values[row * 11 + column]))
        .collect()
}

/// `[2, 7, 9]` moved up by 3 and right by 2, around the edges.
pub(super) fn roll(values: &[f64]) -> Vec<f64> {
    let from = |index: usize| {
        let [map, row, column] = [index / 63, index / 9 % 7, index % 9];
        values[(map * 7 + (row + 3) % 7) * 9 + (column + 7) % 9]
    };
    (0..values.len()).map(from).collect()
}

/// Labels of two 7 x 9 images of 11 classes, every fifth ignored.
pub(super) fn pixel_labels() -> Vec<usize> {
    let mut labels = indices(7, 2 * 63, 11);
    labels.iter_mut().step_by(5).for_each(|label| *label = 255);
    labels
}

pub(super) fn cross_entropy(values: &[f64]) -> Vec<f64> {
    let logarithms = log_softmax(values, [2, 11, 63], 4.0);
    let labels = pixel_labels().into_iter().enumerate();
    let counting: Vec<f64> = labels
        .filter(|&(_, label)| label < 11)
        .map(|(pixel, label)| logarithms[(pixel / 63 * 11 + label) * 63 + pixel % 63])
        .collect();
    vec![-counting.iter().sum::<f64>() / counting.len() as f64]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `math.erf` of Python 3.
    #[test]
    fn erf_is_pythons() {
        let expected = [
            (0.5, 0.520_499_877_813_046_5),
            (-4.0, -0.999_999_984_582_742_1),
        ];
        for (x, expected) in expected {
            assert!((erf(x) - expected).abs() < 1e-14, "{x}: {}", erf(x));
        }
    }

    /// `torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3) / 3, padding=1)`.
    #[test]
    fn a_convolution_of_ones_counts_taps() {
        let inputs = [vec![1.0; 9], vec![1.0; 9], vec![0.0]];
        let result = conv(&inputs, [1, 1, 3, 3], [1, 1, 3, 3], [1, 1, 1]);
        let thirds = [4.0, 6.0, 4.0, 6.0, 9.0, 6.0, 4.0, 6.0, 4.0].map(|taps: f64| taps / 3.0);
        assert_eq!(result, thirds);
    }

    #[test]
    fn resizing_a_constant_keeps_it() {
        assert_eq!(bilinear(&[2.0; 12], [1, 3, 4], [7, 5]), [2.0; 35]);
        assert_eq!(adaptive_pool(&[2.0; 12], [1, 3, 4], [2, 3]), [2.0; 6]);
    }
}
