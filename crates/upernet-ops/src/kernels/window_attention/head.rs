//! Attention among the tokens of one window, head by head.

use super::{
    WindowAttention,
    product::{add_product, even_parts},
    windows::{Gathered, Token, WindowGrid},
};
use crate::kernels::{
    rows::{Rows, RowsMut},
    simd::{Simd, load, store},
    softmax::exponentials,
};

/// Regions that one window may hold.
const REGIONS: usize = 4;

/// Most queries of a tile.
const MAX_QUERIES: usize = 6;

/// `L` rounded up to whole vectors of every instruction set.
pub(super) fn padded_tokens(tokens: usize) -> usize {
    tokens.next_multiple_of(16)
}

/// The heads of an attention, at work on one window after another.
pub(super) struct Heads<'a> {
    attention: &'a WindowAttention,
    head_dim: usize,
    /// Tokens of a window.
    tokens: usize,
    /// The same, rounded up.
    padded_tokens: usize,
    /// For each slot of the window: the row that holds it, none for padding.
    rows: Vec<Option<usize>>,
}

/// Working memory for one head.
struct Scratch<'a> {
    /// `[d, L rounded up]`, zeros past `L`.
    keys: &'a mut [f32],
    /// `[L, d rounded up]`, zeros past `d`.
    values: &'a mut [f32],
    /// Logits, then weights: `[queries, L rounded up]`.
    weights: &'a mut [f32],
    /// `[regions, L rounded up]`.
    mask: &'a mut [f32],
}

/// The window that is worked on.
struct Window<'a> {
    /// Its tokens; token `i` is row `first + i` of `qkv`.
    tokens: &'a [Token],
    first: usize,
    /// `[tokens of all windows, 3C]`.
    qkv: &'a [f32],
    masked: bool,
}

impl<'a> Heads<'a> {
    pub(super) fn new(attention: &'a WindowAttention) -> Self {
        let tokens = attention.window_size * attention.window_size;
        Self {
            attention,
            head_dim: attention.channels() / attention.num_heads,
            tokens,
            padded_tokens: padded_tokens(tokens),
            rows: Vec::new(),
        }
    }

    /// Values that [`Heads::run`] needs to work with.
    pub(super) fn scratch_length(&self) -> usize {
        self.lengths().iter().sum()
    }

    fn lengths(&self) -> [usize; 4] {
        [
            self.head_dim * self.padded_tokens,
            self.tokens * self.padded_head_dim(),
            MAX_QUERIES * self.padded_tokens,
            REGIONS * self.padded_tokens,
        ]
    }

    /// `d` rounded up to whole vectors of every instruction set.
    fn padded_head_dim(&self) -> usize {
        self.head_dim.next_multiple_of(16)
    }

    /// Attends within each window of `group`, whose tokens are the rows of `qkv`, `[tokens, 3C]`, and
    /// puts what it finds into `context`, `[tokens, C]`.
    #[inline(always)]
    pub(super) fn run<S: Simd>(
        &mut self,
        simd: S,
        group: &Gathered,
        qkv: &[f32],
        context: &mut [f32],
        scratch: &mut [f32],
    ) {
        let [keys, values, weights, mask] = self.lengths();
        let (keys, scratch) = scratch.split_at_mut(keys);
        let (values, scratch) = scratch.split_at_mut(values);
        let (weights, mask) = scratch[..weights + mask].split_at_mut(weights);
        keys.fill(0.0);
        values.fill(0.0);
        let mut scratch = Scratch {
            keys,
            values,
            weights,
            mask,
        };
        let channels = self.attention.channels();
        let mut context = RowsMut::dense(context, channels);
        let mut first = 0;
        for window in group.windows.clone() {
            let count = group.grid.num_tokens(window);
            let tokens = &group.tokens[first..][..count];
            let masked = self.mask(group.grid, window, scratch.mask);
            self.rows.clear();
            self.rows.resize(self.tokens, None);
            for (row, token) in tokens.iter().enumerate() {
                self.rows[token.slot] = Some(first + row);
            }
            let window = Window {
                tokens,
                first,
                qkv,
                masked,
            };
            for head in 0..self.attention.num_heads {
                self.gather(&window, head, &mut scratch);
                self.attend(simd, &window, head, &mut scratch, &mut context);
            }
            first += count;
        }
    }

    /// Fills the mask's rows for a window that needs them, and tells whether it does.
    fn mask(&self, grid: WindowGrid, window: usize, mask: &mut [f32]) -> bool {
        let Some(region) = grid.regions(window) else {
            return false;
        };
        let masked = self.attention.generation.masked();
        for (query, row) in mask.chunks_exact_mut(self.padded_tokens).enumerate() {
            for (key, cell) in row[..self.tokens].iter_mut().enumerate() {
                *cell = if region(key) == query { 0.0 } else { masked };
            }
            row[self.tokens..].fill(0.0);
        }
        true
    }

    /// Brings the keys and values of a head together; padding's are the biases.
    #[inline(always)]
    fn gather(&self, window: &Window<'_>, head: usize, scratch: &mut Scratch<'_>) {
        let channels = self.attention.channels();
        let dim = self.head_dim;
        let keys_start = channels + head * dim;
        let values_start = keys_start + channels;
        let values = scratch.values.chunks_exact_mut(self.padded_head_dim());
        for (slot, (row, value)) in self.rows.iter().zip(values).enumerate() {
            let row = match row {
                Some(row) => &window.qkv[row * 3 * channels..][..3 * channels],
                None => &self.attention.qkv_bias,
            };
            value[..dim].copy_from_slice(&row[values_start..][..dim]);
            let keys = scratch.keys.chunks_exact_mut(self.padded_tokens);
            for (&key, cells) in row[keys_start..][..dim].iter().zip(keys) {
                cells[slot] = key;
            }
        }
    }

