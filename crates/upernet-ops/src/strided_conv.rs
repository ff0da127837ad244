//! Convolution of any odd size and any stride, zero padding of half the size.

use burn::tensor::{Tensor, assert_shape, module::conv2d, ops::ConvOptions, s};

use crate::{
    Activation, Border, CellOrder, Patches, Precision,
    bytes::{bytes_of, plain_bytes},
    flex::{self, Map},
    kernels::{
        gemm::{Epilogue, Residual},
        strided_conv::{self as kernel, StridedConvWeights, Window},
    },
    linear::{assert_channels, linear},
    space_to_depth,
};

/// Computes `activation(conv(x) + bias)` at every `stride`-th row and column, beginning with the first.
///
/// [`conv3x3`](crate::conv3x3) and [`linear`](crate::linear) are faster where they will do.
///
/// # Shapes
///
/// - `x`: `[N, channels in, H, W]`
/// - `weight`: `[channels out, channels in, size, size]`
/// - `bias`: `[channels out]`
/// - output: `[N, channels out, H / stride, W / stride]`, rounded up
///
/// # Panics
///
/// Panics if the kernel is not square or its size is even, or if the stride is zero.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{Activation, strided_conv};
///
/// let device = Device::flex();
/// let x = Tensor::ones([1, 1, 3, 5], &device);
/// let y = strided_conv(x, Tensor::ones([1, 1, 3, 3], &device), None, 2, Activation::None);
/// let y: Vec<f32> = y.into_data().try_to_vec().unwrap();
/// assert_eq!(y, [4.0, 6.0, 4.0, 4.0, 6.0, 4.0]);
/// ```
#[must_use]
pub fn strided_conv(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    activation: Activation,
) -> Tensor<4> {
    activation.apply(convolve(x, weight, bias, stride))
}

fn convolve(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize) -> Tensor<4> {
    let size = window(&weight, stride).size;
    let [_, channels_in, ..] = weight.dims();
    assert_shape!(x, [_, channels_in, ..]);
    if size == 1 {
        let x = x.slice(s![.., .., ..;stride, ..;stride]);
        let weight = weight.squeeze_dims::<2>(&[2, 3]).transpose();
        return linear(x, weight, bias, Activation::None);
    }
    let options = ConvOptions::new([stride; 2], [size / 2; 2], [1, 1], 1);
    conv2d(x, weight, bias, options)
}

/// Size and stride of a convolution.
fn window(weight: &Tensor<4>, stride: usize) -> Window {
    let [_, _, size, width] = weight.dims();
    assert!(
        size == width && size % 2 == 1,
        "the kernel must be square and its size odd, got {size} x {width}"
    );
    assert!(stride > 0, "the stride must be positive");
    Window { size, stride }
}

/// A [`strided_conv`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedStridedConv {
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
        stride: usize,
    },
}

impl PreparedStridedConv {
    /// Lays out `weight`, `[channels out, channels in, size, size]`, and `bias`, `[channels out]`.
    ///
    /// # Panics
    ///
    /// Panics if the kernel is not square or its size is even, or if the stride is zero.
    #[must_use]
    pub fn new(
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        stride: usize,
        activation: Activation,
        precision: Precision,
    ) -> Self {
        let window = window(&weight, stride);
        let form = if flex::has_kernels(&weight.device()) {
            Form::Kernel(Packed::new(weight, bias, window, precision))
        } else {
            Form::Plain {
                weight,
                bias,
                stride,
            }
        };
        Self { form, activation }
    }

    /// Computes `activation(conv(x) + bias)` at every `stride`-th row and column.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - output: `[N, channels out, H / stride, W / stride]`, rounded up
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Kernel(packed) => packed.forward(x, self.activation),
            Form::Plain {
                weight,
                bias,
                stride,
            } => strided_conv(x, weight.clone(), bias.clone(), *stride, self.activation),
        }
    }

    /// Computes `activation(conv(x) + bias + residual)` at every `stride`-th row and column.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - `residual`, output: `[N, channels out, H / stride, W / stride]`, rounded up
    #[must_use]
    pub fn forward_onto(&self, x: Tensor<4>, residual: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Kernel(packed) => packed.forward_onto(x, residual, self.activation),
            Form::Plain {
                weight,
                bias,
                stride,
            } => {
                let y = convolve(x, weight.clone(), bias.clone(), *stride);
                self.activation.apply(y + residual)
            }
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Kernel(packed) => packed.weight.bytes() + bytes_of(packed.bias.as_deref()),
            Form::Plain { weight, bias, .. } => {
                plain_bytes(weight) + bias.as_ref().map_or(0, plain_bytes)
            }
        }
    }
}

#[derive(Debug)]
struct Packed {
    weight: StridedConvWeights,
    bias: Option<Vec<f32>>,
}

impl Packed {
    fn new(
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        window: Window,
        precision: Precision,
    ) -> Self {
        let [channels_out, channels_in, ..] = weight.dims();
        let channels = [channels_out, channels_in];
        let weight = StridedConvWeights::new(&flex::values(weight), channels, window);
        Self {
            weight: if precision.rounds() {
                weight.into_bf16()
            } else {
                weight
            },
            bias: bias.map(flex::values),
        }
    }

    fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let x = channels_last(x);
        let [batch, height, width, _] = x.dims();
        let [height, width] = [height, width].map(|length| self.weight.positions(length));
        let y = Map::to_fill([batch, height, width, self.weight.outputs()]);
        self.compute(&x, y, Residual::None, activation)
    }

    fn forward_onto(&self, x: Tensor<4>, residual: Tensor<4>, activation: Activation) -> Tensor<4> {
        let (x, y) = (channels_last(x), Map::from_tensor(residual));
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
        kernel::strided_conv(x.values(), x.size(), &self.weight, epilogue, y.values_mut());
        y.into_tensor()
    }
}

/// The memory of a map; an image, whose channels come first, is reordered on all threads.
fn channels_last(x: Tensor<4>) -> Map {
    if flex::takes_kernel(&x) {
        return Map::from_tensor(x);
    }
    let cells = Patches {
        size: 1,
        order: CellOrder::RowMajor,
        border: Border::Dropped,
    };
    Map::from_tensor(space_to_depth(x, cells))
}
