//! Attention of any number of queries to any number of keys, head by head.
//!
//! The keys and values of a head are packed as the right-hand sides of two products. Some queries at a
//! time go through the first product, the softmax and the second one, so of the logits, as many as
//! queries times keys, only a few rows exist at any moment, in memory that stays in the second-level
//! cache.
//!
//! Source of the rule: Vaswani et al., *Attention Is All You Need* (2017), section 3.2,
//! <https://arxiv.org/abs/1706.03762>.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{
    gemm::{Epilogue, Residual, matmul_tile},
    packed::PackedMatrix,
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
    softmax::{PADDING, exponentials},
};

/// Most logits that are worked on at a time: with the packed values they fit the second-level cache.
const MAX_LOGITS: usize = 96 * 1024;
/// Most queries that are worked on at a time.
pub(super) const MAX_QUERIES: usize = 112;
/// The product's blocks are this high at most.
const BLOCK: usize = 14;

/// Queries, keys or values of all images: each token is a row, and a row holds the heads side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens<'a> {
    pub(crate) values: &'a [f32],
    /// Distance of neighbouring tokens, in values.
    pub(crate) stride: usize,
    /// Images.
    pub(crate) batch: usize,
    /// Tokens of an image.
    pub(crate) count: usize,
}

impl<'a> Tokens<'a> {
    /// The part of one head, `[count, dim]`.
    pub(super) fn head(&self, image: usize, head: usize, dim: usize) -> Rows<'a> {
        let start = image * self.count * self.stride + head * dim;
        Rows {
            values: &self.values[start..],
            stride: self.stride,
            count: self.count,
        }
    }

    fn holds(&self, channels: usize) -> bool {
        let count = self.batch * self.count;
        count == 0 || (count - 1) * self.stride + channels <= self.values.len()
    }
}

/// What attends to what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention<'a> {
    pub(crate) num_heads: usize,
    /// Of all heads together.
    pub(crate) channels: usize,
    pub(crate) query: Tokens<'a>,
    pub(crate) key: Tokens<'a>,
    pub(crate) value: Tokens<'a>,
    /// What is added to the logits, `[heads, queries, keys]`.
    pub(crate) bias: Option<&'a [f32]>,
}

impl Attention<'_> {
    /// Writes the mean of the values for every query to `out`, `[batch, queries, channels]`.
    ///
    /// # Panics
    ///
    /// Panics if the sizes do not fit each other, or if there is no key.
    pub(crate) fn run(&self, out: &mut [f32]) {
        self.check();
        assert_eq!(out.len(), self.query_values(), "output of another size");
        if out.is_empty() {
            return;
        }
        let (heads, dim) = (self.num_heads, self.dim());
        let pairs = self.pairs().into_par_iter();
        let packed: Vec<Packed> = pairs
            .map(|(image, head)| Packed::new(self, image, head))
            .collect();
        let images = RowsMut::dense(out, self.channels).split_rows(self.query.count);
        let step = queries_at_a_time(self.query.count, self.key.count);
        let mut parts = Vec::new();
        for (image, rows) in images.into_iter().enumerate() {
            for (index, rows) in rows.split_rows(step).into_iter().enumerate() {
                for (head, out) in rows.split_columns(dim).into_iter().enumerate() {
                    parts.push((image, head, index * step, out));
                }
            }
        }
        parts.into_par_iter().for_each(|(image, head, first, out)| {
            let padded = self.key.count.next_multiple_of(16);
            with_scratch(out.count() * padded, |weights| {
                simd::dispatch(Part {
                    queries: self.query.head(image, head, dim).skip(first, out.count()),
                    packed: &packed[image * heads + head],
                    bias: self.bias_rows(head, first, out.count()),
                    weights,
                    out,
                });
            });
        });
    }

    /// The biases of some queries of a head.
    pub(super) fn bias_rows(&self, head: usize, first: usize, count: usize) -> Option<Rows<'_>> {
        let [queries, keys] = [self.query.count, self.key.count];
        let of_head = |bias| &<[f32]>::as_ref(bias)[head * queries * keys..][..queries * keys];
        let rows = self.bias.map(|bias| Rows::dense(of_head(bias), keys));
        rows.map(|rows| rows.skip(first, count))
    }

    /// Each head of each image.
    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        let heads = 0..self.num_heads;
        (0..self.query.batch)
            .flat_map(|image| heads.clone().map(move |head| (image, head)))
            .collect()
    }

    /// Channels of a head.
    pub(super) fn dim(&self) -> usize {
        self.channels / self.num_heads
    }

    /// What is in `query * key` too much.
    pub(super) fn scale(&self) -> f32 {
        (self.dim() as f32).sqrt().recip()
    }

    /// Values of all queries.
    pub(super) fn query_values(&self) -> usize {
        self.query.batch * self.query.count * self.channels
    }

    /// Checks that everything fits together.
    pub(super) fn check(&self) {
        let (num_heads, channels) = (self.num_heads, self.channels);
        assert!(
            num_heads > 0 && channels.is_multiple_of(num_heads),
            "{channels} channels do not split into {num_heads} heads"
        );
        assert!(self.key.count > 0, "there is no key");
        let all = [self.query, self.key, self.value];
        assert!(
            self.key.count == self.value.count
                && all.iter().all(|tokens| tokens.batch == self.query.batch),
            "there are not as many keys as values"
        );
        assert!(
            all.iter().all(|tokens| tokens.holds(channels)),
            "input of another size"
        );
        let logits = num_heads * self.query.count * self.key.count;
        assert!(
            self.bias.is_none_or(|bias| bias.len() == logits),
            "bias of another size"
        );
    }
}

