//! A linear layer over the channels of a map: what a 1 x 1 convolution computes.

use burn::tensor::{Tensor, assert_shape};

use crate::{
    Activation, Precision,
    bytes::{bytes_of, plain_bytes},
    differentiable,
    flex::{self, Map},
    kernels::{
        gemm::{self, Epilogue, Residual},
        packed::PackedMatrix,
        rows::{Rows, RowsMut},
    },
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
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
    },
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
        let form = if flex::has_kernels(&weight.device()) {
            Form::Kernel(Packed::new(weight, bias, precision))
        } else {
            Form::Plain { weight, bias }
        };
        Self { form, activation }
    }

    /// Computes `activation(x * weight + bias)` for the channels of every cell.
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
                linear(x, weight.clone(), bias.clone(), self.activation)
            }
        }
    }

    /// Computes `activation(x * weight + bias + residual)` for the channels of every cell.
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
                let y = product(x, weight.clone(), bias.clone());
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
    weight: PackedMatrix,
    bias: Option<Vec<f32>>,
}

impl Packed {
    fn new(weight: Tensor<2>, bias: Option<Tensor<1>>, precision: Precision) -> Self {
        let [k, n] = weight.dims();
        let weight = flex::values(weight);
        let weight = PackedMatrix::from_fn(k, n, |row, column| weight[row * n + column]);
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
        let x = Map::from_tensor(x);
        let [batch, height, width, _] = x.dims();
        let y = Map::to_fill([batch, height, width, self.weight.n()]);
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
        assert_channels(x, self.weight.k());
        let epilogue = Epilogue {
            bias: self.bias.as_deref(),
            residual,
            activation: activation.into(),
        };
        let rows = Rows::dense(x.values(), self.weight.k());
        let out = RowsMut::dense(y.values_mut(), self.weight.n());
        gemm::matmul(rows, &self.weight, epilogue, out);
        y.into_tensor()
    }
}

/// Panics if a map has other channels than a layer takes.
pub(crate) fn assert_channels(x: &Map, expected: usize) {
    let channels = x.channels();
    assert_eq!(
        channels, expected,
        "the layer takes {expected} channels, the map has {channels}"
    );
}
