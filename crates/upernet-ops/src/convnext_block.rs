//! A whole ConvNeXt block.
//!
//! Source: Liu et al., *A ConvNet for the 2020s* (2022), figure 4, <https://arxiv.org/abs/2201.03545>.

use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};

use crate::{MlpWeights, Precision, mlp};

/// Weights of a [`convnext_block`].
///
/// A layer scale is a factor on the second layer's columns and bias.
#[derive(Clone, Debug)]
pub struct ConvNextBlockWeights {
    /// `[C, 1, k, k]` for an odd kernel `k`.
    pub depthwise: Tensor<4>,
    /// `[C]`.
    pub depthwise_bias: Tensor<1>,
    /// Norm and two layers.
    pub mlp: MlpWeights,
}

/// Computes `x + project(gelu(expand(norm(depthwise(x)))))`.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
#[must_use]
pub fn convnext_block(x: Tensor<4>, weights: &ConvNextBlockWeights) -> Tensor<4> {
    let [channels, _, height, width] = weights.depthwise.dims();
    let padding = [height / 2, width / 2];
    let options = ConvOptions::new([1, 1], padding, [1, 1], channels);
    let bias = Some(weights.depthwise_bias.clone());
    let mixed = conv2d(x.clone(), weights.depthwise.clone(), bias, options);
    mlp::branch(mixed, &weights.mlp) + x
}

/// A [`convnext_block`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedConvNextBlock {
    form: Form,
}

#[derive(Debug)]
enum Form {
    Plain(ConvNextBlockWeights),
}

impl PreparedConvNextBlock {
    /// Lays out the weights.
    #[must_use]
    pub fn new(weights: ConvNextBlockWeights, _precision: Precision) -> Self {
        Self {
            form: Form::Plain(weights),
        }
    }

    /// Computes `x + project(gelu(expand(norm(depthwise(x)))))`.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[N, C, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Plain(weights) => convnext_block(x, weights),
        }
    }
}
