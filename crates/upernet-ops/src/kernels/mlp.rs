//! The residual two-layer perceptron of a transformer or ConvNeXt block, in one pass over the map.
//!
//! `y = x + W2 gelu(W1 LayerNorm(s) + b1) + b2`, where `s` is `x` itself (Swin) or a depthwise
//! convolution of it (ConvNeXt). A tile of pixels goes through all layers while it lies in the
//! second-level cache: neither `s`, nor its normalised form, nor the hidden layer, four times as
//! large as the map, is ever written to memory. The hidden layer is taken in parts of about as many
//! channels as the matrix product sums in one go, so that wide networks fit too.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{
    depthwise::{DepthwiseWeights, depthwise_pixels},
    gemm::{Activation, Epilogue, Residual, matmul_tile},
    layer_norm::{LayerNorm, layer_norm_row, layer_norm_row_in_place},
    map::MapSize,
    packed::{PackedMatrix, panel_width},
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd},
};

/// About how many hidden channels are held at a time.
const HIDDEN_PART: usize = 512;

/// Most pixels of a tile. Measured on a Zen 5 with AVX-512, 48 to 224 pixels are within 4 % of each
/// other for 96 to 768 channels; with powers of two, maps with sides of powers of two divide evenly.
const MAX_TILE_PIXELS: usize = 128;

/// Tiles have a multiple of this: the depthwise convolution wants strips, the product blocks of rows.
const TILE_STEP: usize = 8;

/// The weights of a perceptron, laid out once.
#[derive(Clone, Debug)]
pub(crate) struct Mlp {
    norm_scale: Vec<f32>,
    norm_shift: Vec<f32>,
    norm_epsilon: f32,
    /// `W1`, `[C, hidden]`.
    expand: PackedMatrix,
    expand_bias: Vec<f32>,
    /// Columns of `W1` in a part of the hidden layer; whole panels.
    part: usize,
    /// `W2`, `[hidden, C]`, in parts of `part` rows.
    project: Vec<PackedMatrix>,
    project_bias: Vec<f32>,
}

/// The weights of a perceptron for `C` channels, as a checkpoint has them but transposed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MlpParameters<'a> {
    pub(crate) norm: LayerNorm<'a>,
    /// `[C, hidden]`.
    pub(crate) expand: &'a [f32],
    /// `[hidden]`.
    pub(crate) expand_bias: &'a [f32],
    /// `[hidden, C]`; a layer scale is a factor on the columns.
    pub(crate) project: &'a [f32],
    /// `[C]`; a layer scale is a factor here too.
    pub(crate) project_bias: &'a [f32],
}

impl Mlp {
    /// Lays out the weights.
    ///
    /// # Panics
    ///
    /// Panics if there are no channels or the sizes do not fit each other.
    pub(crate) fn new(parameters: MlpParameters<'_>) -> Self {
        let MlpParameters {
            norm,
            expand,
            expand_bias,
            project,
            project_bias,
        } = parameters;
        let (channels, hidden) = (norm.scale.len(), expand_bias.len());
        assert!(channels > 0 && hidden > 0, "a perceptron has channels");
        assert_eq!([norm.shift.len(), project_bias.len()], [channels; 2]);
        assert_eq!([expand.len(), project.len()], [channels * hidden; 2]);
        let parts = hidden.div_ceil(HIDDEN_PART);
        let part = hidden.div_ceil(parts).next_multiple_of(panel_width());
        let pack_part = |start: usize| {
            let rows = part.min(hidden - start);
            let element = |row, column| project[(start + row) * channels + column];
            PackedMatrix::from_fn(rows, channels, element)
        };
        Self {
            norm_scale: norm.scale.to_vec(),
            norm_shift: norm.shift.to_vec(),
            norm_epsilon: norm.epsilon,
            expand: PackedMatrix::from_fn(channels, hidden, |row, column| {
                expand[row * hidden + column]
            }),
            expand_bias: expand_bias.to_vec(),
            part,
            project: (0..hidden).step_by(part).map(pack_part).collect(),
            project_bias: project_bias.to_vec(),
        }
    }

    /// The same with the weights of both layers rounded to bfloat16.
    ///
    /// # Panics
    ///
    /// Panics if the processor has no products of bfloat16.
    pub(crate) fn into_bf16(self) -> Self {
        let project = self.project.into_iter().map(PackedMatrix::into_bf16);
        Self {
            expand: self.expand.into_bf16(),
            project: project.collect(),
            ..self
        }
    }

    /// Channels of the map.
    pub(crate) fn channels(&self) -> usize {
        self.norm_scale.len()
    }

    /// Bytes of the weights as they are kept.
    pub(crate) fn bytes(&self) -> usize {
        let vectors = 3 * self.channels() + self.expand_bias.len();
        let matrices: usize = self.project.iter().map(PackedMatrix::bytes).sum();
        vectors * size_of::<f32>() + self.expand.bytes() + matrices
    }

    /// Swin's half-block, `x + mlp(x)`, in place, on all threads of the pool.
    ///
    /// # Panics
    ///
    /// Panics if `x` is not rows of [`Self::channels`] values.
    pub(crate) fn add_in_place(&self, x: &mut [f32]) {
        self.over_tiles(x, |_| Source::Output);
    }

