//! A whole ConvNeXt block, of either version.
//!
//! Source: Liu et al., *A ConvNet for the 2020s* (2022), figure 4, <https://arxiv.org/abs/2201.03545>;
//! Woo et al., *ConvNeXt V2* (2023), figure 5, <https://arxiv.org/abs/2301.00808>.

use burn::tensor::Tensor;

use crate::{
    Activation, MlpWeights, Precision, ResponseNormWeights,
    bytes::plain_bytes,
    depthwise_conv,
    flex::{self, Map},
    kernels::{
        depthwise::DepthwiseWeights,
        mlp::{Mlp, ResponseMlp},
    },
    linear::assert_channels,
    mlp, response_norm,
};

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
    /// Version 2: the norm between the two layers, of the hidden channels.
    pub response_norm: Option<ResponseNormWeights>,
}

/// Computes `x + project(response_norm(gelu(expand(norm(depthwise(x))))))`.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
#[must_use]
pub fn convnext_block(x: Tensor<4>, weights: &ConvNextBlockWeights) -> Tensor<4> {
    convnext_branch(x.clone(), weights) + x
}

/// Computes what a [`convnext_block`] adds to its input; drop path acts on this.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
#[must_use]
pub fn convnext_branch(x: Tensor<4>, weights: &ConvNextBlockWeights) -> Tensor<4> {
    let (kernels, bias) = (weights.depthwise.clone(), weights.depthwise_bias.clone());
    let spread = depthwise_conv(x, kernels, bias, Activation::None);
    let hidden = mlp::hidden(spread, &weights.mlp);
    let hidden = match &weights.response_norm {
        Some(norm) => response_norm(hidden, norm),
        None => hidden,
    };
    mlp::project(hidden, &weights.mlp)
}

/// A [`convnext_block`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedConvNextBlock {
    form: Form,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network has few, and they are not moved about"
)]
enum Form {
    Kernel {
        depthwise: DepthwiseWeights,
        mlp: Mlp,
    },
    ResponseKernel {
        depthwise: DepthwiseWeights,
        mlp: ResponseMlp,
    },
    Plain(ConvNextBlockWeights),
}

impl PreparedConvNextBlock {
    /// Lays out the weights.
    ///
    /// # Panics
    ///
    /// Panics if the kernel is even.
    #[must_use]
    pub fn new(weights: ConvNextBlockWeights, precision: Precision) -> Self {
        let form = if flex::has_kernels(&weights.depthwise.device()) {
            let [_, _, kernel, _] = weights.depthwise.dims();
            let bias = flex::values(weights.depthwise_bias);
            let depthwise = DepthwiseWeights::new(kernel, &flex::values(weights.depthwise), bias);
            match weights.response_norm {
                None => Form::Kernel {
                    depthwise,
                    mlp: mlp::pack(weights.mlp, precision),
                },
                Some(norm) => Form::ResponseKernel {
                    depthwise,
                    mlp: mlp::pack_with_response(weights.mlp, norm, precision),
                },
            }
        } else {
            Form::Plain(weights)
        };
        Self { form }
    }

    /// Computes what [`convnext_block`] does.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[N, C, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Kernel { depthwise, mlp } => {
                let x = Map::from_tensor(x);
                assert_channels(&x, mlp.channels());
                let mut y = Map::to_fill(x.dims());
                mlp.convnext_block(x.values(), x.size(), depthwise, y.values_mut());
                y.into_tensor()
            }
            Form::ResponseKernel { depthwise, mlp } => {
                let x = Map::from_tensor(x);
                assert_channels(&x, mlp.channels());
                let [_, height, width, _] = x.dims();
                let mut hidden = Map::to_fill([1, height, width, mlp.hidden_channels()]);
                let mut y = Map::to_fill(x.dims());
                mlp.convnext_block(
                    x.values(),
                    x.size(),
                    depthwise,
                    hidden.values_mut(),
                    y.values_mut(),
                );
                y.into_tensor()
            }
            Form::Plain(weights) => convnext_block(x, weights),
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Kernel { depthwise, mlp } => depthwise.bytes() + mlp.bytes(),
            Form::ResponseKernel { depthwise, mlp } => depthwise.bytes() + mlp.bytes(),
            Form::Plain(weights) => {
                let depthwise = plain_bytes(&weights.depthwise);
                let norm = weights.response_norm.as_ref();
                let norm = norm.map_or(0, ResponseNormWeights::bytes);
                depthwise + plain_bytes(&weights.depthwise_bias) + weights.mlp.bytes() + norm
            }
        }
    }
}
