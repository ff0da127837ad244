//! Batch normalisation by the statistics of the batch, as in training.
//!
//! Source: Ioffe and Szegedy, *Batch Normalization* (2015), <https://arxiv.org/abs/1502.03167>.

use burn::tensor::{Tensor, module::batch_norm_train};

use crate::{Activation, differentiable};

/// What [`batch_norm`] computes.
#[derive(Clone, Debug)]
pub struct BatchNormOutput {
    /// The normalised map, `[N, C, H, W]`.
    pub output: Tensor<4>,
    /// Mean of each channel of the batch, `[C]`; no gradient passes it.
    pub mean: Tensor<1>,
    /// Biased variance of each channel of the batch, `[C]`; no gradient passes it.
    pub variance: Tensor<1>,
}

/// Computes `activation((x - mean) / sqrt(variance + epsilon) * scale + shift)` with mean and
/// variance of each channel over the batch.
///
/// # Shapes
///
/// - `x`: `[N, C, H, W]`
/// - `scale`, `shift`: `[C]`
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{Activation, batch_norm};
///
/// let device = Device::flex();
/// let x = Tensor::<1>::from_floats([1.0, 3.0], &device).reshape([1, 1, 1, 2]);
/// let (scale, shift) = (Tensor::ones([1], &device), Tensor::zeros([1], &device));
/// let norm = batch_norm(x, scale, shift, 0.0, Activation::Relu);
/// assert_eq!(norm.output.into_data().try_to_vec::<f32>().unwrap(), [0.0, 1.0]);
/// assert_eq!(norm.mean.into_scalar::<f32>(), 2.0);
/// ```
#[must_use]
pub fn batch_norm(
    x: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> BatchNormOutput {
    let relu = activation == Activation::Relu;
    if let Some(mut norm) = differentiable::batch_norm(&x, &scale, &shift, epsilon, relu) {
        if !relu {
            norm.output = activation.apply(norm.output);
        }
        return norm;
    }
    let norm = batch_norm_train(x, scale, shift, epsilon);
    BatchNormOutput {
        output: activation.apply(norm.output),
        mean: norm.mean.detach(),
        variance: norm.variance.detach(),
    }
}
