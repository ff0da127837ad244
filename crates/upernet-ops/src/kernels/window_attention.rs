//! Swin's attention half-block inside windows, of both generations:
//! `x + projection(attention(LayerNorm(x)))`, or `x + LayerNorm(projection(attention(x)))` with cosines
//! for logits.
//!
//! Source: Liu et al., *Swin Transformer* (2021), section 3.2, <https://arxiv.org/abs/2103.14030>;
//! Liu et al., *Swin Transformer V2* (2022), section 3, <https://arxiv.org/abs/2111.09883>.
//!
//! The map is never rolled, padded, cut or merged. A group of windows is gathered from where its
//! tokens lie (`windows`), goes through one product for query, key and value, through the heads
//! (`head`), through the projection, and is added where it came from, all in memory that stays in the
//! second-level cache. Padded tokens are zeros where the product begins, so their keys and values are
//! its biases; they ask nothing, and so take no part in either product.
//!
//! What the generations do differently is done to rows before and after the heads: the heads see
//! queries that hold the logits' scale, and keys, and do not know of cosines.
#![expect(
    unsafe_code,
    reason = "threads share a map whose windows are not contiguous"
)]

mod cosine;
mod head;
mod pixels;
mod product;
mod windows;

#[cfg(test)]
mod tests;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use self::{
    cosine::to_cosines,
    head::{Heads, padded_tokens},
    pixels::SharedPixels,
    windows::{Gathered, WindowGrid},
};
use super::{
    gemm::{Epilogue, matmul_tile},
    layer_norm::{LayerNorm, add_layer_norm_row, layer_norm_row},
    map::MapSize,
    packed::PackedMatrix,
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
    softmax::PADDING,
};
use crate::bytes::Bytes;

/// Most tokens of a group of windows: four windows of 7 x 7, a multiple of the product's row block.
const MAX_GROUP_TOKENS: usize = 196;

/// The weights of one attention half-block, `C` channels.
#[derive(Clone, Debug)]
pub(crate) struct WindowAttention {
    /// Side of a window in tokens.
    pub(crate) window_size: usize,
    /// Number of heads; divides `C`.
    pub(crate) num_heads: usize,
    pub(crate) generation: Generation,
    /// Of the LayerNorm, `[C]`.
    pub(crate) norm_weight: Vec<f32>,
    /// Of the LayerNorm, `[C]`.
    pub(crate) norm_bias: Vec<f32>,
    /// Of the LayerNorm.
    pub(crate) norm_epsilon: f32,
    /// `[C, 3C]`: query, key, value; the first generation's logits' scale is in the query's part.
    pub(crate) qkv: PackedMatrix,
    /// `[3C]`, the scale in the query's part too; zeros for a network without.
    pub(crate) qkv_bias: Vec<f32>,
    /// `[C, C]`.
    pub(crate) projection: PackedMatrix,
    /// `[C]`.
    pub(crate) projection_bias: Vec<f32>,
    pub(crate) position_bias: PositionBias,
}

/// What the two generations of Swin do differently.
#[derive(Clone, Debug)]
pub(crate) enum Generation {
    /// The norm comes first, and a logit is a product of query and key.
    V1,
    /// The norm comes last, and a logit is the cosine of query and key times the head's factor,
    /// `[heads]`. Keys have no bias.
    V2 { factors: Vec<f32> },
}

impl Generation {
    /// What is added to the logit of two tokens that the shift brought together from regions that do
    /// not touch. Not minus infinity: upstream's values, and its results depend on them. Its V2 adds
    /// the first one's mask twice.
    fn masked(&self) -> f32 {
        match self {
            Self::V1 => -100.0,
            Self::V2 { .. } => -200.0,
        }
    }
}

/// What is added to the logit of every two tokens of a window.
#[derive(Clone, Debug)]
pub(crate) struct PositionBias {
    /// `[heads, L, L rounded up]`, with [`PADDING`] past `L`: a weight of zero.
    values: Vec<f32>,
    num_heads: usize,
    window_size: usize,
}

