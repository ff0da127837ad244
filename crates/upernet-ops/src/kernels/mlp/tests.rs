//! Both sources of a perceptron against their twin in `f64`.
#![expect(
    clippy::cast_possible_truncation,
    reason = "the reference is computed in f64"
)]

use proptest::prelude::*;

use super::*;
use crate::kernels::{
    depthwise::tests::Run,
    response_norm::ResponseNorm,
    test_support::{max_difference, noise},
};

/// Weights of a random perceptron.
struct Weights {
    channels: usize,
    vectors: [Vec<f32>; 4],
    matrices: [Vec<f32>; 2],
}

impl Weights {
    fn new(channels: usize, hidden: usize, seed: u64) -> Self {
        let scaled = |length, seed, scale: f32| {
            noise(length, seed)
                .iter()
                .map(|x| x * scale)
                .collect::<Vec<f32>>()
        };
        let (a, b) = ((3.0 / channels as f32).sqrt(), (3.0 / hidden as f32).sqrt());
        Self {
            channels,
            vectors: [channels, channels, hidden, channels]
                .map(|length| noise(length, seed ^ length as u64)),
            matrices: [
                scaled(channels * hidden, seed ^ 1, a),
                scaled(channels * hidden, seed ^ 2, b),
            ],
        }
    }

    fn parameters(&self) -> MlpParameters<'_> {
        let [scale, shift, expand_bias, project_bias] = &self.vectors;
        MlpParameters {
            norm: LayerNorm {
                scale,
                shift,
                epsilon: 1e-2,
            },
            expand: &self.matrices[0],
            expand_bias,
            project: &self.matrices[1],
            project_bias,
        }
    }

    /// `x + mlp(source)`, value by value in `f64`.
    fn reference(&self, x: &[f32], source: &[f32]) -> Vec<f32> {
        self.projected(x, &self.hidden(source))
    }

    /// The same with a response norm over each image of so many pixels.
    fn response_reference(
        &self,
        x: &[f32],
        source: &[f32],
        pixels: usize,
        norm: ResponseNorm<'_>,
    ) -> Vec<f32> {
        let images = x.chunks_exact(pixels * self.channels);
        let images = images.zip(source.chunks_exact(pixels * self.channels));
        let image = |(x, source): (&[f32], &[f32])| {
            let mut hidden = self.hidden(source);
            let squares = |channel: usize| {
                hidden
                    .iter()
                    .map(move |row: &Vec<f64>| row[channel].powi(2))
            };
            let norms: Vec<f64> = (0..norm.weight.len())
                .map(|channel| squares(channel).sum::<f64>().sqrt())
                .collect();
            let mean = norms.iter().sum::<f64>() / norms.len() as f64;
            for row in &mut hidden {
                for (channel, value) in row.iter_mut().enumerate() {
                    let [weight, bias] = [norm.weight, norm.bias].map(|v| f64::from(v[channel]));
                    *value += weight * *value * norms[channel] / (mean + 1e-6) + bias;
                }
            }
            self.projected(x, &hidden)
        };
        images.flat_map(image).collect()
    }

    /// `x + norm(layers(x))`, value by value in `f64`.
    fn reference_with_norm_after(&self, x: &[f32]) -> Vec<f32> {
        let parameters = self.parameters();
        let pixel = |x: &[f32]| {
            let x = in_f64(x);
            let hidden = layer(&x, parameters.expand, parameters.expand_bias);
            let hidden: Vec<f64> = hidden.into_iter().map(gelu).collect();
            let y = layer(&hidden, parameters.project, parameters.project_bias);
            x.into_iter()
                .zip(normalised(&y, parameters.norm))
                .map(|(x, y)| (x + y) as f32)
                .collect::<Vec<f32>>()
        };
        x.chunks_exact(self.channels).flat_map(pixel).collect()
    }

    /// The hidden layer of each pixel.
    fn hidden(&self, source: &[f32]) -> Vec<Vec<f64>> {
        let parameters = self.parameters();
        let pixel = |source: &[f32]| {
            let normal = normalised(&in_f64(source), parameters.norm);
            let hidden = layer(&normal, parameters.expand, parameters.expand_bias);
            hidden.into_iter().map(gelu).collect()
        };
        source.chunks_exact(self.channels).map(pixel).collect()
    }

    /// The second layer, added to each pixel.
    fn projected(&self, x: &[f32], hidden: &[Vec<f64>]) -> Vec<f32> {
        let parameters = self.parameters();
        let pixels = x.chunks_exact(self.channels).zip(hidden);
        let pixel = |(x, hidden): (&[f32], &Vec<f64>)| {
            let y = layer(hidden, parameters.project, parameters.project_bias);
            x.iter()
                .zip(y)
                .map(|(&x, y)| (f64::from(x) + y) as f32)
                .collect::<Vec<f32>>()
        };
        pixels.flat_map(pixel).collect()
    }
}

