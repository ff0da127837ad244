//! The perceptron of a `ConvNeXt` V2 block: a response norm stands between its two layers.
//!
//! The norm asks for the whole image before any of its pixels can go on, so there are two passes over
//! each image. The first writes the hidden layer and, while a tile of it lies in the cache, adds up
//! the squares of its channels. The second multiplies the channels by what came of that and goes
//! through the second layer. The norm's bias is folded into that layer's.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};

use super::{Mlp, MlpParameters, Source, tile_pixels};
use crate::bytes::Bytes;
use crate::kernels::{
    depthwise::DepthwiseWeights,
    gemm::Residual,
    map::MapSize,
    response_norm::{ResponseNorm, factors},
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
};

/// Pixels whose squares are added up in `f32`; tiles have a multiple of it, so the sums do not depend
/// on how many threads share the image.
const GROUP: usize = 32;

/// The weights of a perceptron with a response norm, laid out once.
#[derive(Clone, Debug)]
pub(crate) struct ResponseMlp {
    /// The norm's bias is in that of the second layer.
    mlp: Mlp,
    /// The norm's weight, `[hidden]`.
    weight: Vec<f32>,
}

impl ResponseMlp {
    /// Lays out the weights.
    ///
    /// # Panics
    ///
    /// Panics if there are no channels or the sizes do not fit each other.
    pub(crate) fn new(parameters: MlpParameters<'_>, norm: ResponseNorm<'_>) -> Self {
        let hidden = parameters.expand_bias.len();
        assert_eq!([norm.weight.len(), norm.bias.len()], [hidden; 2]);
        let channels = parameters.project_bias.len();
        let mut sums: Vec<f64> = parameters
            .project_bias
            .iter()
            .copied()
            .map(f64::from)
            .collect();
        for (row, &bias) in parameters.project.chunks_exact(channels).zip(norm.bias) {
            for (sum, &weight) in sums.iter_mut().zip(row) {
                *sum += f64::from(bias) * f64::from(weight);
            }
        }
        let project_bias: Vec<f32> = sums.into_iter().map(rounded).collect();
        let mlp = Mlp::new(MlpParameters {
            project_bias: &project_bias,
            ..parameters
        });
        Self {
            mlp,
            weight: norm.weight.to_vec(),
        }
    }

    /// The same with the weights of both layers rounded to bfloat16.
    ///
    /// # Panics
    ///
    /// Panics if the processor has no products of bfloat16.
    pub(crate) fn into_bf16(self) -> Self {
        Self {
            mlp: self.mlp.into_bf16(),
            ..self
        }
    }

    /// Channels of the map.
    pub(crate) fn channels(&self) -> usize {
        self.mlp.channels()
    }

    /// Channels of the hidden layer.
    pub(crate) fn hidden_channels(&self) -> usize {
        self.weight.len()
    }

    /// The block, `out = x + mlp(depthwise(x))` for maps `[N, H, W, C]`, on all threads of the pool.
    ///
    /// `hidden` holds the hidden layer of one image after the other, `[H, W, hidden]`.
    ///
    /// # Panics
    ///
    /// Panics if a map has another size or another number of channels.
    pub(crate) fn convnext_block(
        &self,
        x: &[f32],
        size: MapSize,
        depthwise: &DepthwiseWeights,
        hidden: &mut [f32],
        out: &mut [f32],
    ) {
        let channels = self.channels();
        let pixels = size.height * size.width;
        assert_eq!(
            [x.len(), out.len()],
            [size.pixels() * channels; 2],
            "the maps have another size"
        );
        assert_eq!(
            hidden.len(),
            pixels * self.hidden_channels(),
            "the hidden layer has another size"
        );
        assert_eq!(
            depthwise.channels(),
            channels,
            "the layers differ in channels"
        );
        if pixels == 0 {
            return;
        }
        let images = out.chunks_exact_mut(pixels * channels);
        for (image, out) in images.enumerate() {
            let first = image * pixels;
            let source = |pixel| Source::Depthwise {
                x,
                size,
                depthwise,
                first: first + pixel,
            };
            let squares = self.expand(pixels, source, hidden);
            let factors = factors(&squares, &self.weight);
            let x = &x[first * channels..][..pixels * channels];
            self.project(x, &factors, hidden, out);
        }
    }

    /// Pixels of a tile.
    fn tile(pixels: usize) -> usize {
        tile_pixels(pixels, rayon::current_num_threads()).next_multiple_of(GROUP)
    }

