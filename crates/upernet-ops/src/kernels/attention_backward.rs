//! Gradients of [`attention`](super::attention).
//!
//! The weights of the values are computed again, some queries at a time, so that no more of them exist
//! than in the forward pass. With `P` the weights, `O` the output and `d` for gradients:
//!
//! ```text
//! dV = P^T dO    dP = dO V^T    dS = P * (dP - sum(P * dP))    dQ = dS K    dK = dS^T Q
//! ```
//!
//! Source: Dao et al., *`FlashAttention`* (2022), appendix B.2, <https://arxiv.org/abs/2205.14135>.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{
    attention::{Attention, MAX_QUERIES, pack, pack_transposed, queries_at_a_time},
    gemm::{Epilogue, matmul_tile},
    packed::{PackedMatrix, panel_width},
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
    softmax::{PADDING, exponentials},
    transposed::{AddTransposedProduct, odd_lines},
};

/// Pieces of work that there are at least, if there are as many queries: not the number of threads,
/// since what the pieces come to is summed, and sums should not depend on the machine.
const MIN_PIECES: usize = 16;

/// Computes the gradients of queries, keys and values, each `[batch, tokens, channels]`, from that of the
/// output, `[batch, queries, channels]`.
///
/// # Panics
///
/// Panics if the sizes do not fit each other, or if there is a bias.
pub(crate) fn attention_backward(
    attention: &Attention<'_>,
    gradient: &[f32],
    [of_query, of_key, of_value]: [&mut [f32]; 3],
) {
    attention.check();
    let (channels, dim, heads) = (attention.channels, attention.dim(), attention.num_heads);
    let keys = attention.key.count;
    assert!(attention.bias.is_none(), "a bias has no gradient here");
    assert_eq!(
        [gradient.len(), of_query.len()],
        [attention.query_values(); 2],
        "gradient of another size"
    );
    let key_values = attention.key.batch * keys * channels;
    assert_eq!(
        [of_key.len(), of_value.len()],
        [key_values; 2],
        "gradient of another size"
    );
    if gradient.is_empty() {
        of_key.fill(0.0);
        of_value.fill(0.0);
        return;
    }
    let pairs = attention.pairs();
    let pieces = MIN_PIECES.div_ceil(pairs.len());
    let rows = attention.query.count.div_ceil(pieces);
    let packed: Vec<Packed> = pairs
        .clone()
        .into_par_iter()
        .map(|(image, head)| Packed::new(attention, image, head))
        .collect();

    let mut work = Vec::new();
    let images = RowsMut::dense(of_query, channels).split_rows(attention.query.count);
    for (image, all_rows) in images.into_iter().enumerate() {
        for (index, out) in all_rows.split_rows(rows).into_iter().enumerate() {
            let queries = index * rows..index * rows + out.count();
            for (head, of_query) in out.split_columns(dim).into_iter().enumerate() {
                work.push((image * heads + head, queries.clone(), of_query));
            }
        }
    }
    let pieces: Vec<(usize, [Vec<f32>; 2])> = work
        .into_par_iter()
        .map(|(pair, queries, of_query)| {
            let (image, head) = pairs[pair];
            let gradient = Rows {
                values: &gradient[image * attention.query.count * channels + head * dim..],
                stride: channels,
                count: attention.query.count,
            };
            let piece = Piece {
                attention,
                packed: &packed[pair],
                all_queries: attention.query.head(image, head, dim),
                gradient,
                queries,
            };
            (pair, piece.run(of_query))
        })
        .collect();

    let of_heads = |values| {
        let images = RowsMut::dense(values, channels).split_rows(keys);
        images.into_iter().flat_map(|rows| rows.split_columns(dim))
    };
    let outputs: Vec<_> = of_heads(of_key)
        .zip(of_heads(of_value))
        .enumerate()
        .collect();
    outputs.into_par_iter().for_each(|(pair, (key, value))| {
        for (which, mut out) in [key, value].into_iter().enumerate() {
            let mut own = pieces.iter().filter(|(of, _)| *of == pair);
            let first = own.next().map(|(_, sums)| &sums[which]);
            let first = first.expect("there is a query");
            for (row, values) in first.chunks_exact(dim).enumerate() {
                out.row(row, 0, dim).copy_from_slice(values);
            }
            for (_, sums) in own {
                for (row, values) in sums[which].chunks_exact(dim).enumerate() {
                    for (sum, value) in out.row(row, 0, dim).iter_mut().zip(values) {
                        *sum += value;
                    }
                }
            }
        }
    });
}

/// Keys and values of one head, for the three products that have them on the right.
struct Packed {
    /// `[dim, keys]`.
    transposed_keys: PackedMatrix,
    /// `[keys, dim]`, with the logits' scale.
    scaled_keys: PackedMatrix,
    /// `[dim, keys]`.
    transposed_values: PackedMatrix,
}

