//! Depthwise convolution: every channel with a kernel of its own.

use burn::tensor::{Tensor, assert_shape, module::conv2d, ops::ConvOptions};

use crate::{
    Activation, differentiable,
    flex::{self, Map},
    form::Form,
    kernels::{depthwise::DepthwiseWeights, depthwise_map},
    matrix_layer::assert_channels,
};

/// Computes `activation(conv(x) + bias)`, each channel of the output from the same one of the input.
///
/// The map is zero-padded by half the kernel, so it keeps its size.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
/// - `weight`: `[C, 1, k, k]` for an odd `k`
/// - `bias`: `[C]`
///
/// # Panics
///
/// Panics if the kernel is not square or its size is even.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{Activation, depthwise_conv};
///
/// let device = Device::flex();
/// let x = Tensor::ones([1, 2, 3, 4], &device);
/// let bias = Tensor::<1>::from_floats([0.0, 10.0], &device);
/// let y = depthwise_conv(x, Tensor::ones([2, 1, 3, 3], &device), bias, Activation::None);
/// let y: Vec<f32> = y.slice([0..1, 0..2, 1..2, 0..4]).into_data().try_to_vec().unwrap();
/// assert_eq!(y, [6.0, 9.0, 9.0, 6.0, 16.0, 19.0, 19.0, 16.0]);
/// ```
#[must_use]
pub fn depthwise_conv(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    activation: Activation,
) -> Tensor<4> {
    let kernel = side(&weight);
    let [channels, ..] = weight.dims();
    assert_shape!(x, [_, channels, ..]);
    let y = if let Some(y) = differentiable::depthwise(&x, &weight, &bias) {
        y
    } else {
        let options = ConvOptions::new([1, 1], [kernel / 2; 2], [1, 1], channels);
        conv2d(x, weight, Some(bias), options)
    };
    activation.apply(y)
}

/// The side of a kernel.
fn side(weight: &Tensor<4>) -> usize {
    let [_, _, side, width] = weight.dims();
    assert!(
        side == width && side % 2 == 1,
        "the kernel must be square and its size odd, got {side} x {width}"
    );
    side
}

/// A [`depthwise_conv`] whose weights are laid out for inference.
///
/// It has few products, so it always computes with 32 bits.
#[derive(Debug)]
pub struct PreparedDepthwiseConv {
    form: Form<DepthwiseWeights, (Tensor<4>, Tensor<1>)>,
    activation: Activation,
}

impl PreparedDepthwiseConv {
    /// Lays out `weight`, `[C, 1, k, k]`, and `bias`, `[C]`.
    ///
    /// # Panics
    ///
    /// Panics if the kernel is not square or its size is even.
    #[must_use]
    pub fn new(weight: Tensor<4>, bias: Tensor<1>, activation: Activation) -> Self {
        let side = side(&weight);
        let device = weight.device();
        let form = Form::new((weight, bias), &device, |(weight, bias)| {
            DepthwiseWeights::new(side, &flex::values(weight), flex::values(bias))
        });
        Self { form, activation }
    }

    /// Computes `activation(conv(x) + bias)`.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[N, C, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Kernel(weights) => {
                let x = Map::from_tensor(x);
                assert_channels(&x, weights.channels());
                let mut y = Map::to_fill(x.dims());
                depthwise_map::depthwise(
                    x.values(),
                    x.size(),
                    weights,
                    self.activation.into(),
                    y.values_mut(),
                );
                y.into_tensor()
            }
            Form::Plain((weight, bias)) => {
                depthwise_conv(x, weight.clone(), bias.clone(), self.activation)
            }
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.form.bytes()
    }
}