    /// Computes the hidden layer of an image; returns the sum of each channel's squares.
    fn expand<'a>(
        &'a self,
        pixels: usize,
        source: impl Fn(usize) -> Source<'a> + Sync,
        hidden: &mut [f32],
    ) -> Vec<f32> {
        let (tile, width) = (Self::tile(pixels), self.hidden_channels());
        let mut squares = vec![0.0; pixels.div_ceil(GROUP) * width];
        let tiles = hidden
            .par_chunks_mut(tile * width)
            .zip(squares.par_chunks_mut(tile / GROUP * width));
        tiles.enumerate().for_each(|(index, (hidden, squares))| {
            let rows = hidden.len() / width;
            with_scratch(rows * self.channels(), |normal| {
                simd::dispatch(Expand {
                    mlp: &self.mlp,
                    source: source(index * tile),
                    normal,
                    hidden,
                    squares,
                });
            });
        });
        let mut sums = vec![0.0_f64; width];
        for group in squares.chunks_exact(width) {
            for (sum, &square) in sums.iter_mut().zip(group) {
                *sum += f64::from(square);
            }
        }
        sums.into_iter().map(rounded).collect()
    }

    /// Goes on from the hidden layer of an image, its channels multiplied by `factors`.
    fn project(&self, x: &[f32], factors: &[f32], hidden: &[f32], out: &mut [f32]) {
        let (channels, width) = (self.channels(), self.hidden_channels());
        let tile = Self::tile(x.len() / channels);
        let tiles = out
            .par_chunks_mut(tile * channels)
            .zip(x.par_chunks(tile * channels))
            .zip(hidden.par_chunks(tile * width));
        tiles.for_each(|((out, x), hidden)| {
            let rows = out.len() / channels;
            with_scratch(rows * self.mlp.part, |scaled| {
                simd::dispatch(Project {
                    mlp: &self.mlp,
                    x,
                    factors,
                    hidden,
                    scaled,
                    out,
                });
            });
        });
    }
}

impl Bytes for ResponseMlp {
    fn bytes(&self) -> usize {
        self.mlp.bytes() + size_of_val(self.weight.as_slice())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded to f32 once, at the end"
)]
fn rounded(value: f64) -> f32 {
    value as f32
}

/// One tile of the first pass, on the calling thread.
struct Expand<'a> {
    mlp: &'a Mlp,
    source: Source<'a>,
    normal: &'a mut [f32],
    hidden: &'a mut [f32],
    /// For each group of pixels the sum of each channel's squares, 0 at first.
    squares: &'a mut [f32],
}

impl WithSimd for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            mlp,
            source,
            normal,
            hidden,
            squares,
        } = self;
        let width = mlp.expand.n();
        let rows = hidden.len() / width;
        // A depthwise source does not look at the output.
        mlp.normalise(simd, source, &[], normal);
        for part in 0..mlp.project.len() {
            let columns = mlp.part_columns(part);
            let cells = RowsMut::new(&mut hidden[columns.start..], width, rows, columns.len());
            mlp.expand_part(simd, part, normal, cells);
            let groups = hidden.chunks(GROUP * width);
            for (group, squares) in groups.zip(squares.chunks_exact_mut(width)) {
                let squares = &mut squares[columns.clone()];
                for row in group.chunks_exact(width) {
                    add_squares(simd, &row[columns.clone()], squares);
                }
            }
        }
    }
}

/// One tile of the second pass, on the calling thread.
struct Project<'a> {
    mlp: &'a Mlp,
    x: &'a [f32],
    factors: &'a [f32],
    hidden: &'a [f32],
    /// For a part of the hidden layer, multiplied.
    scaled: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            mlp,
            x,
            factors,
            hidden,
            scaled,
            out,
        } = self;
        let (channels, width) = (mlp.channels(), mlp.expand.n());
        let rows = out.len() / channels;
        let residual = Residual::Rows(Rows::dense(x, channels));
        for part in 0..mlp.project.len() {
            let columns = mlp.part_columns(part);
            let scaled = &mut scaled[..rows * columns.len()];
            let cells = scaled.chunks_exact_mut(columns.len());
            for (row, scaled) in hidden.chunks_exact(width).zip(cells) {
                multiply(
                    simd,
                    &row[columns.clone()],
                    &factors[columns.clone()],
                    scaled,
                );
            }
            let scaled = Rows::dense(scaled, columns.len());
            mlp.project_part(simd, part, scaled, residual, RowsMut::dense(out, channels));
        }
    }
}

#[inline(always)]
fn add_squares<S: Simd>(simd: S, row: &[f32], squares: &mut [f32]) {
    let lanes = S::F32_LANES;
    for (row, squares) in row.chunks(lanes).zip(squares.chunks_mut(lanes)) {
        let value = load(simd, row);
        let sum = simd.mul_add_e_f32s(value, value, load(simd, squares));
        store(simd, squares, sum);
    }
}

#[inline(always)]
fn multiply<S: Simd>(simd: S, row: &[f32], factors: &[f32], out: &mut [f32]) {
    let lanes = S::F32_LANES;
    let values = row.chunks(lanes).zip(factors.chunks(lanes));
    for ((row, factors), out) in values.zip(out.chunks_mut(lanes)) {
        store(
            simd,
            out,
            simd.mul_f32s(load(simd, row), load(simd, factors)),
        );
    }
}
