//! The residual two-layer perceptron of a transformer block.

use burn::tensor::Tensor;

use crate::{
    Activation, LayerNormWeights, Precision, ResponseNormWeights,
    bytes::Bytes,
    flex::{self, Map},
    form::Form,
    kernels::{
        mlp::{Mlp, MlpParameters, ResponseMlp},
        response_norm::ResponseNorm,
    },
    layer_norm,
    layer_norm::PackedNorm,
    linear,
    matrix_layer::assert_channels,
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

impl Bytes for MlpWeights {
    fn bytes(&self) -> usize {
        let matrices = self.expand.bytes() + self.project.bytes();
        let biases = self.expand_bias.bytes() + self.project_bias.bytes();
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
fn branch(x: Tensor<4>, weights: &MlpWeights) -> Tensor<4> {
    project(hidden(x, weights), weights)
}

/// `gelu(expand(norm(x)))`, `[N, hidden, H, W]`.
pub(crate) fn hidden(x: Tensor<4>, weights: &MlpWeights) -> Tensor<4> {
    let x = layer_norm(x, &weights.norm);
    let bias = Some(weights.expand_bias.clone());
    linear(x, weights.expand.clone(), bias, Activation::Gelu)
}

/// The second layer.
pub(crate) fn project(hidden: Tensor<4>, weights: &MlpWeights) -> Tensor<4> {
    let bias = Some(weights.project_bias.clone());
    linear(hidden, weights.project.clone(), bias, Activation::None)
}

/// A [`mlp`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedMlp {
    form: Form<Mlp, MlpWeights>,
}

impl PreparedMlp {
    /// Lays out the weights.
    #[must_use]
    pub fn new(weights: MlpWeights, precision: Precision) -> Self {
        let device = weights.expand.device();
        let form = Form::new(weights, &device, |weights| pack(weights, precision));
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
        self.form.bytes()
    }
}

/// The weights as the kernel reads them.
pub(crate) fn pack(weights: MlpWeights, precision: Precision) -> Mlp {
    let mlp = with_parameters(weights, Mlp::new);
    if precision.rounds() {
        mlp.into_bf16()
    } else {
        mlp
    }
}

/// The same for a perceptron with a response norm between its layers.
pub(crate) fn pack_with_response(
    weights: MlpWeights,
    norm: ResponseNormWeights,
    precision: Precision,
) -> ResponseMlp {
    let [weight, bias] = [norm.weight, norm.bias].map(flex::values);
    let norm = ResponseNorm {
        weight: &weight,
        bias: &bias,
    };
    let mlp = with_parameters(weights, |parameters| ResponseMlp::new(parameters, norm));
    if precision.rounds() {
        mlp.into_bf16()
    } else {
        mlp
    }
}

fn with_parameters<T>(weights: MlpWeights, build: impl FnOnce(MlpParameters<'_>) -> T) -> T {
    let norm = PackedNorm::new(weights.norm);
    build(MlpParameters {
        norm: norm.as_kernel(),
        expand: &flex::values(weights.expand),
        expand_bias: &flex::values(weights.expand_bias),
        project: &flex::values(weights.project),
        project_bias: &flex::values(weights.project_bias),
    })
}