/// How many queries share the packed keys and values while they are in the cache.
pub(super) fn queries_at_a_time(queries: usize, keys: usize) -> usize {
    let most = (MAX_LOGITS / keys).clamp(BLOCK, MAX_QUERIES);
    let parts = queries.div_ceil(most);
    queries.div_ceil(parts).next_multiple_of(BLOCK)
}

/// Keys and values of one head.
struct Packed {
    /// `[dim, keys]`, with the logits' scale.
    keys: PackedMatrix,
    /// `[keys, dim]`.
    values: PackedMatrix,
}

impl Packed {
    fn new(attention: &Attention<'_>, image: usize, head: usize) -> Self {
        let dim = attention.dim();
        let keys = attention.key.head(image, head, dim);
        let values = attention.value.head(image, head, dim);
        Self {
            keys: pack_transposed(keys, dim, attention.scale()),
            values: pack(values, dim, 1.0),
        }
    }
}

/// The first `dim` columns of `rows` times `scale`, as a right-hand side `[rows, dim]`.
pub(super) fn pack(rows: Rows<'_>, dim: usize, scale: f32) -> PackedMatrix {
    let mut matrix = PackedMatrix::zeros(rows.count, dim);
    let width = matrix.panel_width();
    for (index, panel) in matrix.panels_mut(1).into_iter().enumerate() {
        let first = index * width;
        let columns = width.min(dim - first);
        for (row, cells) in panel.chunks_exact_mut(width).enumerate() {
            let row = &rows.values[row * rows.stride + first..][..columns];
            for (cell, value) in cells.iter_mut().zip(row) {
                *cell = value * scale;
            }
        }
    }
    matrix
}

/// The same transposed, `[dim, rows]`.
pub(super) fn pack_transposed(rows: Rows<'_>, dim: usize, scale: f32) -> PackedMatrix {
    let mut matrix = PackedMatrix::zeros(dim, rows.count);
    let width = matrix.panel_width();
    for (index, panel) in matrix.panels_mut(1).into_iter().enumerate() {
        let first = index * width;
        for column in 0..width.min(rows.count - first) {
            let row = &rows.values[(first + column) * rows.stride..][..dim];
            for (cells, value) in panel.chunks_exact_mut(width).zip(row) {
                cells[column] = value * scale;
            }
        }
    }
    matrix
}

