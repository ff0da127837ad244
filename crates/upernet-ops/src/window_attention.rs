//! The attention half of a Swin block: norm, attention in (shifted) windows, residual.
//!
//! Source: Liu et al., *Swin Transformer* (2021), section 3.2, <https://arxiv.org/abs/2103.14030>.

use burn::tensor::{Tensor, activation::softmax};

use crate::{
    LayerNormWeights, Precision,
    bytes::Bytes,
    flex::{self, Map},
    form::Form,
    kernels::{
        packed::PackedMatrix,
        window_attention::{Generation, PositionBias, WindowAttention},
    },
    layer_norm,
    layer_norm::PackedNorm,
    window::in_windows,
};

/// Weights and geometry of a [`window_attention`].
#[derive(Clone, Debug)]
pub struct WindowAttentionWeights {
    /// The norm before attention.
    pub norm: LayerNormWeights,
    /// Queries, keys and values side by side, `[C, 3 * C]`; in each, the heads side by side.
    pub qkv: Tensor<2>,
    /// `[3 * C]`.
    pub qkv_bias: Option<Tensor<1>>,
    /// What is added to the logit of a query (second axis) and a key (third axis) of a window,
    /// `[heads, w * w, w * w]`.
    pub position_bias: Tensor<3>,
    /// `[C, C]`.
    pub projection: Tensor<2>,
    /// `[C]`.
    pub projection_bias: Tensor<1>,
    /// Side of a window in cells.
    pub window_size: usize,
    /// Cells by which the windows are shifted to the right and down; 0 for windows that start at the
    /// border.
    pub shift: usize,
}

/// Computes `x + project(attend(norm(x)))`, where each cell attends to those of its window.
///
/// The normalised map is filled up with zeros to whole windows; those cells take part as keys. The
/// windows of a shifted map wrap around the border, and a cell does not attend across it.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
#[must_use]
pub fn window_attention(x: Tensor<4>, weights: &WindowAttentionWeights) -> Tensor<4> {
    let normal = layer_norm(x.clone(), &weights.norm).permute([0, 2, 3, 1]); // [N, H, W, C]
    let attended = in_windows(
        normal,
        weights.window_size,
        weights.shift,
        |windows, mask| attend(windows, weights, mask),
    );
    x + attended.permute([0, 3, 1, 2]) // [N, C, H, W]
}

/// Attends within each of `[N * num_windows, w * w, C]`; `mask` is `[num_windows, w * w, w * w]`.
fn attend(
    windows: Tensor<3>,
    weights: &WindowAttentionWeights,
    mask: Option<Tensor<3>>,
) -> Tensor<3> {
    let [num_windows, tokens, channels] = windows.dims();
    let [num_heads, ..] = weights.position_bias.dims();
    let head_dim = channels / num_heads;
    let qkv = add_bias(
        windows.matmul(weights.qkv.clone().unsqueeze()),
        weights.qkv_bias.as_ref(),
    );
    let head = |index: usize| {
        qkv.clone()
            .narrow(2, index * channels, channels)
            .reshape([num_windows, tokens, num_heads, head_dim])
            .swap_dims(1, 2) // [B, heads, L, d]
    };
    let scale = (head_dim as f64).powf(-0.5);
    let logits = (head(0) * scale).matmul(head(1).swap_dims(2, 3));
    let logits = logits + weights.position_bias.clone().unsqueeze::<4>();
    let logits = match mask {
        Some(mask) => add_mask(logits, mask),
        None => logits,
    };
    let context = softmax(logits, 3)
        .matmul(head(2))
        .swap_dims(1, 2) // [B, L, heads, d]
        .reshape([num_windows, tokens, channels]);
    let projected = context.matmul(weights.projection.clone().unsqueeze());
    add_bias(projected, Some(&weights.projection_bias))
}

pub(crate) fn add_bias(x: Tensor<3>, bias: Option<&Tensor<1>>) -> Tensor<3> {
    match bias {
        Some(bias) => x + bias.clone().unsqueeze::<3>(),
        None => x,
    }
}