    /// ConvNeXt's block, `out = x + mlp(depthwise(x))` for maps `[N, H, W, C]`, on all threads of
    /// the pool.
    ///
    /// # Panics
    ///
    /// Panics if a map has another size or another number of channels.
    pub(crate) fn convnext_block(
        &self,
        x: &[f32],
        size: MapSize,
        depthwise: &DepthwiseWeights,
        out: &mut [f32],
    ) {
        let length = size.pixels() * self.channels();
        assert_eq!(
            [x.len(), out.len()],
            [length; 2],
            "the maps have another size"
        );
        assert_eq!(
            depthwise.channels(),
            self.channels(),
            "the layers differ in channels"
        );
        self.over_tiles(out, |first| Source::Depthwise {
            x,
            size,
            depthwise,
            first,
        });
    }

    /// Cuts `out` into tiles; `source` of a tile's first pixel says what its pixels come from.
    fn over_tiles<'a>(&'a self, out: &'a mut [f32], source: impl Fn(usize) -> Source<'a> + Sync) {
        let channels = self.channels();
        assert_eq!(
            out.len() % channels,
            0,
            "the map is not rows of {channels} values"
        );
        let pixels = tile_pixels(out.len() / channels, rayon::current_num_threads());
        let tiles = out.par_chunks_mut(pixels * channels);
        tiles.enumerate().for_each(|(index, out)| {
            let rows = out.len() / channels;
            with_scratch(rows * (channels + self.part), |scratch| {
                let source = source(index * pixels);
                simd::dispatch(Tile {
                    mlp: self,
                    source,
                    scratch,
                    out,
                });
            });
        });
    }
}

/// Pixels of a tile so that every thread gets as many tiles as any other.
fn tile_pixels(pixels: usize, threads: usize) -> usize {
    let rounds = pixels.div_ceil(threads * MAX_TILE_PIXELS).max(1);
    let tile = pixels.div_ceil(threads * rounds).max(1);
    tile.next_multiple_of(TILE_STEP)
}

/// What a tile's pixels come from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// What the output holds.
    Output,
    /// A depthwise convolution of a map, and the map itself for the residual.
    Depthwise {
        x: &'a [f32],
        size: MapSize,
        depthwise: &'a DepthwiseWeights,
        first: usize,
    },
}

/// One tile, on the calling thread.
struct Tile<'a> {
    mlp: &'a Mlp,
    source: Source<'a>,
    scratch: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            mlp,
            source,
            scratch,
            out,
        } = self;
        let channels = mlp.channels();
        let (normal, hidden) = scratch.split_at_mut(out.len());
        mlp.normalise(simd, source, out, normal);
        let mut residual = match source {
            Source::Output => Residual::Output,
            Source::Depthwise { x, first, .. } => {
                Residual::Rows(Rows::dense(&x[first * channels..][..out.len()], channels))
            }
        };
        let mut bias = Some(mlp.project_bias.as_slice());
        let rows = out.len() / channels;
        for (index, project) in mlp.project.iter().enumerate() {
            let (start, width) = (index * mlp.part, project.k());
            let first_panel = start / mlp.expand.panel_width();
            let panels = width.div_ceil(mlp.expand.panel_width());
            let hidden = &mut hidden[..rows * width];
            let activated = Epilogue {
                bias: Some(&mlp.expand_bias[start..][..width]),
                residual: Residual::None,
                activation: Activation::Gelu,
            };
            let panels = first_panel..first_panel + panels;
            let a = Rows::dense(normal, channels);
            let hidden_rows = RowsMut::dense(hidden, width);
            matmul_tile(simd, a, &mlp.expand, panels, activated, hidden_rows);
            let added = Epilogue {
                bias,
                residual,
                activation: Activation::None,
            };
            let a = Rows::dense(hidden, width);
            let panels = 0..project.num_panels();
            matmul_tile(
                simd,
                a,
                project,
                panels,
                added,
                RowsMut::dense(out, channels),
            );
            // The first part brought these in.
            (bias, residual) = (None, Residual::Output);
        }
    }
}

impl Mlp {
    fn norm(&self) -> LayerNorm<'_> {
        let (scale, shift) = (&self.norm_scale, &self.norm_shift);
        LayerNorm {
            scale,
            shift,
            epsilon: self.norm_epsilon,
        }
    }

    /// Writes the normalised source of a tile.
    #[inline(always)]
    fn normalise<S: Simd>(&self, simd: S, source: Source<'_>, out: &[f32], normal: &mut [f32]) {
        let rows = normal.chunks_exact_mut(self.channels());
        match source {
            Source::Output => {
                let x = out.chunks_exact(self.channels());
                x.zip(rows)
                    .for_each(|(x, row)| layer_norm_row(simd, x, self.norm(), row));
            }
            Source::Depthwise {
                x,
                size,
                depthwise,
                first,
            } => {
                depthwise_pixels(simd, x, size, depthwise, first, normal);
                let rows = normal.chunks_exact_mut(self.channels());
                rows.for_each(|row| layer_norm_row_in_place(simd, row, self.norm()));
            }
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the reference is computed in f64"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::{
        depthwise::tests::Run,
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
            let parameters = self.parameters();
            let pixels = x
                .chunks_exact(self.channels)
                .zip(source.chunks_exact(self.channels));
            let pixel = |(x, source): (&[f32], &[f32])| {
                let normal = normalised(source, parameters.norm);
                let hidden = layer(&normal, parameters.expand, parameters.expand_bias);
                let hidden: Vec<f64> = hidden.into_iter().map(gelu).collect();
                let y = layer(&hidden, parameters.project, parameters.project_bias);
                x.iter()
                    .zip(y)
                    .map(|(&x, y)| (f64::from(x) + y) as f32)
                    .collect::<Vec<f32>>()
            };
            pixels.flat_map(pixel).collect()
        }
    }

    fn normalised(x: &[f32], norm: LayerNorm<'_>) -> Vec<f64> {
        let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
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
    }
}
