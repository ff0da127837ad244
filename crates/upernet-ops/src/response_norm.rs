//! Global response normalisation: channels compete by their strength over a whole image.
//!
//! Source: Woo et al., *ConvNeXt V2* (2023), section 3.2, <https://arxiv.org/abs/2301.00808>.

use burn::tensor::Tensor;

use crate::{bytes::Bytes, differentiable, kernels::response_norm::EPSILON};

/// Weights of a [`response_norm`].
#[derive(Clone, Debug)]
pub struct ResponseNormWeights {
    /// `[C]`.
    pub weight: Tensor<1>,
    /// `[C]`.
    pub bias: Tensor<1>,
}

impl Bytes for ResponseNormWeights {
    fn bytes(&self) -> usize {
        self.weight.bytes() + self.bias.bytes()
    }
}

/// Computes `x * (1 + weight * n) + bias`, where `n` is the norm of each channel over the pixels of
/// its image, divided by the mean of all channels' norms and 1e-6.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{ResponseNormWeights, response_norm};
///
/// let device = Device::flex();
/// let weights = ResponseNormWeights {
///     weight: Tensor::ones([2], &device),
///     bias: Tensor::zeros([2], &device),
/// };
/// // Norms of 5 and 15, which are half their mean and one and a half.
/// let x = Tensor::<1>::from_floats([3.0, 4.0, 9.0, 12.0], &device).reshape([1, 2, 1, 2]);
/// let y: Vec<f32> = response_norm(x, &weights).into_data().try_to_vec().unwrap();
/// for (y, expected) in y.into_iter().zip([4.5, 6.0, 22.5, 30.0]) {
///     assert!((y - expected).abs() < 1e-4);
/// }
/// ```
#[must_use]
pub fn response_norm(x: Tensor<4>, weights: &ResponseNormWeights) -> Tensor<4> {
    if let Some(y) = differentiable::response_norm(&x, weights) {
        return y;
    }
    let squares = (x.clone() * x.clone()).sum_dim(3).sum_dim(2); // [N, C, 1, 1]
    // The root has no slope at 0: a channel that is 0 everywhere would have gradients of NaN.
    let is_zero = squares.clone().equal_elem(0.0);
    let norms = squares.mask_fill(is_zero.clone(), 1.0).sqrt();
    let norms = norms.mask_fill(is_zero, 0.0);
    let responses = norms.clone() / (norms.mean_dim(1) + EPSILON);
    let [weight, bias] =
        [&weights.weight, &weights.bias].map(|weight| weight.clone().reshape([1, -1, 1, 1]));
    x * (responses * weight + 1.0) + bias
}
