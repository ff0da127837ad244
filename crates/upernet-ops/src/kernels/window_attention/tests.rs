//! The half-block against one that really rolls, pads, cuts and merges, in `f64`.

use proptest::prelude::*;

use super::*;
use crate::kernels::{
    bf16,
    test_support::{max_difference, noise},
};

/// The weights as plain matrices.
struct Plain {
    channels: usize,
    window: usize,
    heads: usize,
    norm: [Vec<f32>; 2],
    /// `[C, 3C]`.
    qkv: Vec<f32>,
    qkv_bias: Vec<f32>,
    projection: Vec<f32>,
    projection_bias: Vec<f32>,
    position_bias: Vec<f32>,
    generation: Generation,
}

const EPSILON: f32 = 1e-5;

impl Plain {
    fn new(heads: usize, head_dim: usize, window: usize) -> Self {
        let channels = heads * head_dim;
        let tokens = window * window;
        // Logits of a few units, so that neither softmax nor the tolerance is beside the point.
        let scale = 1.5 / (channels as f32).sqrt();
        let weights = |length, seed| noise(length, seed).iter().map(|v| v * scale).collect();
        Self {
            channels,
            window,
            heads,
            norm: [
                noise(channels, 1).iter().map(|v| v + 1.0).collect(),
                noise(channels, 2),
            ],
            qkv: weights(channels * 3 * channels, 3),
            qkv_bias: noise(3 * channels, 4),
            projection: weights(channels * channels, 5),
            projection_bias: noise(channels, 6),
            position_bias: noise(heads * tokens * tokens, 7),
            generation: Generation::V1,
        }
    }

    /// The second generation, with factors from 1 to 8.
    fn new_v2(heads: usize, head_dim: usize, window: usize) -> Self {
        let mut plain = Self::new(heads, head_dim, window);
        let channels = plain.channels;
        plain.qkv_bias[channels..2 * channels].fill(0.0);
        let factors = noise(heads, 10).into_iter().map(|v| (1.5 * v + 1.5).exp2());
        plain.generation = Generation::V2 {
            factors: factors.collect(),
        };
        plain
    }

    fn prepare(&self) -> WindowAttention {
        let c = self.channels;
        let [norm_weight, norm_bias] = self.norm.clone();
        WindowAttention {
            window_size: self.window,
            num_heads: self.heads,
            generation: self.generation.clone(),
            norm_weight,
            norm_bias,
            norm_epsilon: EPSILON,
            qkv: PackedMatrix::from_fn(c, 3 * c, |k, n| self.qkv[k * 3 * c + n]),
            qkv_bias: self.qkv_bias.clone(),
            projection: PackedMatrix::from_fn(c, c, |k, n| self.projection[k * c + n]),
            projection_bias: self.projection_bias.clone(),
            position_bias: PositionBias::new(&self.position_bias, self.heads, self.window),
        }
    }

    /// What attention reads of a pixel.
    fn read(&self, pixel: &[f32]) -> Vec<f64> {
        let pixel: Vec<f64> = pixel.iter().map(|&v| v.into()).collect();
        match self.generation {
            Generation::V1 => self.normalised(&pixel),
            Generation::V2 { .. } => pixel,
        }
    }

    /// What is added to a pixel.
    fn branch(&self, attended: Vec<f64>) -> Vec<f64> {
        match self.generation {
            Generation::V1 => attended,
            Generation::V2 { .. } => self.normalised(&attended),
        }
    }

    /// The logit of two vectors of a head, without position bias.
    fn logit(&self, head: usize, query: &[f64], key: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match &self.generation {
            Generation::V1 => dot(query, key),
            Generation::V2 { factors } => {
                let lengths = [query, key].map(|v| dot(v, v).sqrt().max(1e-12));
                dot(query, key) / lengths[0] / lengths[1] * f64::from(factors[head])
            }
        }
    }

    fn normalised(&self, pixel: &[f64]) -> Vec<f64> {
        let count = pixel.len() as f64;
        let mean = pixel.iter().sum::<f64>() / count;
        let variance = pixel.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        let deviation = (variance + f64::from(EPSILON)).sqrt();
        let affine = self.norm[0].iter().zip(&self.norm[1]);
        let pixels = pixel.iter().zip(affine);
        pixels
            .map(|(v, (w, b))| (v - mean) / deviation * f64::from(*w) + f64::from(*b))
            .collect()
    }

