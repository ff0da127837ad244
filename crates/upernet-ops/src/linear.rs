//! A linear layer over the channels of a map: what a 1 x 1 convolution computes.

use burn::tensor::{Tensor, assert_shape};

use crate::{
    Activation, Precision, differentiable,
    flex::{self, Map},
    kernels::{
        gemm::{self, Epilogue},
        packed::PackedMatrix,
        rows::{Rows, RowsMut},
    },
    matrix_layer::{MatrixLayer, MatrixWeights},
};

/// Computes `activation(x * weight + bias)` for the channels of every cell.
///
/// # Shapes
///
/// - `x`: `[N, channels in, H, W]`
/// - `weight`: `[channels in, channels out]`
/// - `bias`: `[channels out]`
/// - output: `[N, channels out, H, W]`
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{Activation, linear};
///
/// let device = Device::flex();
/// let x = Tensor::ones([1, 3, 4, 5], &device);
/// let y = linear(x, Tensor::ones([3, 2], &device), None, Activation::None);
/// assert_eq!(y.dims(), [1, 2, 4, 5]);
/// assert_eq!(y.max().into_scalar::<f32>(), 3.0);
/// ```
#[must_use]
pub fn linear(
    x: Tensor<4>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<4> {
    activation.apply(product(x, weight, bias))
}

fn product(x: Tensor<4>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let [channels_in, channels_out] = weight.dims();
    assert_shape!(x, [_, channels_in, ..]);
    if let Some(y) = differentiable::linear(&x, &weight, bias.as_ref()) {
        return y;
    }
    let [batch, _, height, width] = x.dims();
    let rows = x.permute([0, 2, 3, 1]); // [N, H, W, C]
    let rows = rows.reshape([batch * height * width, channels_in]);
    let y = rows.matmul(weight);
    let y = match bias {
        Some(bias) => y + bias.unsqueeze::<2>(),
        None => y,
    };
    y.reshape([batch, height, width, channels_out])
        .permute([0, 3, 1, 2]) // [N, C, H, W]
}

/// A [`linear`] layer whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedLinear {
    layer: MatrixLayer<PackedMatrix, 2>,
    activation: Activation,
}

impl PreparedLinear {
    /// Lays out `weight`, `[channels in, channels out]`, and `bias`, `[channels out]`.
    #[must_use]
    pub fn new(
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
        activation: Activation,
        precision: Precision,
    ) -> Self {
        let layer = MatrixLayer::of(weight, bias, |weight| pack(weight, precision));
        Self { layer, activation }
    }

    /// Computes `activation(x * weight + bias)` for the channels of every cell.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - output: `[N, channels out, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.layer.forward(x, self.activation, product)
    }

    /// Computes `activation(x * weight + bias + residual)` for the channels of every cell.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, H, W]`
    /// - `residual`, output: `[N, channels out, H, W]`
    #[must_use]
    pub fn forward_onto(&self, x: Tensor<4>, residual: Tensor<4>) -> Tensor<4> {
        self.layer
            .forward_onto(x, residual, self.activation, product)
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layer.bytes()
    }
}

fn pack(weight: Tensor<2>, precision: Precision) -> PackedMatrix {
    let [k, n] = weight.dims();
    let weight = flex::values(weight);
    let weight = PackedMatrix::from_fn(k, n, |row, column| weight[row * n + column]);
    if precision.rounds() {
        weight.into_bf16()
    } else {
        weight
    }
}

impl MatrixWeights for PackedMatrix {
    fn inputs(&self) -> usize {
        self.k()
    }

    fn outputs(&self) -> usize {
        self.n()
    }

    fn compute(&self, x: &Map, epilogue: Epilogue<'_>, y: &mut Map) {
        let rows = Rows::dense(x.values(), self.k());
        let out = RowsMut::dense(y.values_mut(), self.n());
        gemm::matmul(rows, self, epilogue, out);
    }
}
