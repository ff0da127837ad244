//! The attention half of a Swin V2 block: attention by cosines in (shifted) windows, norm, residual.
//!
//! Source: Liu et al., *Swin Transformer V2: Scaling Up Capacity and Resolution* (2022), sections 3.2 and
//! 3.3, <https://arxiv.org/abs/2111.09883>. Upstream: `Swinv2Layer`, `Swinv2SelfAttention`.

use burn::tensor::{Tensor, activation::softmax};

use crate::{
    LayerNormWeights, Precision,
    bytes::Bytes,
    flex,
    form::Form,
    kernels::{
        packed::PackedMatrix,
        window_attention::{Generation, PositionBias, WindowAttention},
    },
    layer_norm,
    layer_norm::PackedNorm,
    window::in_windows,
    window_attention::{ShiftedWindows, add_bias, add_mask},
};

/// Least squared length that a query or a key is divided by: torch's `normalize` has 1e-12 for the
/// length. Under the root, so that the gradient of a vector of zeros is a number.
const LEAST_SQUARE: f64 = 1e-24;

/// Weights and geometry of a [`cosine_window_attention`].
#[derive(Clone, Debug)]
pub struct CosineWindowAttentionWeights {
    /// Queries, keys and values side by side, `[C, 3 * C]`; in each, the heads side by side.
    pub qkv: Tensor<2>,
    /// Biases of queries and of values, `[C]` each. Keys have none.
    pub query_value_bias: Option<[Tensor<1>; 2]>,
    /// What the cosines of each head are multiplied by, `[heads]`.
    pub factors: Tensor<1>,
    /// What is added to the logit of a query (second axis) and a key (third axis) of a window,
    /// `[heads, w * w, w * w]`.
    pub position_bias: Tensor<3>,
    /// `[C, C]`.
    pub projection: Tensor<2>,
    /// `[C]`.
    pub projection_bias: Tensor<1>,
    /// The norm after the projection.
    pub norm: LayerNormWeights,
    /// Side of a window in cells.
    pub window_size: usize,
    /// Cells by which the windows are shifted to the right and down; 0 for windows that start at the
    /// border.
    pub shift: usize,
}

impl CosineWindowAttentionWeights {
    /// Queries', keys' and values' bias side by side, `[3 * C]`.
    fn qkv_bias(&self) -> Option<Tensor<1>> {
        let [query, value] = self.query_value_bias.clone()?;
        let key = query.zeros_like();
        Some(Tensor::cat(vec![query, key, value], 0))
    }
}

impl Bytes for CosineWindowAttentionWeights {
    fn bytes(&self) -> usize {
        let biases = self.query_value_bias.iter().flatten();
        let biases: usize = biases.map(Bytes::bytes).sum();
        let matrices = self.qkv.bytes() + self.projection.bytes();
        let logits = self.factors.bytes() + self.position_bias.bytes();
        self.norm.bytes() + biases + matrices + logits + self.projection_bias.bytes()
    }
}

/// Computes `x + norm(project(attend(x)))`, where each cell attends to those of its window by the
/// cosines of queries and keys.
///
/// The map is filled up with zeros to whole windows; those cells take part as keys. The windows of a
/// shifted map wrap around the border, and a cell does not attend across it.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
#[must_use]
pub fn cosine_window_attention(x: Tensor<4>, weights: &CosineWindowAttentionWeights) -> Tensor<4> {
    let cells = x.clone().permute([0, 2, 3, 1]); // [N, H, W, C]
    let attended = in_windows(
        cells,
        weights.window_size,
        weights.shift,
        |windows, mask| attend(windows, weights, mask),
    );
    x + layer_norm(attended.permute([0, 3, 1, 2]), &weights.norm) // [N, C, H, W]
}

