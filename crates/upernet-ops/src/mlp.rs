//! The residual two-layer perceptron of a transformer block.

use burn::tensor::Tensor;

use crate::{
    Activation, LayerNormWeights, Precision,
    bytes::plain_bytes,
    flex::{self, Map},
    kernels::mlp::{Mlp, MlpParameters},
    layer_norm,
    layer_norm::PackedNorm,
    linear,
    linear::assert_channels,
};

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

impl MlpWeights {
    pub(crate) fn bytes(&self) -> usize {
        let matrices = plain_bytes(&self.expand) + plain_bytes(&self.project);
        let biases = plain_bytes(&self.expand_bias) + plain_bytes(&self.project_bias);
        self.norm.bytes() + matrices + biases
    }
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
#[expect(
    clippy::large_enum_variant,
    reason = "a network has few, and they are not moved about"
)]
enum Form {
    Kernel(Mlp),
    Plain(MlpWeights),
}

impl PreparedMlp {
    /// Lays out the weights.
    #[must_use]
    pub fn new(weights: MlpWeights, precision: Precision) -> Self {
        let form = if flex::has_kernels(&weights.expand.device()) {
            Form::Kernel(pack(weights, precision))
        } else {
            Form::Plain(weights)
        };
        Self { form }
    }

    /// Computes `x + project(gelu(expand(norm(x))))` in every cell of a map.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[N, C, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Kernel(mlp) => {
                let mut x = Map::from_tensor(x);
                assert_channels(&x, mlp.channels());
                mlp.add_in_place(x.values_mut());
                x.into_tensor()
            }
            Form::Plain(weights) => mlp(x, weights),
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Kernel(mlp) => mlp.bytes(),
            Form::Plain(weights) => weights.bytes(),
        }
    }
}

/// The weights as the kernel reads them.
pub(crate) fn pack(weights: MlpWeights, precision: Precision) -> Mlp {
    let norm = PackedNorm::new(weights.norm);
    let mlp = Mlp::new(MlpParameters {
        norm: norm.as_kernel(),
        expand: &flex::values(weights.expand),
        expand_bias: &flex::values(weights.expand_bias),
        project: &flex::values(weights.project),
        project_bias: &flex::values(weights.project_bias),
    });
    if precision.rounds() {
        mlp.into_bf16()
    } else {
        mlp
    }
}