/// Some queries of one head.
struct Part<'a> {
    queries: Rows<'a>,
    packed: &'a Packed,
    bias: Option<Rows<'a>>,
    /// `[queries, keys rounded up]`.
    weights: &'a mut [f32],
    out: RowsMut<'a>,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            queries,
            packed: Packed { keys, values },
            bias,
            weights,
            mut out,
        } = self;
        let (count, num_keys, dim) = (queries.count, keys.n(), keys.k());
        let padded = weights.len() / count;
        let epilogue = Epilogue {
            residual: bias.map_or(Residual::None, Residual::Rows),
            ..Epilogue::default()
        };
        let logits = RowsMut::new(weights, padded, count, num_keys);
        matmul_tile(simd, queries, keys, 0..keys.num_panels(), epilogue, logits);
        let whole = num_keys.next_multiple_of(S::F32_LANES);
        let mut sums = [0.0; MAX_QUERIES];
        for (row, sum) in weights.chunks_exact_mut(padded).zip(&mut sums) {
            row[num_keys..whole].fill(PADDING);
            *sum = exponentials(simd, &mut row[..whole]);
        }
        let weights = Rows::dense(weights, padded);
        let panels = 0..values.num_panels();
        // The second product goes through a matrix of its own, as `out` is wanted again below.
        let context = out.reborrow();
        matmul_tile(simd, weights, values, panels, Epilogue::default(), context);
        for (row, sum) in sums[..count].iter().enumerate() {
            let factor = simd.splat_f32s(sum.recip());
            for cells in out.row(row, 0, dim).chunks_mut(S::F32_LANES) {
                let value = simd.mul_f32s(load(simd, cells), factor);
                store(simd, cells, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::test_support::{max_difference, noise};

    /// The rule as it is written.
    fn twin(attention: &Attention<'_>) -> Vec<f32> {
        let dim = attention.channels / attention.num_heads;
        let scale = (dim as f32).sqrt().recip();
        let [queries, keys] = [attention.query.count, attention.key.count];
        let mut out = vec![0.0; attention.query_values()];
        for image in 0..attention.query.batch {
            for head in 0..attention.num_heads {
                let token = |tokens: &Tokens<'_>, index: usize| {
                    let start = (image * tokens.count + index) * tokens.stride + head * dim;
                    tokens.values[start..][..dim].to_vec()
                };
                for query in 0..queries {
                    let row = token(&attention.query, query);
                    let weights: Vec<f32> = (0..keys)
                        .map(|key| {
                            let other = token(&attention.key, key);
                            let dot: f32 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                            let place = (head * queries + query) * keys + key;
                            (dot * scale + attention.bias.map_or(0.0, |bias| bias[place])).exp()
                        })
                        .collect();
                    let sum: f32 = weights.iter().sum();
                    let start = (image * queries + query) * attention.channels + head * dim;
                    for (key, weight) in weights.iter().enumerate() {
                        let value = token(&attention.value, key);
                        for (out, value) in out[start..].iter_mut().zip(value) {
                            *out += weight / sum * value;
                        }
                    }
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            batch in 0..3_usize,
            num_heads in 1..4_usize,
            dim in 1..40_usize,
            queries in 1..150_usize,
            keys in 1..90_usize,
            gap in 0..5_usize,
            biased: bool,
        ) {
            let channels = num_heads * dim;
            let stride = channels + gap;
            let [query, key, value] = [(queries, 1), (keys, 2), (keys, 3)]
                .map(|(count, seed)| noise(batch * count * stride, seed));
            let tokens = |values, count| Tokens { values, stride, batch, count };
            let bias = noise(num_heads * queries * keys, 4);
            let attention = Attention {
                num_heads,
                channels,
                query: tokens(&query[..], queries),
                key: tokens(&key[..], keys),
                value: tokens(&value[..], keys),
                bias: biased.then_some(&bias[..]),
            };
            let expected = twin(&attention);
            let mut out = vec![f32::NAN; expected.len()];
            attention.run(&mut out);
            let difference = max_difference(&out, &expected);
            prop_assert!(difference < 1e-5, "{}", difference);
        }
    }

    /// Large logits of one sign do not overflow.
    #[test]
    fn large_logits_are_no_trouble() {
        let query = [1e4_f32, 1e4];
        let key = [1e4_f32, -1e4, 2e4];
        let value = [1.0_f32, 2.0, 3.0];
        let tokens = |values, count| Tokens {
            values,
            stride: 1,
            batch: 1,
            count,
        };
        let attention = Attention {
            num_heads: 1,
            channels: 1,
            query: tokens(&query[..], 2),
            key: tokens(&key[..], 3),
            value: tokens(&value[..], 3),
            bias: None,
        };
        let mut out = [0.0; 2];
        attention.run(&mut out);
        assert!(max_difference(&out, &[3.0, 3.0]) < 1e-6, "{out:?}");
    }

    #[test]
    #[should_panic(expected = "10 channels do not split into 3 heads")]
    fn refuses_heads_of_unequal_size() {
        let values = [0.0; 10];
        let tokens = Tokens {
            values: &values,
            stride: 10,
            batch: 1,
            count: 1,
        };
        let attention = Attention {
            num_heads: 3,
            channels: 10,
            query: tokens,
            key: tokens,
            value: tokens,
            bias: None,
        };
        attention.run(&mut [0.0; 10]);
    }
}