/// Adds the mask of each window, `[num_windows, L, L]`, to the logits of that window in every image
/// and head, `[N * num_windows, heads, L, L]`.
#[must_use]
pub fn add_mask(logits: Tensor<4>, mask: Tensor<3>) -> Tensor<4> {
    let [all_windows, num_heads, tokens, _] = logits.dims();
    let [num_windows, ..] = mask.dims();
    let images = all_windows / num_windows;
    let logits = logits.reshape([images, num_windows, num_heads, tokens, tokens]);
    let mask = mask.reshape([1, num_windows, 1, tokens, tokens]);
    (logits + mask).reshape([all_windows, num_heads, tokens, tokens])
}

/// A [`window_attention`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedWindowAttention {
    form: Form<ShiftedWindows, WindowAttentionWeights>,
}

impl PreparedWindowAttention {
    /// Lays out the weights.
    #[must_use]
    pub fn new(weights: WindowAttentionWeights, precision: Precision) -> Self {
        let device = weights.qkv.device();
        let form = Form::new(weights, &device, |weights| ShiftedWindows {
            shift: weights.shift,
            attention: pack(weights, precision),
        });
        Self { form }
    }

    /// Computes `x + project(attend(norm(x)))`.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[N, C, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Kernel(windows) => windows.forward(x),
            Form::Plain(weights) => window_attention(x, weights),
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.form.bytes()
    }
}

impl Bytes for WindowAttentionWeights {
    fn bytes(&self) -> usize {
        let qkv = self.qkv.bytes() + self.qkv_bias.bytes();
        let projection = self.projection.bytes() + self.projection_bias.bytes();
        self.norm.bytes() + qkv + self.position_bias.bytes() + projection
    }
}

/// The kernel of either generation, and where its windows begin.
#[derive(Debug)]
pub(crate) struct ShiftedWindows {
    pub(crate) attention: WindowAttention,
    pub(crate) shift: usize,
}

impl ShiftedWindows {
    /// `x` and what the windows add to it.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = Map::from_tensor(x);
        let size = x.size();
        self.attention.add_to(x.values_mut(), size, self.shift);
        x.into_tensor()
    }
}

impl Bytes for ShiftedWindows {
    fn bytes(&self) -> usize {
        self.attention.bytes()
    }
}

/// The weights as the kernel reads them: the logits' scale is in the queries.
fn pack(weights: WindowAttentionWeights, precision: Precision) -> WindowAttention {
    let [channels, _] = weights.projection.dims();
    let [num_heads, ..] = weights.position_bias.dims();
    let window_size = weights.window_size;
    let scale = ((channels / num_heads) as f32).sqrt().recip();
    let scaled = |column: usize, value: f32| {
        if column < channels {
            value * scale
        } else {
            value
        }
    };
    let qkv = flex::values(weights.qkv);
    let qkv_bias = match weights.qkv_bias {
        Some(bias) => flex::values(bias),
        None => vec![0.0; 3 * channels],
    };
    let projection = flex::values(weights.projection);
    let norm = PackedNorm::new(weights.norm);
    let attention = WindowAttention {
        window_size,
        num_heads,
        generation: Generation::V1,
        norm_weight: norm.scale,
        norm_bias: norm.shift,
        norm_epsilon: norm.epsilon,
        qkv: PackedMatrix::from_fn(channels, 3 * channels, |row, column| {
            scaled(column, qkv[row * 3 * channels + column])
        }),
        qkv_bias: qkv_bias
            .into_iter()
            .enumerate()
            .map(|(column, value)| scaled(column, value))
            .collect(),
        projection: PackedMatrix::from_fn(channels, channels, |row, column| {
            projection[row * channels + column]
        }),
        projection_bias: flex::values(weights.projection_bias),
        position_bias: PositionBias::new(
            &flex::values(weights.position_bias),
            num_heads,
            window_size,
        ),
    };
    if precision.rounds() {
        attention.into_bf16()
    } else {
        attention
    }
}
