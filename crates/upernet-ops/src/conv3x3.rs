//! 3 x 3 convolution with stride 1 and zero padding 1.

use burn::tensor::{Tensor, assert_shape, module::conv2d, ops::ConvOptions};

use crate::{
    Activation, Precision,
    bytes::{bytes_of, plain_bytes},
    differentiable,
    flex::{self, Map},
    kernels::{
        conv3x3::{self as kernel, Conv3x3Weights},
        gemm::{Epilogue, Residual},
    },
    linear::assert_channels,
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
    form: Form,
    activation: Activation,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network has few, and they are not moved about"
)]
enum Form {
    Kernel(Packed),
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
        precision: Precision,
    ) -> Self {
        let form = if flex::has_kernels(&weight.device()) {
            Form::Kernel(Packed::new(weight, bias, precision))
        } else {
            Form::Plain { weight, bias }
        };
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
            Form::Kernel(packed) => packed.forward(x, self.activation),
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
            Form::Kernel(packed) => packed.forward_onto(x, residual, self.activation),
            Form::Plain { weight, bias } => {
                let y = convolve(x, weight.clone(), bias.clone());
                self.activation.apply(y + residual)
            }
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Kernel(packed) => packed.weight.bytes() + bytes_of(packed.bias.as_deref()),
            Form::Plain { weight, bias } => {
                plain_bytes(weight) + bias.as_ref().map_or(0, plain_bytes)
            }
        }
    }
}

#[derive(Debug)]
struct Packed {
    weight: Conv3x3Weights,
    bias: Option<Vec<f32>>,
}

impl Packed {
    fn new(weight: Tensor<4>, bias: Option<Tensor<1>>, _precision: Precision) -> Self {
        let [channels_out, channels_in, ..] = weight.dims();
        Self {
            weight: Conv3x3Weights::new(&flex::values(weight), [channels_out, channels_in]),
            bias: bias.map(flex::values),
        }
    }

    fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let x = Map::from_tensor(x);
        let [batch, height, width, _] = x.dims();
        let y = Map::to_fill([batch, height, width, self.weight.outputs()]);
        self.compute(&x, y, Residual::None, activation)
    }

    fn forward_onto(&self, x: Tensor<4>, residual: Tensor<4>, activation: Activation) -> Tensor<4> {
        let (x, y) = (Map::from_tensor(x), Map::from_tensor(residual));
        self.compute(&x, y, Residual::Output, activation)
    }

    fn compute(
        &self,
        x: &Map,
        mut y: Map,
        residual: Residual<'_>,
        activation: Activation,
    ) -> Tensor<4> {
        assert_channels(x, self.weight.inputs());
        let epilogue = Epilogue {
            bias: self.bias.as_deref(),
            residual,
            activation: activation.into(),
        };
        kernel::conv3x3(x.values(), x.size(), &self.weight, epilogue, y.values_mut());
        y.into_tensor()
    }
}
