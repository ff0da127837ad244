//! 3 x 3 convolution with stride 1 and zero padding 1.

use burn::tensor::{Tensor, assert_shape, module::conv2d, ops::ConvOptions};

use crate::{
    Activation, Precision, differentiable,
    flex::{self, Map},
    kernels::{
        conv3x3::{self as kernel, Conv3x3Weights},
        gemm::Epilogue,
    },
    matrix_layer::{MatrixLayer, MatrixWeights},
};

/// Computes `activation(conv3x3(x) + bias)`; the map keeps its size.
///
/// On burn's CPU backend the convolution and its gradients are kernels (Winograd's minimal filtering).
///
/// # Shapes
///
/// - `x`: `[N, channels in, H, W]`
/// - `weight`: `[channels out, channels in, 3, 3]`
/// - `bias`: `[channels out]`
/// - output: `[N, channels out, H, W]`
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{Activation, conv3x3};
///
/// let device = Device::flex();
/// let x = Tensor::ones([1, 2, 3, 3], &device);
/// let y = conv3x3(x, Tensor::ones([1, 2, 3, 3], &device), None, Activation::None);
/// let y: Vec<f32> = y.into_data().try_to_vec().unwrap();
/// assert_eq!(y, [8.0, 12.0, 8.0, 12.0, 18.0, 12.0, 8.0, 12.0, 8.0]);
/// ```
#[must_use]
pub fn conv3x3(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<4> {
    activation.apply(convolve(x, weight, bias))
}

fn convolve(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let [channels_out, channels_in, ..] = weight.dims();
    assert_shape!(x, [_, channels_in, ..]);
    if let Some(y) = differentiable::conv3x3(&x, &weight) {
        return match bias {
            Some(bias) => y + bias.reshape([1, channels_out, 1, 1]),
            None => y,
        };
    }
    convolve_plain(x, weight, bias)
}

fn convolve_plain(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    conv2d(x, weight, bias, ConvOptions::new([1, 1], [1, 1], [1, 1], 1))
}

/// A [`conv3x3`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedConv3x3 {
    layer: MatrixLayer<Conv3x3Weights, 4>,
    activation: Activation,
}

impl PreparedConv3x3 {
    /// Lays out `weight`, `[channels out, channels in, 3, 3]`, and `bias`, `[channels out]`.
    ///
    /// The kernel computes with 32 bits in any precision.
    #[must_use]
    pub fn new(
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        activation: Activation,
        _precision: Precision,
    ) -> Self {
        let layer = MatrixLayer::of(weight, bias, pack);
        Self { layer, activation }
    }

    /// Computes `activation(conv3x3(x) + bias)`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - output: `[N, channels out, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.layer.forward(x, self.activation, convolve)
    }

    /// Computes `activation(conv3x3(x) + bias + residual)`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - `residual`, output: `[N, channels out, H, W]`
    #[must_use]
    pub fn forward_onto(&self, x: Tensor<4>, residual: Tensor<4>) -> Tensor<4> {
        self.layer
            .forward_onto(x, residual, self.activation, convolve)
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layer.bytes()
    }
}

fn pack(weight: Tensor<4>) -> Conv3x3Weights {
    let [channels_out, channels_in, ..] = weight.dims();
    Conv3x3Weights::new(&flex::values(weight), [channels_out, channels_in])
}

impl MatrixWeights for Conv3x3Weights {
    fn inputs(&self) -> usize {
        self.inputs()
    }

    fn outputs(&self) -> usize {
        self.outputs()
    }

    fn compute(&self, x: &Map, epilogue: Epilogue<'_>, y: &mut Map) {
        kernel::conv3x3(x.values(), x.size(), self, epilogue, y.values_mut());
    }
}
