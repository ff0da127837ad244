//! Layers by their defining formulas, in f64 on flat row-major values: slow, plain, and written from
//! the definitions alone.

use std::f64::consts::{PI, SQRT_2};

/// Sizes of a batch of maps, `[N, C, H, W]`.
#[derive(Clone, Copy)]
pub(crate) struct Map(pub(crate) [usize; 4]);

impl Map {
    pub(crate) fn len(self) -> usize {
        self.0.iter().product()
    }

    fn at(self, [n, c, y, x]: [usize; 4]) -> usize {
        let [_, channels, height, width] = self.0;
        ((n * channels + c) * height + y) * width + x
    }

    fn positions(self) -> impl Iterator<Item = [usize; 4]> {
        let [_, channels, height, width] = self.0;
        (0..self.len()).map(move |index| {
            let (row, x) = (index / width, index % width);
            let (plane, y) = (row / height, row % height);
            [plane / channels, plane % channels, y, x]
        })
    }
}

/// Bilinear resizing without antialiasing: each output reads a tent of width one pixel around its
/// centre; beyond the border the border's value stands.
pub(crate) fn resize(input: &[f64], map: Map, to: [usize; 2]) -> Vec<f64> {
    let [batch, channels, height, width] = map.0;
    let weight = |position: usize, source: usize, from: usize, to: usize| {
        let centre = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let centre = centre.clamp(0.0, from as f64 - 1.0);
        (1.0 - (source as f64 - centre).abs()).max(0.0)
    };
    Map([batch, channels, to[0], to[1]])
        .positions()
        .map(|[n, c, y, x]| {
            let mut sum = 0.0;
            for row in 0..height {
                for column in 0..width {
                    sum += weight(y, row, height, to[0])
                        * weight(x, column, width, to[1])
                        * input[map.at([n, c, row, column])];
                }
            }
            sum
        })
        .collect()
}

pub(crate) fn gelu(x: f64) -> f64 {
    x * (1.0 + erf(x / SQRT_2)) / 2.0
}

/// Abramowitz and Stegun 7.1.6, whose terms are all of one sign.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, 0.0);
    for n in 1..200 {
        sum += term;
        term *= 2.0 * x * x / (2.0 * f64::from(n) + 1.0);
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// Normalises every row, whose length is that of the scale and the shift.
pub(crate) fn layer_norm(rows: &[f64], [scale, shift]: [&[f64]; 2], epsilon: f64) -> Vec<f64> {
    rows.chunks(scale.len())
        .flat_map(|row| {
            let affine = scale.iter().zip(shift);
            let values = normalised(row, epsilon).into_iter().zip(affine);
            values.map(|(value, (scale, shift))| value * scale + shift)
        })
        .collect()
}

pub(crate) fn batch_norm(
    input: &[f64],
    map: Map,
    [scale, shift]: [&[f64]; 2],
    epsilon: f64,
) -> Vec<f64> {
    let mut output = vec![0.0; input.len()];
    for channel in 0..map.0[1] {
        let own: Vec<usize> = map
            .positions()
            .filter(|position| position[1] == channel)
            .map(|position| map.at(position))
            .collect();
        let values: Vec<f64> = own.iter().map(|&index| input[index]).collect();
        for (index, value) in own.into_iter().zip(normalised(&values, epsilon)) {
            output[index] = value * scale[channel] + shift[channel];
        }
    }
    output
}

/// Values brought to mean 0 and variance 1; the variance is the biased one.
fn normalised(values: &[f64], epsilon: f64) -> Vec<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count + epsilon).sqrt();
    values
        .iter()
        .map(|value| (value - mean) / deviation)
        .collect()
}

/// A convolution with a square kernel, the same stride and zero padding on both axes.
#[derive(Clone, Copy)]
pub(crate) struct Convolution {
    pub(crate) input: Map,
    pub(crate) out_channels: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) groups: usize,
}

impl Convolution {
    /// Sizes of its weight.
    pub(crate) fn weight(&self) -> Map {
        let in_channels = self.input.0[1] / self.groups;
        Map([self.out_channels, in_channels, self.kernel, self.kernel])
    }

