//! The residual two-layer perceptron of a transformer or ConvNeXt block, in one pass over the map.
//!
//! `y = x + W2 gelu(W1 LayerNorm(s) + b1) + b2`, where `s` is `x` itself (Swin) or a depthwise
//! convolution of it (ConvNeXt); or, with the norm at the other end,
//! `y = x + LayerNorm(W2 gelu(W1 x + b1) + b2)` (Swin V2).
//!
//! A tile of pixels goes through all layers while it lies in the second-level cache: neither `s`, nor its normalised form, nor the hidden layer, four times as
//! large as the map, is ever written to memory. The hidden layer is taken in parts of about as many
//! channels as the matrix product sums in one go, so that wide networks fit too.

use std::ops::Range;

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{
    depthwise::{DepthwiseWeights, depthwise_pixels},
    gemm::{Activation, Epilogue, Residual, matmul_tile},
    layer_norm::{LayerNorm, add_layer_norm_row, layer_norm_row, layer_norm_row_in_place},
    map::MapSize,
    packed::{PackedMatrix, panel_width},
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd},
};
use crate::bytes::Bytes;

mod response;

pub(crate) use response::ResponseMlp;

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

    /// Swin's half-block, `x + mlp(x)`, in place, on all threads of the pool.
    ///
    /// # Panics
    ///
    /// Panics if `x` is not rows of [`Self::channels`] values.
    pub(crate) fn add_in_place(&self, x: &mut [f32]) {
        self.over_tiles(x, |_| Source::Output);
    }

    /// Swin V2's half-block, `x + norm(layers(x))`, in place, on all threads of the pool.
    ///
    /// # Panics
    ///
    /// Panics if `x` is not rows of [`Self::channels`] values.
    pub(crate) fn add_normalised_in_place(&self, x: &mut [f32]) {
        self.over_tiles(x, |_| Source::RawOutput);
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

impl Bytes for Mlp {
    fn bytes(&self) -> usize {
        let vectors = 3 * self.channels() + self.expand_bias.len();
        let matrices: usize = self.project.iter().map(Bytes::bytes).sum();
        vectors * size_of::<f32>() + self.expand.bytes() + matrices
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
    /// The same as it is: the norm comes after the layers.
    RawOutput,
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
        let residual = match source {
            Source::Output => Residual::Output,
            Source::RawOutput => Residual::None,
            Source::Depthwise { x, first, .. } => {
                Residual::Rows(Rows::dense(&x[first * channels..][..out.len()], channels))
            }
        };
        let rows = out.len() / channels;
        // A branch that is normalised at its end is kept apart until then.
        let (a, branch): (&[f32], &mut [f32]) = match source {
            Source::RawOutput => (&*out, &mut *normal),
            Source::Output | Source::Depthwise { .. } => (&*normal, &mut *out),
        };
        for part in 0..mlp.project.len() {
            let width = mlp.part_columns(part).len();
            let hidden = &mut hidden[..rows * width];
            mlp.expand_part(simd, part, a, RowsMut::dense(hidden, width));
            let hidden = Rows::dense(hidden, width);
            let branch = RowsMut::dense(branch, channels);
            mlp.project_part(simd, part, hidden, residual, branch);
        }
        if let Source::RawOutput = source {
            let branch = normal.chunks_exact(channels);
            branch
                .zip(out.chunks_exact_mut(channels))
                .for_each(|(row, out)| add_layer_norm_row(simd, row, mlp.norm(), out));
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

    /// The columns of the hidden layer in a part.
    fn part_columns(&self, part: usize) -> Range<usize> {
        let start = part * self.part;
        start..start + self.project[part].k()
    }

    /// Computes a part of the hidden layer, `gelu(W1 normal + b1)`.
    #[inline(always)]
    fn expand_part<S: Simd>(&self, simd: S, part: usize, normal: &[f32], hidden: RowsMut<'_>) {
        let columns = self.part_columns(part);
        let panel = self.expand.panel_width();
        let panels = columns.start / panel..columns.end.div_ceil(panel);
        let activated = Epilogue {
            bias: Some(&self.expand_bias[columns]),
            residual: Residual::None,
            activation: Activation::Gelu,
        };
        let normal = Rows::dense(normal, self.channels());
        matmul_tile(simd, normal, &self.expand, panels, activated, hidden);
    }

    /// Adds what a part of the hidden layer gives, `W2 hidden`; the first part brings in bias and
    /// residual.
    #[inline(always)]
    fn project_part<S: Simd>(
        &self,
        simd: S,
        part: usize,
        hidden: Rows<'_>,
        residual: Residual<'_>,
        out: RowsMut<'_>,
    ) {
        let is_first = part == 0;
        let added = Epilogue {
            bias: is_first.then_some(self.project_bias.as_slice()),
            residual: if is_first { residual } else { Residual::Output },
            activation: Activation::None,
        };
        let project = &self.project[part];
        matmul_tile(simd, hidden, project, 0..project.num_panels(), added, out);
    }

    /// Writes the normalised source of a tile, if the norm comes first.
    #[inline(always)]
    fn normalise<S: Simd>(&self, simd: S, source: Source<'_>, out: &[f32], normal: &mut [f32]) {
        let rows = normal.chunks_exact_mut(self.channels());
        match source {
            Source::Output => {
                let x = out.chunks_exact(self.channels());
                x.zip(rows)
                    .for_each(|(x, row)| layer_norm_row(simd, x, self.norm(), row));
            }
            Source::RawOutput => {}
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
mod tests;