impl PositionBias {
    /// From `[num_heads, L, L]` with the query first, where `L` is `window_size` squared.
    ///
    /// # Panics
    ///
    /// Panics if `values` has another length.
    pub(crate) fn new(values: &[f32], num_heads: usize, window_size: usize) -> Self {
        let tokens = window_size * window_size;
        assert_eq!(
            values.len(),
            num_heads * tokens * tokens,
            "the position bias is not {num_heads} x {tokens} x {tokens}"
        );
        let padded = padded_tokens(tokens);
        let mut rows = vec![PADDING; num_heads * tokens * padded];
        for (row, values) in rows
            .chunks_exact_mut(padded)
            .zip(values.chunks_exact(tokens))
        {
            row[..tokens].copy_from_slice(values);
        }
        Self {
            values: rows,
            num_heads,
            window_size,
        }
    }

    /// `[L, L rounded up]`.
    fn head(&self, head: usize) -> &[f32] {
        let length = self.values.len() / self.num_heads;
        &self.values[head * length..][..length]
    }
}

impl WindowAttention {
    fn channels(&self) -> usize {
        self.norm_weight.len()
    }

    fn norm(&self) -> LayerNorm<'_> {
        let (scale, shift) = (&self.norm_weight, &self.norm_bias);
        LayerNorm {
            scale,
            shift,
            epsilon: self.norm_epsilon,
        }
    }

    /// Adds the half-block's branch to `map`, `[N, H, W, C]`, with windows moved by `shift` tokens.
    ///
    /// # Panics
    ///
    /// Panics if the weights do not fit each other or the map, or if `shift` is not below the window's
    /// size.
    pub(crate) fn add_to(&self, map: &mut [f32], size: MapSize, shift: usize) {
        let channels = self.channels();
        self.check();
        assert!(
            shift < self.window_size,
            "a shift of {shift} in windows of {}",
            self.window_size
        );
        assert_eq!(
            map.len(),
            size.pixels() * channels,
            "the map is not {size:?} x {channels}"
        );
        if map.is_empty() {
            return;
        }
        let grid = WindowGrid::new(size, self.window_size, shift);
        let groups = grid.groups(group_tokens(size.pixels(), rayon::current_num_threads()));
        let pixels = SharedPixels::new(map, channels);
        groups.into_par_iter().for_each(|windows| {
            let gathered = grid.gather(windows);
            let heads = Heads::new(self);
            let length = heads.scratch_length() + gathered.tokens.len() * 4 * channels;
            with_scratch(length, |scratch| {
                simd::dispatch(Group {
                    attention: self,
                    gathered,
                    heads,
                    pixels: &pixels,
                    scratch,
                });
            });
        });
    }

    /// The same with the weights of both products rounded to bfloat16.
    ///
    /// # Panics
    ///
    /// Panics if the processor has no products of bfloat16.
    pub(crate) fn into_bf16(self) -> Self {
        Self {
            qkv: self.qkv.into_bf16(),
            projection: self.projection.into_bf16(),
            ..self
        }
    }

    fn check(&self) {
        let channels = self.channels();
        let size = |matrix: &PackedMatrix| [matrix.k(), matrix.n()];
        assert_eq!(
            self.norm_bias.len(),
            channels,
            "the norm's bias has another size"
        );
        assert_eq!(
            size(&self.qkv),
            [channels, 3 * channels],
            "qkv has another size"
        );
        assert_eq!(
            self.qkv_bias.len(),
            3 * channels,
            "qkv's bias has another size"
        );
        assert_eq!(
            size(&self.projection),
            [channels; 2],
            "the projection has another size"
        );
        assert_eq!(
            self.projection_bias.len(),
            channels,
            "the projection's bias has another size"
        );
        assert_eq!(
            [self.position_bias.num_heads, self.position_bias.window_size],
            [self.num_heads, self.window_size],
            "the position bias has other heads or windows"
        );
        assert!(
            channels.is_multiple_of(self.num_heads),
            "{channels} channels do not split into {} heads",
            self.num_heads
        );
        if let Generation::V2 { factors } = &self.generation {
            assert_eq!(factors.len(), self.num_heads, "a factor for each head");
            let keys = &self.qkv_bias[channels..2 * channels];
            assert!(keys.iter().all(|&bias| bias == 0.0), "keys have a bias");
        }
    }
}

