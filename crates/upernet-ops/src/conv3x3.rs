//! 3 x 3 convolution with stride 1 and zero padding 1.

use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};

use crate::{Activation, Precision};

/// Computes `activation(conv3x3(x) + bias)`; the map keeps its size.
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
    conv2d(x, weight, bias, ConvOptions::new([1, 1], [1, 1], [1, 1], 1))
}

/// A [`conv3x3`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedConv3x3 {
    form: Form,
    activation: Activation,
}

#[derive(Debug)]
enum Form {
    Plain {
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
    },
}

impl PreparedConv3x3 {
    /// Lays out `weight`, `[channels out, channels in, 3, 3]`, and `bias`, `[channels out]`.
    #[must_use]
    pub fn new(
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        activation: Activation,
        _precision: Precision,
    ) -> Self {
        let form = Form::Plain { weight, bias };
        Self { form, activation }
    }

    /// Computes `activation(conv3x3(x) + bias)`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - output: `[N, channels out, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Plain { weight, bias } => {
                conv3x3(x, weight.clone(), bias.clone(), self.activation)
            }
        }
    }

    /// Computes `activation(conv3x3(x) + bias + residual)`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - `residual`, output: `[N, channels out, H, W]`
    #[must_use]
    pub fn forward_onto(&self, x: Tensor<4>, residual: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Plain { weight, bias } => {
                let y = convolve(x, weight.clone(), bias.clone());
                self.activation.apply(y + residual)
            }
        }
    }
}
