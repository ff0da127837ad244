//! The residual two-layer perceptron of a transformer block.

use burn::tensor::Tensor;

use crate::{Activation, LayerNormWeights, Precision, layer_norm, linear};

/// Weights of a [`mlp`].
#[derive(Clone, Debug)]
pub struct MlpWeights {
    /// The norm before the first layer.
    pub norm: LayerNormWeights,
    /// First layer, `[C, hidden]`.
    pub expand: Tensor<2>,
    /// `[hidden]`.
    pub expand_bias: Tensor<1>,
    /// Second layer, `[hidden, C]`.
    pub project: Tensor<2>,
    /// `[C]`.
    pub project_bias: Tensor<1>,
}

/// Computes `x + project(gelu(expand(norm(x))))` in every cell of a map.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
#[must_use]
pub fn mlp(x: Tensor<4>, weights: &MlpWeights) -> Tensor<4> {
    branch(x.clone(), weights) + x
}

/// `project(gelu(expand(norm(x))))`.
pub(crate) fn branch(x: Tensor<4>, weights: &MlpWeights) -> Tensor<4> {
    let x = layer_norm(x, &weights.norm);
    let bias = Some(weights.expand_bias.clone());
    let hidden = linear(x, weights.expand.clone(), bias, Activation::Gelu);
    let bias = Some(weights.project_bias.clone());
    linear(hidden, weights.project.clone(), bias, Activation::None)
}

/// A [`mlp`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedMlp {
    form: Form,
}

#[derive(Debug)]
enum Form {
    Plain(MlpWeights),
}

impl PreparedMlp {
    /// Lays out the weights.
    #[must_use]
    pub fn new(weights: MlpWeights, _precision: Precision) -> Self {
        Self {
            form: Form::Plain(weights),
        }
    }

    /// Computes `x + project(gelu(expand(norm(x))))` in every cell of a map.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[N, C, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Plain(weights) => mlp(x, weights),
        }
    }
}
