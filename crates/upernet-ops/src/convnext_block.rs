//! A whole ConvNeXt block, of either version.
//!
//! Source: Liu et al., *A ConvNet for the 2020s* (2022), figure 4, <https://arxiv.org/abs/2201.03545>;
//! Woo et al., *ConvNeXt V2* (2023), figure 5, <https://arxiv.org/abs/2301.00808>.

use burn::tensor::Tensor;

use crate::{
    Activation, MlpWeights, Precision, ResponseNormWeights,
    bytes::Bytes,
    depthwise_conv,
    flex::{self, Map},
    form::Form,
    kernels::{
        depthwise::DepthwiseWeights,
        mlp::{Mlp, ResponseMlp},
    },
    matrix_layer::assert_channels,
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
    form: Form<Packed, ConvNextBlockWeights>,
}

impl PreparedConvNextBlock {
    /// Lays out the weights.
    ///
    /// # Panics
    ///
    /// Panics if the kernel is even.
    #[must_use]
    pub fn new(weights: ConvNextBlockWeights, precision: Precision) -> Self {
        let device = weights.depthwise.device();
        let form = Form::new(weights, &device, |weights| pack(weights, precision));
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
            Form::Kernel(packed) => packed.forward(x),
            Form::Plain(weights) => convnext_block(x, weights),
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.form.bytes()
    }
}

impl Bytes for ConvNextBlockWeights {
    fn bytes(&self) -> usize {
        let depthwise = self.depthwise.bytes() + self.depthwise_bias.bytes();
        depthwise + self.mlp.bytes() + self.response_norm.bytes()
    }
}

/// The weights as the kernels read them.
#[derive(Debug)]
struct Packed {
    depthwise: DepthwiseWeights,
    layers: Layers,
}

/// What follows the depthwise convolution, of either version.
#[derive(Debug)]
enum Layers {
    First(Mlp),
    Second(ResponseMlp),
}

fn pack(weights: ConvNextBlockWeights, precision: Precision) -> Packed {
    let [_, _, kernel, _] = weights.depthwise.dims();
    let bias = flex::values(weights.depthwise_bias);
    Packed {
        depthwise: DepthwiseWeights::new(kernel, &flex::values(weights.depthwise), bias),
        layers: match weights.response_norm {
            None => Layers::First(mlp::pack(weights.mlp, precision)),
            Some(norm) => Layers::Second(mlp::pack_with_response(weights.mlp, norm, precision)),
        },
    }
}

impl Packed {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = Map::from_tensor(x);
        assert_channels(&x, self.depthwise.channels());
        let mut y = Map::to_fill(x.dims());
        let (values, size, out) = (x.values(), x.size(), y.values_mut());
        match &self.layers {
            Layers::First(mlp) => mlp.convnext_block(values, size, &self.depthwise, out),
            Layers::Second(mlp) => {
                let [_, height, width, _] = x.dims();
                let mut hidden = Map::to_fill([1, height, width, mlp.hidden_channels()]);
                mlp.convnext_block(values, size, &self.depthwise, hidden.values_mut(), out);
            }
        }
        y.into_tensor()
    }
}

impl Bytes for Packed {
    fn bytes(&self) -> usize {
        let layers = match &self.layers {
            Layers::First(mlp) => mlp.bytes(),
            Layers::Second(mlp) => mlp.bytes(),
        };
        self.depthwise.bytes() + layers
    }
}