impl Bytes for WindowAttention {
    fn bytes(&self) -> usize {
        let factors: &[f32] = match &self.generation {
            Generation::V1 => &[],
            Generation::V2 { factors } => factors,
        };
        let vectors: [&[f32]; 6] = [
            factors,
            &self.norm_weight,
            &self.norm_bias,
            &self.qkv_bias,
            &self.projection_bias,
            &self.position_bias.values,
        ];
        let vectors: usize = vectors.into_iter().map(size_of_val).sum();
        vectors + self.qkv.bytes() + self.projection.bytes()
    }
}

/// Tokens of a group so that every thread gets as many groups as any other.
fn group_tokens(tokens: usize, threads: usize) -> usize {
    let rounds = tokens.div_ceil(threads * MAX_GROUP_TOKENS).max(1);
    tokens.div_ceil(threads * rounds)
}

/// Some windows on one thread.
struct Group<'a> {
    attention: &'a WindowAttention,
    gathered: Gathered,
    heads: Heads<'a>,
    pixels: &'a SharedPixels<'a>,
    scratch: &'a mut [f32],
}

impl WithSimd for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            attention,
            gathered,
            mut heads,
            pixels,
            scratch,
        } = self;
        let channels = attention.channels();
        let tokens = &gathered.tokens;
        let norm = attention.norm();
        let (scratch, rows) = scratch.split_at_mut(heads.scratch_length());
        let (rows, qkv) = rows.split_at_mut(tokens.len() * channels);

        for (token, row) in tokens.iter().zip(rows.chunks_exact_mut(channels)) {
            // SAFETY: a pixel belongs to one window and a window to one group, and within this
            // thread no other reference to the map lives.
            let pixel = unsafe { pixels.pixel(token.pixel) };
            match &attention.generation {
                Generation::V1 => layer_norm_row(simd, pixel, norm, row),
                Generation::V2 { .. } => row.copy_from_slice(pixel),
            }
        }
        product_with_bias(simd, rows, &attention.qkv, &attention.qkv_bias, qkv);
        if let Generation::V2 { factors } = &attention.generation {
            for row in qkv.chunks_exact_mut(3 * channels) {
                to_cosines(simd, row, factors);
            }
        }
        heads.run(simd, &gathered, qkv, rows, scratch);
        let projected = &mut qkv[..tokens.len() * channels];
        let bias = &attention.projection_bias;
        product_with_bias(simd, rows, &attention.projection, bias, projected);
        for (token, row) in tokens.iter().zip(projected.chunks_exact(channels)) {
            // SAFETY: as above.
            let pixel = unsafe { pixels.pixel(token.pixel) };
            match &attention.generation {
                Generation::V1 => add(simd, pixel, row),
                Generation::V2 { .. } => add_layer_norm_row(simd, row, norm, pixel),
            }
        }
    }
}

#[inline(always)]
fn product_with_bias<S: Simd>(
    simd: S,
    rows: &[f32],
    weights: &PackedMatrix,
    bias: &[f32],
    out: &mut [f32],
) {
    let epilogue = Epilogue {
        bias: Some(bias),
        ..Epilogue::default()
    };
    let rows = Rows::dense(rows, weights.k());
    let out = RowsMut::dense(out, weights.n());
    matmul_tile(simd, rows, weights, 0..weights.num_panels(), epilogue, out);
}

#[inline(always)]
fn add<S: Simd>(simd: S, to: &mut [f32], values: &[f32]) {
    for (to, values) in to.chunks_mut(S::F32_LANES).zip(values.chunks(S::F32_LANES)) {
        let sum = simd.add_f32s(load(simd, to), load(simd, values));
        store(simd, to, sum);
    }
}
