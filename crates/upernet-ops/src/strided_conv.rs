//! Convolution of any odd size and any stride, zero padding of half the size.

use burn::tensor::{Tensor, assert_shape, module::conv2d, ops::ConvOptions, s};

use crate::{
    Activation, Border, CellOrder, Patches, Precision,
    flex::{self, Map},
    kernels::{
        gemm::Epilogue,
        strided_conv::{self as kernel, StridedConvWeights, Window},
    },
    linear,
    matrix_layer::{MatrixLayer, MatrixWeights},
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
    layer: MatrixLayer<StridedConvWeights, 4>,
    stride: usize,
    activation: Activation,
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
        let layer = MatrixLayer::of(weight, bias, |weight| pack(weight, window, precision));
        Self {
            layer,
            stride,
            activation,
        }
    }

    /// Computes `activation(conv(x) + bias)` at every `stride`-th row and column.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - output: `[N, channels out, H / stride, W / stride]`, rounded up
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let plain = |x, weight, bias| convolve(x, weight, bias, self.stride);
        self.layer.forward(x, self.activation, plain)
    }

    /// Computes `activation(conv(x) + bias + residual)` at every `stride`-th row and column.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - `residual`, output: `[N, channels out, H / stride, W / stride]`, rounded up
    #[must_use]
    pub fn forward_onto(&self, x: Tensor<4>, residual: Tensor<4>) -> Tensor<4> {
        let plain = |x, weight, bias| convolve(x, weight, bias, self.stride);
        self.layer.forward_onto(x, residual, self.activation, plain)
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layer.bytes()
    }
}

fn pack(weight: Tensor<4>, window: Window, precision: Precision) -> StridedConvWeights {
    let [channels_out, channels_in, ..] = weight.dims();
    let channels = [channels_out, channels_in];
    let weight = StridedConvWeights::new(&flex::values(weight), channels, window);
    if precision.rounds() {
        weight.into_bf16()
    } else {
        weight
    }
}

impl MatrixWeights for StridedConvWeights {
    fn inputs(&self) -> usize {
        self.inputs()
    }

    fn outputs(&self) -> usize {
        self.outputs()
    }

    fn size(&self, size: [usize; 2]) -> [usize; 2] {
        size.map(|length| self.positions(length))
    }

    fn map(x: Tensor<4>) -> Map {
        channels_last(x)
    }

    fn compute(&self, x: &Map, epilogue: Epilogue<'_>, y: &mut Map) {
        kernel::strided_conv(x.values(), x.size(), self, epilogue, y.values_mut());
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
