//! The residual two-layer perceptron of a Swin V2 block, normalised at its end.
//!
//! Source: Liu et al., *Swin Transformer V2: Scaling Up Capacity and Resolution* (2022), section 3.2,
//! <https://arxiv.org/abs/2111.09883>. Upstream: `Swinv2Layer`.

use burn::tensor::Tensor;

use crate::{
    Activation, MlpWeights, Precision, flex::Map, form::Form, kernels::mlp::Mlp, layer_norm,
    linear, matrix_layer::assert_channels, mlp::pack,
};

/// Computes `x + norm(project(gelu(expand(x))))` in every cell of a map: the norm of `weights` comes
/// last, where in [`mlp`](crate::mlp()) it comes first.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
#[must_use]
pub fn post_norm_mlp(x: Tensor<4>, weights: &MlpWeights) -> Tensor<4> {
    let bias = Some(weights.expand_bias.clone());
    let hidden = linear(x.clone(), weights.expand.clone(), bias, Activation::Gelu);
    let bias = Some(weights.project_bias.clone());
    let branch = linear(hidden, weights.project.clone(), bias, Activation::None);
    x + layer_norm(branch, &weights.norm)
}

/// A [`post_norm_mlp`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedPostNormMlp {
    form: Form<Mlp, MlpWeights>,
}

impl PreparedPostNormMlp {
    /// Lays out the weights.
    #[must_use]
    pub fn new(weights: MlpWeights, precision: Precision) -> Self {
        let device = weights.expand.device();
        let form = Form::new(weights, &device, |weights| pack(weights, precision));
        Self { form }
    }

    /// Computes `x + norm(project(gelu(expand(x))))` in every cell of a map.
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
                mlp.add_normalised_in_place(x.values_mut());
                x.into_tensor()
            }
            Form::Plain(weights) => post_norm_mlp(x, weights),
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.form.bytes()
    }
}
