//! Gradients of [`attention`](super::attention).
//!
//! The weights of the values are computed again, some queries at a time, so that no more of them exist
//! than in the forward pass. With `P` the weights, `O` the output and `d` for gradients:
//!
//! ```text
//! dV = P^T dO    dP = dO V^T    dS = P * (dP - sum(P * dP))    dQ = dS K    dK = dS^T Q    db = dS
//! ```
//!
//! Source: Dao et al., *`FlashAttention`* (2022), appendix B.2, <https://arxiv.org/abs/2205.14135>.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{
    attention::{Attention, MAX_QUERIES, pack, pack_transposed, queries_at_a_time},
    gemm::{Epilogue, Residual, matmul_tile},
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

/// Where the gradients go.
#[derive(Debug)]
pub(crate) struct AttentionGradients<'a> {
    /// `[batch, queries, channels]`.
    pub(crate) query: &'a mut [f32],
    /// `[batch, keys, channels]`.
    pub(crate) key: &'a mut [f32],
    /// `[batch, keys, channels]`.
    pub(crate) value: &'a mut [f32],
    /// `[heads, queries, keys]`, if there is a bias.
    pub(crate) bias: Option<&'a mut [f32]>,
}

/// Computes all gradients from that of the output, `[batch, queries, channels]`.
///
/// # Panics
///
/// Panics if the sizes do not fit each other, or if there is a bias here and none there.
pub(crate) fn attention_backward(
    attention: &Attention<'_>,
    gradient: &[f32],
    to: AttentionGradients<'_>,
) {
    attention.check();
    let [queries, keys] = [attention.query, attention.key].map(|x| x.count * attention.channels);
    let batch = attention.query.batch;
    assert_eq!(
        [gradient.len(), to.query.len()],
        [batch * queries; 2],
        "gradient of another size"
    );
    assert_eq!(
        [to.key.len(), to.value.len()],
        [batch * keys; 2],
        "gradient of another size"
    );
    assert_eq!(
        to.bias.as_ref().map(|bias| bias.len()),
        attention.bias.map(<[f32]>::len),
        "gradient of another size"
    );
    let AttentionGradients {
        query: of_query,
        key: of_key,
        value: of_value,
        bias: mut of_bias,
    } = to;
    if let Some(of_bias) = &mut of_bias {
        of_bias.fill(0.0);
    }
    if queries == 0 {
        of_key.fill(0.0);
        of_value.fill(0.0);
        return;
    }
    // One image after the other, since all add to the bias' gradient.
    for image in 0..batch {
        of_image(
            attention,
            image,
            &gradient[image * queries..][..queries],
            AttentionGradients {
                query: &mut of_query[image * queries..][..queries],
                key: &mut of_key[image * keys..][..keys],
                value: &mut of_value[image * keys..][..keys],
                bias: of_bias.as_deref_mut(),
            },
        );
    }
}