    /// Attention among the tokens `[L, C]` of one window; `masked(query, key)` tells what is not seen.
    fn attend(&self, tokens: &[Vec<f64>], masked: impl Fn(usize, usize) -> bool) -> Vec<Vec<f64>> {
        let (c, dim) = (self.channels, self.channels / self.heads);
        let qkv: Vec<Vec<f64>> = tokens
            .iter()
            .map(|token| linear(token, &self.qkv, &self.qkv_bias))
            .collect();
        let count = tokens.len();
        let mut context = vec![vec![0.0; c]; count];
        for head in 0..self.heads {
            for query in 0..count {
                let logits: Vec<f64> = (0..count)
                    .map(|key| {
                        let columns = head * dim..(head + 1) * dim;
                        let keys = c + columns.start..c + columns.end;
                        let product = self.logit(head, &qkv[query][columns], &qkv[key][keys]);
                        let place = (head * count + query) * count + key;
                        let mask = match (masked(query, key), &self.generation) {
                            (false, _) => 0.0,
                            (true, Generation::V1) => -100.0,
                            (true, Generation::V2 { .. }) => -200.0,
                        };
                        product + f64::from(self.position_bias[place]) + mask
                    })
                    .collect();
                let largest = logits.iter().copied().fold(f64::MIN, f64::max);
                let weights: Vec<f64> = logits.iter().map(|v| (v - largest).exp()).collect();
                let total: f64 = weights.iter().sum();
                for i in head * dim..(head + 1) * dim {
                    let sum: f64 = (0..count)
                        .map(|key| weights[key] * qkv[key][2 * c + i])
                        .sum();
                    context[query][i] = sum / total;
                }
            }
        }
        context
            .iter()
            .map(|row| linear(row, &self.projection, &self.projection_bias))
            .collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the result is f32")]
    fn twin(&self, map: &[f32], size: MapSize, shift: usize) -> Vec<f32> {
        let (c, window) = (self.channels, self.window);
        let padded = [size.height, size.width].map(|length| length.next_multiple_of(window));
        let mut output = map.to_vec();
        let region = |position: usize, length: usize| {
            usize::from(position >= length - window) + usize::from(position >= length - shift)
        };
        for image in 0..size.batch {
            for (top, left) in (0..padded[0])
                .step_by(window)
                .flat_map(|y| (0..padded[1]).step_by(window).map(move |x| (y, x)))
            {
                let places: Vec<[usize; 2]> = (0..window * window)
                    .map(|slot| [top + slot / window, left + slot % window])
                    .collect();
                let pixels: Vec<Option<usize>> = places
                    .iter()
                    .map(|[y, x]| {
                        let [y, x] = [(y + shift) % padded[0], (x + shift) % padded[1]];
                        (y < size.height && x < size.width)
                            .then(|| (image * size.height + y) * size.width + x)
                    })
                    .collect();
                let tokens: Vec<Vec<f64>> = pixels
                    .iter()
                    .map(|pixel| match pixel {
                        Some(pixel) => self.read(&map[pixel * c..][..c]),
                        None => vec![0.0; c],
                    })
                    .collect();
                let regions: Vec<[usize; 2]> = places
                    .iter()
                    .map(|[y, x]| [region(*y, padded[0]), region(*x, padded[1])])
                    .collect();
                let attended = self.attend(&tokens, |query, key| {
                    shift > 0 && regions[query] != regions[key]
                });
                for (pixel, attended) in pixels.iter().zip(attended) {
                    let Some(pixel) = pixel else { continue };
                    let branch = self.branch(attended);
                    for (output, value) in output[pixel * c..][..c].iter_mut().zip(branch) {
                        *output = (f64::from(*output) + value) as f32;
                    }
                }
            }
        }
        output
    }
}

fn linear(input: &[f64], weights: &[f32], bias: &[f32]) -> Vec<f64> {
    let columns = bias.len();
    let mut output: Vec<f64> = bias.iter().map(|&v| v.into()).collect();
    for (value, row) in input.iter().zip(weights.chunks_exact(columns)) {
        for (output, weight) in output.iter_mut().zip(row) {
            *output += value * f64::from(*weight);
        }
    }
    output
}

/// Largest difference to the twin, whose values are a few units.
fn error(plain: &Plain, size: MapSize, shift: usize) -> f32 {
    let map = noise(size.pixels() * plain.channels, 8);
    let expected = plain.twin(&map, size, shift);
    let mut output = map;
    plain.prepare().add_to(&mut output, size, shift);
    max_difference(&output, &expected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn equals_its_twin(
        batch in 1..3_usize,
        height in 1..14_usize,
        width in 1..14_usize,
        window in 1..6_usize,
        shift in 0..5_usize,
        heads in 1..4_usize,
        head_dim in 1..20_usize,
    ) {
        let plain = Plain::new(heads, head_dim, window);
        let size = MapSize::new(batch, [height, width]);
        let error = error(&plain, size, shift % window);
        prop_assert!(error < 1e-5, "error {error}");
    }

    /// With at least four values to normalise: fewer may lie so close together that their norm
    /// magnifies rounding a hundredfold.
    #[test]
    fn the_second_generation_equals_its_twin(
        batch in 1..3_usize,
        height in 1..14_usize,
        width in 1..14_usize,
        window in 1..6_usize,
        shift in 0..5_usize,
        heads in 1..4_usize,
        head_dim in 4..20_usize,
    ) {
        let plain = Plain::new_v2(heads, head_dim, window);
        let size = MapSize::new(batch, [height, width]);
        let error = error(&plain, size, shift % window);
        prop_assert!(error < 5e-5, "error {error}");
    }
}

#[test]
fn windows_of_eight_of_the_second_generation() {
    for (size, shift) in [([16, 8], 0), ([9, 17], 4), ([16, 16], 4), ([3, 20], 4)] {
        let error = error(&Plain::new_v2(2, 32, 8), MapSize::new(1, size), shift);
        assert!(
            error < 2e-5,
            "error {error} at {size:?} with a shift of {shift}"
        );
    }
}

/// Padding's keys are zeros, which have no direction: their cosine is 0.
#[test]
fn padding_without_any_bias_is_fine() {
    let mut plain = Plain::new_v2(2, 8, 4);
    plain.qkv_bias.fill(0.0);
    let error = error(&plain, MapSize::new(1, [3, 5]), 2);
    assert!(error < 2e-5, "error {error}");
}

#[test]
fn windows_of_seven_with_heads_of_32() {
    for (size, shift) in [
        ([14, 7], 0),
        ([9, 15], 0),
        ([9, 15], 3),
        ([14, 14], 3),
        ([3, 20], 3),
    ] {
        let error = error(&Plain::new(2, 32, 7), MapSize::new(1, size), shift);
        assert!(
            error < 1e-5,
            "error {error} at {size:?} with a shift of {shift}"
        );
    }
}

#[test]
fn windows_of_twelve() {
    for shift in [0, 6] {
        let error = error(&Plain::new(1, 32, 12), MapSize::new(1, [13, 24]), shift);
        assert!(error < 1e-5, "error {error} with a shift of {shift}");
    }
}

/// Rounding shifts a logit of a few units by some hundredths, and so the weights, by as much of the
/// branch's values, which are a few units too. Below 1e-4 nothing would have been rounded.
#[test]
fn rounded_weights_stay_close() {
    if !bf16::is_available() {
        return;
    }
    let plain = Plain::new(3, 32, 7);
    let size = MapSize::new(1, [9, 15]);
    let map = noise(size.pixels() * plain.channels, 8);
    let mut output = map.clone();
    plain.prepare().into_bf16().add_to(&mut output, size, 3);
    let difference = max_difference(&output, &plain.twin(&map, size, 3));
    assert!((1e-4..0.1).contains(&difference), "difference {difference}");
}

#[test]
fn bytes_count_weights_and_the_padded_position_bias() {
    let attention = Plain::new(2, 16, 4).prepare();
    let vectors = 32 * (1 + 1 + 3 + 1) + 2 * 16 * 16;
    let matrices = attention.qkv.bytes() + attention.projection.bytes();
    assert_eq!(attention.bytes(), 4 * vectors + matrices);
    // A factor for each head.
    let second = Plain::new_v2(2, 16, 4).prepare();
    assert_eq!(second.bytes(), attention.bytes() + 4 * 2);
}

/// Many groups on one map, as they are in use: every window must be seen once.
#[test]
fn many_groups_of_windows() {
    let plain = Plain::new(1, 8, 2);
    let error = error(&plain, MapSize::new(2, [41, 39]), 1);
    assert!(error < 1e-5, "error {error}");
}

/// Logits far apart: softmax must not overflow, and the largest alone counts.
#[test]
fn large_logits_are_fine() {
    let mut plain = Plain::new(1, 16, 2);
    for value in &mut plain.qkv {
        *value *= 30.0;
    }
    let map = noise(4 * 4 * 16, 9);
    let mut output = map.clone();
    let size = MapSize::new(1, [4, 4]);
    plain.prepare().add_to(&mut output, size, 0);
    let difference = max_difference(&output, &plain.twin(&map, size, 0));
    assert!(difference < 2e-2, "difference {difference}");
}

#[test]
#[should_panic(expected = "keys have a bias")]
fn refuses_a_bias_of_keys_in_the_second_generation() {
    let mut plain = Plain::new_v2(1, 4, 2);
    plain.qkv_bias[4] = 1.0;
    plain
        .prepare()
        .add_to(&mut [0.0; 4], MapSize::new(1, [1, 1]), 0);
}

#[test]
fn an_empty_batch_is_fine() {
    Plain::new(1, 4, 2)
        .prepare()
        .add_to(&mut [], MapSize::new(0, [4, 4]), 0);
}

#[test]
#[should_panic(expected = "a shift of 2 in windows of 2")]
fn refuses_a_shift_of_a_whole_window() {
    Plain::new(1, 4, 2)
        .prepare()
        .add_to(&mut [0.0; 4], MapSize::new(1, [1, 1]), 2);
}

#[test]
#[should_panic(expected = "the position bias is not 2 x 4 x 4")]
fn refuses_a_position_bias_of_another_size() {
    let _ = PositionBias::new(&[0.0; 16], 2, 2);
}