/// Attends within each of `[N * num_windows, w * w, C]`; `mask` is `[num_windows, w * w, w * w]`.
fn attend(
    windows: Tensor<3>,
    weights: &CosineWindowAttentionWeights,
    mask: Option<Tensor<3>>,
) -> Tensor<3> {
    let [num_windows, tokens, channels] = windows.dims();
    let [num_heads] = weights.factors.dims();
    let head_dim = channels / num_heads;
    let qkv = windows.matmul(weights.qkv.clone().unsqueeze());
    let qkv = add_bias(qkv, weights.qkv_bias().as_ref());
    let head = |index: usize| {
        qkv.clone()
            .narrow(2, index * channels, channels)
            .reshape([num_windows, tokens, num_heads, head_dim])
            .swap_dims(1, 2) // [B, heads, L, d]
    };
    let factors = weights.factors.clone().reshape([1, num_heads, 1, 1]);
    let logits = cosines(head(0), head(1)) * factors;
    let logits = add_position_bias(logits, weights.position_bias.clone(), mask);
    let context = softmax(logits, 3)
        .matmul(head(2))
        .swap_dims(1, 2) // [B, L, heads, d]
        .reshape([num_windows, tokens, channels]);
    let projected = context.matmul(weights.projection.clone().unsqueeze());
    add_bias(projected, Some(&weights.projection_bias))
}

/// The cosine of every query and key; 0 where one of them is.
///
/// # Shapes
///
/// - `queries`, `keys`: `[B, heads, L, d]`
/// - output: `[B, heads, L, L]`
#[must_use]
pub fn cosines(queries: Tensor<4>, keys: Tensor<4>) -> Tensor<4> {
    unit(queries).matmul(unit(keys).swap_dims(2, 3))
}

/// Brings the vectors along the last axis to length 1.
fn unit(x: Tensor<4>) -> Tensor<4> {
    let squares = x.clone().square().sum_dim(3);
    x / squares.clamp_min(LEAST_SQUARE).sqrt()
}

/// Adds the position bias, `[heads, L, L]`, and the mask of shifted windows, `[num_windows, L, L]`, to
/// logits, `[N * num_windows, heads, L, L]`.
///
/// The mask counts twice, as upstream adds it twice; beside cosines times 100 that is no matter of
/// taste.
#[must_use]
pub fn add_position_bias(
    logits: Tensor<4>,
    position_bias: Tensor<3>,
    mask: Option<Tensor<3>>,
) -> Tensor<4> {
    let logits = logits + position_bias.unsqueeze::<4>();
    match mask {
        Some(mask) => add_mask(logits, mask * 2.0),
        None => logits,
    }
}

/// A [`cosine_window_attention`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedCosineWindowAttention {
    form: Form<ShiftedWindows, CosineWindowAttentionWeights>,
}

impl PreparedCosineWindowAttention {
    /// Lays out the weights.
    #[must_use]
    pub fn new(weights: CosineWindowAttentionWeights, precision: Precision) -> Self {
        let device = weights.qkv.device();
        let form = Form::new(weights, &device, |weights| ShiftedWindows {
            shift: weights.shift,
            attention: pack(weights, precision),
        });
        Self { form }
    }

    /// Computes `x + norm(project(attend(x)))`.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[N, C, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Kernel(windows) => windows.forward(x),
            Form::Plain(weights) => cosine_window_attention(x, weights),
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.form.bytes()
    }
}

/// The weights as the kernel reads them.
fn pack(weights: CosineWindowAttentionWeights, precision: Precision) -> WindowAttention {
    let [channels, _] = weights.projection.dims();
    let [num_heads] = weights.factors.dims();
    let window_size = weights.window_size;
    let qkv_bias = match weights.qkv_bias() {
        Some(bias) => flex::values(bias),
        None => vec![0.0; 3 * channels],
    };
    let matrix = |weights: Tensor<2>| {
        let [rows, columns] = weights.dims();
        let values = flex::values(weights);
        PackedMatrix::from_fn(rows, columns, |row, column| values[row * columns + column])
    };
    let norm = PackedNorm::new(weights.norm);
    let position_bias = flex::values(weights.position_bias);
    let attention = WindowAttention {
        window_size,
        num_heads,
        generation: Generation::V2 {
            factors: flex::values(weights.factors),
        },
        norm_weight: norm.scale,
        norm_bias: norm.shift,
        norm_epsilon: norm.epsilon,
        qkv: matrix(weights.qkv),
        qkv_bias,
        projection: matrix(weights.projection),
        projection_bias: flex::values(weights.projection_bias),
        position_bias: PositionBias::new(&position_bias, num_heads, window_size),
    };
    if precision.rounds() {
        attention.into_bf16()
    } else {
        attention
    }
}