fn in_f64(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn normalised(x: &[f64], norm: LayerNorm<'_>) -> Vec<f64> {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
    let deviation = (variance + f64::from(norm.epsilon)).sqrt();
    let affine = norm.scale.iter().zip(norm.shift);
    x.iter()
        .zip(affine)
        .map(|(x, (&a, &b))| (x - mean) / deviation * f64::from(a) + f64::from(b))
        .collect()
}

fn layer(x: &[f64], weights: &[f32], bias: &[f32]) -> Vec<f64> {
    let column = |(column, &shift): (usize, &f32)| {
        let weights = weights[column..].iter().step_by(bias.len());
        f64::from(shift)
            + x.iter()
                .zip(weights)
                .map(|(x, &w)| x * f64::from(w))
                .sum::<f64>()
    };
    bias.iter().enumerate().map(column).collect()
}

/// By Simpson's rule on the density: 400 steps leave less than 1e-9.
fn gelu(x: f64) -> f64 {
    let step = x / 400.0;
    let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let weight = |index: u32| if index % 2 == 1 { 4.0 } else { 2.0 };
    let inner: f64 = (1..400)
        .map(|i| weight(i) * density(step * f64::from(i)))
        .sum();
    x * (0.5 + step / 3.0 * (density(0.0) + inner + density(x)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn in_place_is_the_definition(
        pixels in prop_oneof![1_usize..4, 1_usize..130],
        channels in prop_oneof![2_usize..8, 2_usize..60],
        hidden in prop_oneof![1_usize..40, 500_usize..700],
        seed in any::<u64>(),
    ) {
        let weights = Weights::new(channels, hidden, seed);
        let x = noise(pixels * channels, seed ^ 7);
        let expected = weights.reference(&x, &x);
        let mut out = x;
        Mlp::new(weights.parameters()).add_in_place(&mut out);
        let difference = max_difference(&out, &expected);
        prop_assert!(difference < 1e-4, "{difference:e}");
    }

    #[test]
    fn with_the_norm_after_it_is_the_definition(
        pixels in prop_oneof![1_usize..4, 1_usize..130],
        channels in prop_oneof![2_usize..8, 2_usize..60],
        hidden in prop_oneof![1_usize..40, 500_usize..700],
        seed in any::<u64>(),
    ) {
        let weights = Weights::new(channels, hidden, seed);
        let x = noise(pixels * channels, seed ^ 7);
        let expected = weights.reference_with_norm_after(&x);
        let mut out = x;
        Mlp::new(weights.parameters()).add_normalised_in_place(&mut out);
        let difference = max_difference(&out, &expected);
        prop_assert!(difference < 1e-4, "{difference:e}");
    }

    #[test]
    fn convnext_block_is_the_definition(
        batch in 1_usize..3,
        height in prop_oneof![1_usize..4, 1_usize..12],
        width in prop_oneof![1_usize..4, 1_usize..24],
        channels in prop_oneof![2_usize..8, 2_usize..40],
        half_kernel in 0_usize..5,
        seed in any::<u64>(),
    ) {
        let kernel = 2 * half_kernel + 1;
        let size = MapSize::new(batch, [height, width]);
        let weights = Weights::new(channels, 4 * channels, seed);
        let taps = noise(kernel * kernel * channels, seed ^ 8);
        let depthwise = DepthwiseWeights::new(kernel, &taps, noise(channels, seed ^ 9));
        let x = noise(size.pixels() * channels, seed ^ 7);
        // `depthwise` has its own definition to answer to.
        let mut source = vec![f32::NAN; x.len()];
        let run = Run { x: &x, size, weights: &depthwise, first: 0, out: &mut source };
        simd::dispatch(run);
        let expected = weights.reference(&x, &source);
        let mut out = vec![f32::NAN; x.len()];
        Mlp::new(weights.parameters()).convnext_block(&x, size, &depthwise, &mut out);
        let difference = max_difference(&out, &expected);
        prop_assert!(difference < 1e-4, "{difference:e}");

        let vectors = [4, 5].map(|part| noise(4 * channels, seed ^ part));
        let norm = ResponseNorm { weight: &vectors[0], bias: &vectors[1] };
        let expected = weights.response_reference(&x, &source, height * width, norm);
        let mlp = ResponseMlp::new(weights.parameters(), norm);
        let mut hidden = vec![f32::NAN; height * width * 4 * channels];
        out.fill(f32::NAN);
        mlp.convnext_block(&x, size, &depthwise, &mut hidden, &mut out);
        let difference = max_difference(&out, &expected);
        // Channels that are strong beside the others are multiplied by several times one.
        prop_assert!(difference < 4e-4, "with a response norm {difference:e}");
    }
}

/// More than one tile and part, and a last group of pixels that is not full.
#[test]
fn a_response_norm_does_not_depend_on_the_number_of_threads() {
    let (size, channels) = (MapSize::new(2, [13, 29]), 150);
    let weights = Weights::new(channels, 4 * channels, 3);
    let vectors = [4, 5].map(|seed| noise(4 * channels, seed));
    let norm = ResponseNorm {
        weight: &vectors[0],
        bias: &vectors[1],
    };
    let mlp = ResponseMlp::new(weights.parameters(), norm);
    let depthwise = DepthwiseWeights::new(3, &noise(9 * channels, 8), noise(channels, 9));
    let x = noise(size.pixels() * channels, 7);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let mut hidden = vec![f32::NAN; 13 * 29 * 4 * channels];
        let mut out = vec![f32::NAN; x.len()];
        pool.expect("threads can be started")
            .install(|| mlp.convnext_block(&x, size, &depthwise, &mut hidden, &mut out));
        out
    };
    let alone = on(1);
    assert!(alone.iter().all(|value| value.is_finite()));
    for threads in [2, 3, 7] {
        let difference = max_difference(&on(threads), &alone);
        assert!(difference == 0.0, "{threads} threads: {difference:e}");
    }
}

#[test]
fn threads_share_small_maps() {
    for side in [8, 16, 32, 64, 128] {
        let pixels = side * side;
        let tile = tile_pixels(pixels, 2);
        let busiest = pixels.div_ceil(tile).div_ceil(2) * tile;
        assert!(
            busiest * 100 <= pixels / 2 * 103,
            "{side} x {side}: tiles of {tile}"
        );
    }
}

#[test]
fn rounded_weights_stay_close() {
    if !crate::kernels::bf16::is_available() {
        return;
    }
    let (channels, hidden) = (48, 1100);
    let weights = Weights::new(channels, hidden, 5);
    let x = noise(70 * channels, 6);
    let expected = weights.reference(&x, &x);
    let rounded = Mlp::new(weights.parameters()).into_bf16();
    let mut out = x;
    rounded.add_in_place(&mut out);
    // Values of a few units keep 8 bits; below 1e-4 nothing would have been rounded.
    let difference = max_difference(&out, &expected);
    assert!(
        (1e-4..0.05).contains(&difference),
        "difference {difference:e}"
    );
    let whole = Mlp::new(weights.parameters());
    assert!(
        rounded.bytes() < whole.bytes() * 6 / 10,
        "{} bytes",
        rounded.bytes()
    );
}

#[test]
fn empty_map_stays_empty() {
    let weights = Weights::new(3, 5, 1);
    Mlp::new(weights.parameters()).add_in_place(&mut []);
    let vector = noise(5, 2);
    let norm = ResponseNorm {
        weight: &vector,
        bias: &vector,
    };
    let depthwise = DepthwiseWeights::new(1, &noise(3, 8), noise(3, 9));
    for dims in [[0, 4], [4, 0]] {
        let mlp = ResponseMlp::new(weights.parameters(), norm);
        mlp.convnext_block(&[], MapSize::new(2, dims), &depthwise, &mut [], &mut []);
    }
}