    pub(crate) fn apply(&self, input: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let [batch, _, height, width] = self.input.0;
        let out = |size: usize| (size + 2 * self.padding - self.kernel) / self.stride + 1;
        let output = Map([batch, self.out_channels, out(height), out(width)]);
        let sum = |position: [usize; 4]| -> f64 {
            let products = self.taps(position);
            products
                .map(|[from, with]| input[from] * weight[with])
                .sum()
        };
        output
            .positions()
            .map(|position| sum(position) + bias[position[1]])
            .collect()
    }

    /// Positions of the input's values and of their weights for one output value.
    fn taps(&self, [n, out_channel, y, x]: [usize; 4]) -> impl Iterator<Item = [usize; 2]> {
        let (input, weight, case) = (self.input, self.weight(), *self);
        let [_, _, height, width] = input.0;
        let first = out_channel / (self.out_channels / self.groups) * weight.0[1];
        let one = Map([1, weight.0[1], weight.0[2], weight.0[3]]);
        one.positions().filter_map(move |[_, c, row, column]| {
            let source_y = (y * case.stride + row).checked_sub(case.padding)?;
            let source_x = (x * case.stride + column).checked_sub(case.padding)?;
            (source_y < height && source_x < width).then(|| {
                let from = input.at([n, first + c, source_y, source_x]);
                [from, weight.at([out_channel, c, row, column])]
            })
        })
    }
}

/// Cell `i` of `scale` averages rows `floor(i h / scale) .. ceil((i + 1) h / scale)`, columns alike.
pub(crate) fn adaptive_avg_pool(input: &[f64], map: Map, scale: usize) -> Vec<f64> {
    let [batch, channels, height, width] = map.0;
    let cells = |cell: usize, size: usize| cell * size / scale..((cell + 1) * size).div_ceil(scale);
    Map([batch, channels, scale, scale])
        .positions()
        .map(|[n, c, y, x]| {
            let (rows, columns) = (cells(y, height), cells(x, width));
            let count = (rows.len() * columns.len()) as f64;
            let values = rows.flat_map(|row| columns.clone().map(move |column| [row, column]));
            let values = values.map(|[row, column]| input[map.at([n, c, row, column])]);
            values.sum::<f64>() / count
        })
        .collect()
}

/// `softmax(q k^T + bias) v` of `inputs` = q, k, v, a table `[rows, heads]`; `rows` says which row of
/// the table every pair of tokens reads. `shape` is `[windows, heads, tokens, width]`.
pub(crate) fn attention(inputs: &[Vec<f64>], shape: [usize; 4], rows: &[i32]) -> Vec<f64> {
    let [_, heads, tokens, width] = shape;
    let map = Map(shape);
    map.positions()
        .map(|[window, head, query, column]| {
            let logit = |key: usize| {
                let products = (0..width).map(|i| {
                    let [query, key] = [query, key].map(|token| map.at([window, head, token, i]));
                    inputs[0][query] * inputs[1][key]
                });
                let row = index(rows[query * tokens + key]);
                products.sum::<f64>() + inputs[3][row * heads + head]
            };
            let powers: Vec<f64> = (0..tokens).map(|key| logit(key).exp()).collect();
            let values = (0..tokens).map(|key| inputs[2][map.at([window, head, key, column])]);
            let mixed: f64 = values
                .zip(&powers)
                .map(|(value, power)| value * power)
                .sum();
            mixed / powers.iter().sum::<f64>()
        })
        .collect()
}

/// Mean of `log(sum of exp(logits)) - logit of the label` over pixels whose label is not `ignored`.
pub(crate) fn cross_entropy(logits: &[f64], map: Map, labels: &[i32], ignored: i32) -> f64 {
    let [batch, channels, height, width] = map.0;
    let pixels = Map([batch, 1, height, width]).positions().zip(labels);
    let losses: Vec<f64> = pixels
        .filter(|(_, label)| **label != ignored)
        .map(|([n, _, y, x], &label)| {
            let logit = |class: usize| logits[map.at([n, class, y, x])];
            let powers = (0..channels).map(|class| logit(class).exp());
            powers.sum::<f64>().ln() - logit(index(label))
        })
        .collect();
    losses.iter().sum::<f64>() / losses.len() as f64
}

/// Exchanges rows and columns.
pub(crate) fn transpose(values: &[f64], [rows, columns]: [usize; 2]) -> Vec<f64> {
    let indices = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    indices.map(|index| values[index]).collect()
}

fn index(number: i32) -> usize {
    usize::try_from(number).expect("rows and labels of the tests are not negative")
}