impl Packed {
    fn new(attention: &Attention<'_>, image: usize, head: usize) -> Self {
        let dim = attention.dim();
        let keys = attention.key.head(image, head, dim);
        let values = attention.value.head(image, head, dim);
        Self {
            transposed_keys: pack_transposed(keys, dim, 1.0),
            scaled_keys: pack(keys, dim, attention.scale()),
            transposed_values: pack_transposed(values, dim, 1.0),
        }
    }
}

/// Some queries of one head.
struct Piece<'a> {
    attention: &'a Attention<'a>,
    packed: &'a Packed,
    /// Of the head.
    all_queries: Rows<'a>,
    /// Of the head's output.
    gradient: Rows<'a>,
    queries: Range<usize>,
}

impl Piece<'_> {
    /// Writes the queries' gradients and returns what they add to those of the keys and values, both
    /// `[keys, dim]`.
    fn run(&self, of_query: RowsMut<'_>) -> [Vec<f32>; 2] {
        let (keys, dim) = (self.attention.key.count, self.attention.dim());
        let mut sums = [vec![0.0; keys * dim], vec![0.0; keys * dim]];
        let step = queries_at_a_time(self.queries.len(), keys);
        let strides = [
            odd_lines(keys),
            odd_lines(dim.next_multiple_of(panel_width())),
        ];
        with_scratch(2 * step * (strides[0] + strides[1]), |scratch| {
            for (index, of_query) in of_query.split_rows(step).into_iter().enumerate() {
                let first = self.queries.start + index * step;
                simd::dispatch(Step {
                    packed: self.packed,
                    queries: self.all_queries.skip(first, of_query.count()),
                    gradient: self.gradient.skip(first, of_query.count()),
                    scale: self.attention.scale(),
                    strides,
                    scratch,
                    of_query,
                    sums: &mut sums,
                });
            }
        });
        sums
    }
}

/// As many queries of a piece as are worked on at a time.
struct Step<'a> {
    packed: &'a Packed,
    queries: Rows<'a>,
    gradient: Rows<'a>,
    scale: f32,
    /// Of rows of logits, and of rows of queries.
    strides: [usize; 2],
    scratch: &'a mut [f32],
    of_query: RowsMut<'a>,
    /// Of the keys' and the values' gradients.
    sums: &'a mut [Vec<f32>; 2],
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            packed,
            queries,
            gradient,
            scale,
            strides: [wide, narrow],
            scratch,
            of_query,
            sums: [of_key, of_value],
        } = self;
        let count = queries.count;
        let (dim, keys) = (packed.transposed_keys.k(), packed.transposed_keys.n());
        let (weights, scratch) = scratch.split_at_mut(count * wide);
        let (of_weights, scratch) = scratch.split_at_mut(count * wide);
        let (scaled, copied) = scratch.split_at_mut(count * narrow);
        let queries = copy_rows(queries, dim, scale, scaled, narrow);
        let gradient = copy_rows(gradient, dim, 1.0, &mut copied[..count * narrow], narrow);
        let plain = Epilogue::default();

        let logits = RowsMut::new(weights, wide, count, keys);
        let right = &packed.transposed_keys;
        matmul_tile(simd, queries, right, 0..right.num_panels(), plain, logits);
        let right = &packed.transposed_values;
        let out = RowsMut::new(of_weights, wide, count, keys);
        matmul_tile(simd, gradient, right, 0..right.num_panels(), plain, out);

        let whole = keys.next_multiple_of(S::F32_LANES);
        let rows = weights.chunks_exact_mut(wide);
        let of_rows = of_weights.chunks_exact_mut(wide);
        let mut factors = [0.0; MAX_QUERIES];
        for ((row, of_row), factor) in rows.zip(of_rows).zip(&mut factors) {
            row[keys..whole].fill(PADDING);
            of_row[keys..whole].fill(0.0);
            *factor = exponentials(simd, &mut row[..whole]).recip();
            to_logit_gradients(simd, &mut row[..whole], &mut of_row[..whole], *factor);
        }

        let weights = Rows::dense(weights, wide);
        let of_logits = Rows::dense(of_weights, wide);
        simd.vectorize(AddTransposedProduct {
            a: weights,
            b: gradient,
            out: RowsMut::dense(of_value, dim),
        });
        simd.vectorize(AddTransposedProduct {
            a: of_logits,
            b: queries,
            out: RowsMut::dense(of_key, dim),
        });
        let right = &packed.scaled_keys;
        let panels = 0..right.num_panels();
        matmul_tile(simd, of_logits, right, panels, plain, of_query);
    }
}

