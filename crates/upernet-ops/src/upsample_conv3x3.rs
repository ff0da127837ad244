//! 3 x 3 convolution of a resized map, computed at the size before.
//!
//! Mixing channels and interpolating in space commute. For a map `x` resized by `U`,
//!
//! ```text
//! conv3x3(U(x)) = sum over the 9 taps k of shift_k(U(W_k x))      (zeros beyond the border)
//! ```
//!
//! so the products with the weights run at the map's own size, and neither the resized map nor its
//! concatenation with others ever exists. `shift_k U` is separable: three lines that are interpolated,
//! shifted and added, first for the columns, then for the rows.

use burn::tensor::{Tensor, assert_shape};

use crate::{
    Precision, differentiable,
    flex::{self, Map},
    form::Form,
    interpolation,
    kernels::{
        gemm::{Epilogue, Residual},
        upsample_taps::{self as kernel, TapWeights},
    },
    matrix_layer::{MatrixLayer, assert_channels},
};

/// Computes the 3 x 3 convolution (stride 1, zero padding 1) of `x` resized bilinearly to `size`.
///
/// Any ratio of sizes will do; the fewer cells `x` has, the more is saved.
///
/// On burn's CPU backend this and its gradients are kernels.
///
/// # Shapes
///
/// - `x`: `[N, channels in, h, w]`
/// - `weight`: `[channels out, channels in, 3, 3]`
/// - output: `[N, channels out, size[0], size[1]]`
///
/// # Panics
///
/// Panics if `size` holds a zero.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{Activation, conv3x3, resize_bilinear, upsample_conv3x3};
///
/// let device = Device::flex();
/// let x = Tensor::<1>::from_floats([1.0, 5.0], &device).reshape([1, 1, 1, 2]);
/// let weight = Tensor::ones([1, 1, 3, 3], &device);
/// let direct = resize_bilinear(x.clone(), [2, 4]);
/// let direct = conv3x3(direct, weight.clone(), None, Activation::None);
/// let y = upsample_conv3x3(x, weight, [2, 4]);
/// assert!((y - direct).abs().max().into_scalar::<f32>() < 1e-5);
/// ```
#[must_use]
pub fn upsample_conv3x3(x: Tensor<4>, weight: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [_, channels_in, ..] = weight.dims();
    assert_shape!(x, [_, channels_in, ..]);
    assert!(
        size.iter().all(|&side| side > 0),
        "cannot resize a map to {} x {}",
        size[0],
        size[1]
    );
    match differentiable::upsample_conv3x3(&x, &weight, size) {
        Some(y) => y,
        None => taps_of(x, tap_matrix(weight), size),
    }
}

/// The weights of every tap below each other: `[channels out * 9, channels in]`.
fn tap_matrix(weight: Tensor<4>) -> Tensor<2> {
    let [channels_out, channels_in, ..] = weight.dims();
    weight
        .permute([0, 2, 3, 1]) // [O, 3, 3, I]
        .reshape([channels_out * 9, channels_in])
}

fn taps_of(x: Tensor<4>, taps: Tensor<2>, size: [usize; 2]) -> Tensor<4> {
    let [rows, channels_in] = taps.dims();
    let [batch, _, height, width] = x.dims();
    let [out_height, out_width] = size;
    let channels_out = rows / 9;
    let columns = interpolation::shifted_matrix(width, out_width, &x).transpose();
    let lines = interpolation::shifted_matrix(height, out_height, &x).unsqueeze::<3>();
    let planes = batch * channels_out;

    let x = x.reshape([batch, channels_in, height * width]);
    let products = taps.unsqueeze::<3>().matmul(x); // [N, O * 3 * 3, h * w]
    let products = products
        .reshape([planes, 3, 3, height, width])
        .permute([0, 1, 3, 2, 4]) // [N * O, 3 rows, h, 3 columns, w]
        .reshape([planes * 3 * height, 3 * width]);
    let widened = products
        .matmul(columns)
        .reshape([planes, 3 * height, out_width]);
    lines
        .matmul(widened)
        .reshape([batch, channels_out, out_height, out_width])
}

/// An [`upsample_conv3x3`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedUpsampleConv3x3 {
    /// Plain are taps, `[channels out * 9, channels in]`.
    layer: MatrixLayer<TapWeights, 2>,
}

impl PreparedUpsampleConv3x3 {
    /// Lays out `weight`, `[channels out, channels in, 3, 3]`, and `bias`, `[channels out]`.
    #[must_use]
    pub fn new(weight: Tensor<4>, bias: Option<Tensor<1>>, precision: Precision) -> Self {
        let layer = if flex::has_kernels(&weight.device()) {
            Form::Kernel((pack(weight, precision), bias.map(flex::values)))
        } else {
            Form::Plain((tap_matrix(weight), bias))
        };
        Self { layer }
    }

    /// Computes the 3 x 3 convolution of `x` resized bilinearly to `size`, and adds the bias.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, h, w]`
    /// - output: `[N, channels out, size[0], size[1]]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        match &self.layer {
            Form::Kernel(layer) => {
                let x = Map::from_tensor(x);
                let [batch, ..] = x.dims();
                let y = Map::to_fill([batch, size[0], size[1], layer.0.outputs()]);
                compute(&x, layer, y, Residual::None)
            }
            Form::Plain((taps, bias)) => with_bias(taps_of(x, taps.clone(), size), bias.as_ref()),
        }
    }

    /// Adds to `sum` the 3 x 3 convolution of `x` resized bilinearly to its size, and the bias.
    ///
    /// # Shapes
    ///
    /// - `x`: `[N, channels in, h, w]`
    /// - `sum`, output: `[N, channels out, H, W]`
    #[must_use]
    pub fn forward_onto(&self, x: Tensor<4>, sum: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = sum.dims();
        match &self.layer {
            Form::Kernel(layer) => {
                let (x, sum) = (Map::from_tensor(x), Map::from_tensor(sum));
                compute(&x, layer, sum, Residual::Output)
            }
            Form::Plain((taps, bias)) => {
                let y = taps_of(x, taps.clone(), [height, width]);
                with_bias(sum + y, bias.as_ref())
            }
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layer.bytes()
    }
}

fn pack(weight: Tensor<4>, precision: Precision) -> TapWeights {
    let [channels_out, channels_in, ..] = weight.dims();
    let weights = TapWeights::new(&flex::values(weight), [channels_out, channels_in]);
    if precision.rounds() {
        weights.into_bf16()
    } else {
        weights
    }
}

fn with_bias(y: Tensor<4>, bias: Option<&Tensor<1>>) -> Tensor<4> {
    match bias {
        Some(bias) => {
            let [channels] = bias.dims();
            y + bias.clone().reshape([1, channels, 1, 1])
        }
        None => y,
    }
}

fn compute(
    x: &Map,
    (weights, bias): &(TapWeights, Option<Vec<f32>>),
    mut y: Map,
    residual: Residual<'_>,
) -> Tensor<4> {
    assert_channels(x, weights.inputs());
    let [_, height, width, _] = y.dims();
    let epilogue = Epilogue {
        bias: bias.as_deref(),
        residual,
        ..Epilogue::default()
    };
    let (size, values) = ([height, width], y.values_mut());
    kernel::upsample_conv3x3(x.values(), x.size(), weights, size, epilogue, values);
    y.into_tensor()
}