    #[inline(always)]
    fn attend<S: Simd>(
        &self,
        simd: S,
        window: &Window<'_>,
        head: usize,
        scratch: &mut Scratch<'_>,
        context: &mut RowsMut<'_>,
    ) {
        let most = if S::REGISTER_COUNT >= 32 {
            MAX_QUERIES
        } else {
            4
        };
        for queries in even_parts(window.tokens.len(), most) {
            let first = queries.start;
            match queries.len() {
                1 => self.tile::<S, 1>(simd, window, head, first, scratch, context),
                2 => self.tile::<S, 2>(simd, window, head, first, scratch, context),
                3 => self.tile::<S, 3>(simd, window, head, first, scratch, context),
                4 => self.tile::<S, 4>(simd, window, head, first, scratch, context),
                5 => self.tile::<S, 5>(simd, window, head, first, scratch, context),
                _ => self.tile::<S, 6>(simd, window, head, first, scratch, context),
            }
        }
    }

    /// `Q` queries of a head from token `first` on: logits, softmax, mean of the values.
    #[inline(always)]
    fn tile<S: Simd, const Q: usize>(
        &self,
        simd: S,
        window: &Window<'_>,
        head: usize,
        first: usize,
        scratch: &mut Scratch<'_>,
        context: &mut RowsMut<'_>,
    ) {
        let most = if S::REGISTER_COUNT >= 32 { 4 } else { 3 };
        let tile = Tile::<Q> {
            heads: self,
            window,
            head,
            first,
        };
        let vectors = self.tokens.div_ceil(S::F32_LANES);
        for part in even_parts(vectors, most) {
            match part.len() {
                1 => tile.logits::<S, 1>(simd, part.start, scratch),
                2 => tile.logits::<S, 2>(simd, part.start, scratch),
                3 => tile.logits::<S, 3>(simd, part.start, scratch),
                _ => tile.logits::<S, 4>(simd, part.start, scratch),
            }
        }
        let mut scales = [0.0; Q];
        let rows = scratch.weights.chunks_exact_mut(self.padded_tokens);
        for (row, scale) in rows.zip(&mut scales) {
            *scale = 1.0 / exponentials(simd, &mut row[..vectors * S::F32_LANES]);
        }
        for part in even_parts(self.head_dim.div_ceil(S::F32_LANES), most) {
            match part.len() {
                1 => tile.context::<S, 1>(simd, part.start, scratch, scales, context),
                2 => tile.context::<S, 2>(simd, part.start, scratch, scales, context),
                3 => tile.context::<S, 3>(simd, part.start, scratch, scales, context),
                _ => tile.context::<S, 4>(simd, part.start, scratch, scales, context),
            }
        }
    }
}

/// `Q` queries of one head.
struct Tile<'a, const Q: usize> {
    heads: &'a Heads<'a>,
    window: &'a Window<'a>,
    head: usize,
    first: usize,
}

impl<const Q: usize> Tile<'_, Q> {
    /// Queries times `V` vectors of keys, with position bias and mask.
    #[inline(always)]
    fn logits<S: Simd, const V: usize>(&self, simd: S, vector: usize, scratch: &mut Scratch<'_>) {
        let Self {
            heads,
            window,
            head,
            first,
        } = self;
        let padded = heads.padded_tokens;
        let column = vector * S::F32_LANES;
        let bias = heads.attention.position_bias.head(*head);
        let mut sums = [[simd.splat_f32s(0.0); V]; Q];
        for (sums, token) in sums.iter_mut().zip(&window.tokens[*first..]) {
            let bias = &bias[token.slot * padded + column..];
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = load(simd, &bias[v * S::F32_LANES..]);
            }
            if window.masked {
                let mask = &scratch.mask[token.region * padded + column..];
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.add_f32s(*sum, load(simd, &mask[v * S::F32_LANES..]));
                }
            }
        }
        let stride = 3 * heads.attention.channels();
        let start = window.first * stride + head * heads.head_dim;
        let queries = Rows {
            values: &window.qkv[start..],
            stride,
            count: window.tokens.len(),
        };
        let keys = Rows::dense(scratch.keys, padded);
        let sums = add_product(simd, (queries, *first), (keys, column), sums);
        for (sums, row) in sums
            .into_iter()
            .zip(scratch.weights.chunks_exact_mut(padded))
        {
            for (v, sum) in sums.into_iter().enumerate() {
                store(simd, &mut row[column + v * S::F32_LANES..], sum);
            }
        }
    }

    /// Weights times `V` vectors of values.
    #[inline(always)]
    fn context<S: Simd, const V: usize>(
        &self,
        simd: S,
        vector: usize,
        scratch: &Scratch<'_>,
        scales: [f32; Q],
        context: &mut RowsMut<'_>,
    ) {
        let Self {
            heads,
            window,
            head,
            first,
        } = self;
        let column = vector * S::F32_LANES;
        let weights = Rows::dense(scratch.weights, heads.padded_tokens);
        let values = Rows::dense(scratch.values, heads.padded_head_dim());
        let sums = [[simd.splat_f32s(0.0); V]; Q];
        let sums = add_product(simd, (weights, 0), (values, column), sums);
        for (q, (sums, scale)) in sums.into_iter().zip(scales).enumerate() {
            let scale = simd.splat_f32s(scale);
            for (v, sum) in sums.into_iter().enumerate() {
                let start = column + v * S::F32_LANES;
                let length = S::F32_LANES.min(heads.head_dim - start);
                let row = window.first + first + q;
                let out = context.row(row, head * heads.head_dim + start, length);
                store(simd, out, simd.mul_f32s(sum, scale));
            }
        }
    }
}