/// Turns exponentials into weights, and the weights' gradients into the logits'; whole vectors.
#[inline(always)]
fn to_logit_gradients<S: Simd>(simd: S, weights: &mut [f32], gradients: &mut [f32], factor: f32) {
    let factor = simd.splat_f32s(factor);
    let mut sum = simd.splat_f32s(0.0);
    let lanes = S::F32_LANES;
    for (weights, gradients) in weights.chunks_exact_mut(lanes).zip(gradients.chunks(lanes)) {
        let weight = simd.mul_f32s(load(simd, weights), factor);
        sum = simd.mul_add_e_f32s(weight, load(simd, gradients), sum);
        store(simd, weights, weight);
    }
    let sum = simd.splat_f32s(simd.reduce_sum_f32s(sum));
    for (weights, gradients) in weights.chunks(lanes).zip(gradients.chunks_exact_mut(lanes)) {
        let centred = simd.sub_f32s(load(simd, gradients), sum);
        store(simd, gradients, simd.mul_f32s(load(simd, weights), centred));
    }
}

/// The first `width` columns of `rows` times `scale`, `stride` values apart.
fn copy_rows<'a>(
    rows: Rows<'_>,
    width: usize,
    scale: f32,
    copied: &'a mut [f32],
    stride: usize,
) -> Rows<'a> {
    for (row, cells) in copied.chunks_exact_mut(stride).enumerate() {
        let row = &rows.values[row * rows.stride..][..width];
        for (cell, value) in cells.iter_mut().zip(row) {
            *cell = value * scale;
        }
    }
    Rows::dense(copied, stride)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::{
        attention::Tokens,
        test_support::{max_difference, noise},
    };

    /// The rule as it is written, in `f64`: gradients of queries, keys and values.
    fn twin(attention: &Attention<'_>, gradient: &[f32]) -> [Vec<f32>; 3] {
        let (dim, channels) = (attention.dim(), attention.channels);
        let scale = (dim as f64).sqrt().recip();
        let all = [attention.query, attention.key, attention.value];
        let [queries, keys, _] = all.map(|tokens| tokens.count);
        let mut out = all.map(|tokens| vec![0.0_f64; tokens.batch * tokens.count * channels]);
        for (image, head) in attention.pairs() {
            let at = |which: usize, token: usize, d: usize| {
                let tokens: &Tokens<'_> = &all[which];
                let row = (image * tokens.count + token) * tokens.stride;
                f64::from(tokens.values[row + head * dim + d])
            };
            let place = |count: usize, token: usize, d: usize| {
                (image * count + token) * channels + head * dim + d
            };
            for query in 0..queries {
                let of_out = |d: usize| f64::from(gradient[place(queries, query, d)]);
                let dot = |key: usize| {
                    (0..dim)
                        .map(|d| at(0, query, d) * at(1, key, d))
                        .sum::<f64>()
                };
                let exps: Vec<f64> = (0..keys).map(|key| (dot(key) * scale).exp()).collect();
                let total: f64 = exps.iter().sum();
                let of_weight =
                    |key: usize| (0..dim).map(|d| of_out(d) * at(2, key, d)).sum::<f64>();
                let mean: f64 = (0..keys)
                    .map(|key| exps[key] / total * of_weight(key))
                    .sum();
                for key in 0..keys {
                    let weight = exps[key] / total;
                    let of_logit = weight * (of_weight(key) - mean) * scale;
                    for d in 0..dim {
                        out[0][place(queries, query, d)] += of_logit * at(1, key, d);
                        out[1][place(keys, key, d)] += of_logit * at(0, query, d);
                        out[2][place(keys, key, d)] += weight * of_out(d);
                    }
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared as f32")]
        out.map(|values| values.into_iter().map(|value| value as f32).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_its_twin(
            batch in 0..3_usize,
            num_heads in 1..4_usize,
            dim in 1..40_usize,
            queries in 1..130_usize,
            keys in 1..60_usize,
            gap in 0..5_usize,
        ) {
            let channels = num_heads * dim;
            let stride = channels + gap;
            let [query, key, value] = [(queries, 1), (keys, 2), (keys, 3)]
                .map(|(count, seed)| noise(batch * count * stride, seed));
            let tokens = |values, count| Tokens { values, stride, batch, count };
            let attention = Attention {
                num_heads,
                channels,
                query: tokens(&query[..], queries),
                key: tokens(&key[..], keys),
                value: tokens(&value[..], keys),
                bias: None,
            };
            let gradient = noise(attention.query_values(), 4);
            let expected = twin(&attention, &gradient);
            let mut actual = expected.each_ref().map(|values| vec![f32::NAN; values.len()]);
            attention_backward(&attention, &gradient, actual.each_mut().map(|values| &mut values[..]));
            for (actual, expected) in actual.iter().zip(&expected) {
                let largest = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
                let difference = max_difference(actual, expected) / largest;
                prop_assert!(difference < 1e-5, "{}", difference);
            }
        }
    }
}
