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

/// Pixels that a tile may have; each splits into row blocks of the product (14, 8 or 4 rows with
/// AVX-512) without a rest.
const TILE_PIXELS: [usize; 8] = [112, 96, 88, 64, 40, 32, 16, 8];

/// What a tile costs besides its pixels, in pixels: weights come from afar once a tile.
const TILE_OVERHEAD: usize = 2;

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

/// The size of tiles with which the busiest thread has least to do.
fn tile_pixels(pixels: usize, threads: usize) -> usize {
    let work = |tile: usize| pixels.div_ceil(tile).div_ceil(threads) * (tile + TILE_OVERHEAD);
    TILE_PIXELS
        .into_iter()
        .min_by_key(|&tile| work(tile))
        .expect("there are sizes to choose from")
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
            simd.vectorize(Product {
                a: normal,
                b: &mlp.expand,
                panels: first_panel..first_panel + panels,
                epilogue: Epilogue {
                    bias: Some(&mlp.expand_bias[start..][..width]),
                    residual: Residual::None,
                    activation: Activation::Gelu,
                },
                out: RowsMut::dense(hidden, width),
            });
            simd.vectorize(Product {
                a: hidden,
                b: project,
                panels: 0..project.num_panels(),
                epilogue: Epilogue {
                    bias,
                    residual,
                    activation: Activation::None,
                },
                out: RowsMut::dense(out, channels),
            });
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

/// A product of its own, so that the two of a tile share one copy of the code.
struct Product<'a> {
    /// Rows without gaps.
    a: &'a [f32],
    b: &'a PackedMatrix,
    panels: std::ops::Range<usize>,
    epilogue: Epilogue<'a>,
    out: RowsMut<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let a = Rows::dense(self.a, self.b.k());
        matmul_tile(simd, a, self.b, self.panels, self.epilogue, self.out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::test_support::{max_difference, noise};

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
                let mut hidden = layer(&normal, parameters.expand, parameters.expand_bias);
                hidden.iter_mut().for_each(|x| *x = gelu(*x));
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
            crate::kernels::depthwise::depthwise(&x, size, &depthwise, &mut source);
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
    fn empty_map_stays_empty() {
        let weights = Weights::new(3, 5, 1);
        Mlp::new(weights.parameters()).add_in_place(&mut []);
    }
}
