//! GELU in its exact form.
//!
//! Source: Hendrycks and Gimpel, *Gaussian Error Linear Units* (2016),
//! <https://arxiv.org/abs/1606.08415>, section 2. Upstream: `torch.nn.functional.gelu` with
//! `approximate="none"`.

use std::f64::consts::SQRT_2;

use burn::tensor::{Tensor, activation};

use crate::differentiable;

/// Computes `x * (1 + erf(x / sqrt 2)) / 2`, with the exact derivative on every backend.
///
/// burn 0.22's fused GELU is exact forward, but most backends differentiate it as the tanh
/// approximation; under autodiff it is therefore spelled out, at the price of a few more passes, but
/// for burn's CPU backend, where there is a kernel for each direction.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<1>::from_floats([-1.0, 0.0, 2.0], &Device::flex());
/// let y: Vec<f32> = upernet_ops::gelu(x).into_data().try_to_vec().unwrap();
/// assert!((y[0] + 0.158_655_25).abs() < 1e-6);
/// assert!((y[2] - 1.954_499_7).abs() < 1e-6);
/// ```
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if let Some(y) = differentiable::gelu(&x) {
        y
    } else if x.is_autodiff() {
        let cdf = ((x.clone() / SQRT_2).erf() + 1.0) * 0.5;
        x * cdf
    } else {
        activation::gelu(x)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// `x = torch.tensor([-2.5, -1., -.1, .3, 1.7], dtype=torch.float64, requires_grad=True);
    /// torch.nn.functional.gelu(x).sum().backward(); x.grad`, torch 2.15.
    #[test]
    fn derivative_is_exact() {
        let device = Device::flex().autodiff();
        let x = Tensor::<1>::from_floats([-2.5, -1.0, -0.1, 0.3, 1.7], &device).require_grad();
        let gradients = gelu(x.clone()).sum().backward();
        let actual: Vec<f32> = x
            .grad(&gradients)
            .expect("tracked")
            .into_data()
            .try_to_vec()
            .expect("f32 gradient");
        let expected = [
            -0.037_611_086,
            -0.083_315_47,
            0.420_476_9,
            0.732_327_77,
            1.115_318,
        ];
        for (a, e) in actual.iter().zip(expected) {
            assert!((a - e).abs() < 2e-7, "{actual:?} vs {expected:?}");
        }
    }

    #[test]
    fn both_forms_agree() {
        let device = Device::flex();
        let x: Vec<f32> = (-60..=60).map(|i| i as f32 / 10.0).collect();
        let plain = gelu(Tensor::<1>::from_floats(x.as_slice(), &device)).into_data();
        let tracked = gelu(Tensor::<1>::from_floats(x.as_slice(), &device.autodiff())).into_data();
        let plain: Vec<f32> = plain.try_to_vec().expect("f32");
        let tracked: Vec<f32> = tracked.try_to_vec().expect("f32");
        for (p, t) in plain.iter().zip(tracked) {
            assert!((p - t).abs() < 1e-6, "{p} vs {t}");
        }
    }
}