/// The gradients of one image; that of the bias is added to.
fn of_image(attention: &Attention<'_>, image: usize, gradient: &[f32], to: AttentionGradients<'_>) {
    let (channels, dim, heads) = (attention.channels, attention.dim(), attention.num_heads);
    let (queries, keys) = (attention.query.count, attention.key.count);
    let packed: Vec<Packed> = (0..heads)
        .into_par_iter()
        .map(|head| Packed::new(attention, image, head))
        .collect();
    let rows = queries.div_ceil(MIN_PIECES.div_ceil(heads));
    let mut of_biases: Vec<Option<RowsMut<'_>>> = match to.bias {
        Some(bias) => {
            let heads = RowsMut::dense(bias, keys).split_rows(queries).into_iter();
            heads
                .flat_map(|head| head.split_rows(rows))
                .map(Some)
                .collect()
        }
        None => Vec::new(),
    };
    let of_queries = RowsMut::dense(to.query, channels).split_columns(dim);
    let mut work = Vec::new();
    for (head, of_query) in of_queries.into_iter().enumerate() {
        for (index, of_query) in of_query.split_rows(rows).into_iter().enumerate() {
            let first = index * rows;
            let pieces_of_head = queries.div_ceil(rows);
            let of_bias = of_biases
                .get_mut(head * pieces_of_head + index)
                .and_then(Option::take);
            let piece = Piece {
                attention,
                packed: &packed[head],
                head,
                queries: attention.query.head(image, head, dim),
                gradient: Rows {
                    values: &gradient[head * dim..],
                    stride: channels,
                    count: queries,
                },
                range: first..first + of_query.count(),
            };
            work.push((piece, of_query, of_bias));
        }
    }
    let pieces: Vec<(usize, [Vec<f32>; 2])> = work
        .into_par_iter()
        .map(|(piece, of_query, of_bias)| (piece.head, piece.run(of_query, of_bias)))
        .collect();

    let of_heads = |values| RowsMut::dense(values, channels).split_columns(dim);
    let outputs: Vec<_> = of_heads(to.key)
        .into_iter()
        .zip(of_heads(to.value))
        .enumerate()
        .collect();
    outputs.into_par_iter().for_each(|(head, (key, value))| {
        for (which, mut out) in [key, value].into_iter().enumerate() {
            let mut own = pieces.iter().filter(|(of, _)| *of == head);
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
    head: usize,
    /// All of the head.
    queries: Rows<'a>,
    /// Of the head's output.
    gradient: Rows<'a>,
    /// Which of the queries.
    range: Range<usize>,
}

impl Piece<'_> {
    /// Writes the queries' gradients and returns what they add to those of the keys and values, both
    /// `[keys, dim]`.
    fn run(&self, of_query: RowsMut<'_>, of_bias: Option<RowsMut<'_>>) -> [Vec<f32>; 2] {
        let (keys, dim) = (self.attention.key.count, self.attention.dim());
        let mut sums = [vec![0.0; keys * dim], vec![0.0; keys * dim]];
        let step = queries_at_a_time(self.range.len(), keys);
        let mut of_biases = of_bias.map(|bias| bias.split_rows(step).into_iter());
        let strides = [
            odd_lines(keys),
            odd_lines(dim.next_multiple_of(panel_width())),
        ];
        with_scratch(2 * step * (strides[0] + strides[1]), |scratch| {
            for (index, of_query) in of_query.split_rows(step).into_iter().enumerate() {
                let first = self.range.start + index * step;
                simd::dispatch(Step {
                    packed: self.packed,
                    queries: self.queries.skip(first, of_query.count()),
                    bias: self.attention.bias_rows(self.head, first, of_query.count()),
                    of_bias: of_biases.as_mut().and_then(Iterator::next),
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
    bias: Option<Rows<'a>>,
    of_bias: Option<RowsMut<'a>>,
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
            bias,
            of_bias,
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
        let epilogue = Epilogue {
            residual: bias.map_or(Residual::None, Residual::Rows),
            ..plain
        };
        matmul_tile(
            simd,
            queries,
            right,
            0..right.num_panels(),
            epilogue,
            logits,
        );
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

        if let Some(mut of_bias) = of_bias {
            for (row, values) in of_weights.chunks_exact(wide).enumerate() {
                add(simd, of_bias.row(row, 0, keys), &values[..keys]);
            }
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

#[inline(always)]
fn add<S: Simd>(simd: S, to: &mut [f32], values: &[f32]) {
    for (to, values) in to.chunks_mut(S::F32_LANES).zip(values.chunks(S::F32_LANES)) {
        let sum = simd.add_f32s(load(simd, to), load(simd, values));
        store(simd, to, sum);
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

    /// The rule as it is written, in `f64`: gradients of queries, keys, values and bias.
    fn twin(attention: &Attention<'_>, gradient: &[f32]) -> [Vec<f32>; 4] {
        let (dim, channels) = (attention.dim(), attention.channels);
        let scale = (dim as f64).sqrt().recip();
        let all = [attention.query, attention.key, attention.value];
        let [queries, keys, _] = all.map(|tokens| tokens.count);
        let mut out = all.map(|tokens| vec![0.0_f64; tokens.batch * tokens.count * channels]);
        let mut of_bias = vec![0.0_f64; attention.num_heads * queries * keys];
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
                let cell = |key: usize| (head * queries + query) * keys + key;
                let bias = |key: usize| {
                    attention
                        .bias
                        .map_or(0.0, |bias| f64::from(bias[cell(key)]))
                };
                let exps: Vec<f64> = (0..keys)
                    .map(|key| (dot(key) * scale + bias(key)).exp())
                    .collect();
                let total: f64 = exps.iter().sum();
                let of_weight =
                    |key: usize| (0..dim).map(|d| of_out(d) * at(2, key, d)).sum::<f64>();
                let mean: f64 = (0..keys)
                    .map(|key| exps[key] / total * of_weight(key))
                    .sum();
                for key in 0..keys {
                    let weight = exps[key] / total;
                    let of_logit = weight * (of_weight(key) - mean);
                    of_bias[cell(key)] += of_logit;
                    let of_logit = of_logit * scale;
                    for d in 0..dim {
                        out[0][place(queries, query, d)] += of_logit * at(1, key, d);
                        out[1][place(keys, key, d)] += of_logit * at(0, query, d);
                        out[2][place(keys, key, d)] += weight * of_out(d);
                    }
                }
            }
        }
        let [query, key, value] = out;
        #[expect(clippy::cast_possible_truncation, reason = "compared as f32")]
        [query, key, value, of_bias]
            .map(|values| values.into_iter().map(|value| value as f32).collect())
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
            biased: bool,
        ) {
            let channels = num_heads * dim;
            let stride = channels + gap;
            let [query, key, value] = [(queries, 1), (keys, 2), (keys, 3)]
                .map(|(count, seed)| noise(batch * count * stride, seed));
            let tokens = |values, count| Tokens { values, stride, batch, count };
            let bias = noise(num_heads * queries * keys, 5);
            let attention = Attention {
                num_heads,
                channels,
                query: tokens(&query[..], queries),
                key: tokens(&key[..], keys),
                value: tokens(&value[..], keys),
                bias: biased.then_some(&bias[..]),
            };
            let gradient = noise(attention.query_values(), 4);
            let expected = twin(&attention, &gradient);
            let mut actual = expected.each_ref().map(|values| vec![f32::NAN; values.len()]);
            let [query, key, value, bias] = actual.each_mut().map(|values| &mut values[..]);
            let to = AttentionGradients {
                query,
                key,
                value,
                bias: biased.then_some(bias),
            };
            attention_backward(&attention, &gradient, to);
            let count = if biased { 4 } else { 3 };
            for (actual, expected) in actual.iter().zip(&expected).take(count) {
                let largest = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
                let difference = max_difference(actual, expected) / largest;
                prop_assert!(difference < 1e-5, "{}", difference);
            }
        }
    }
}
