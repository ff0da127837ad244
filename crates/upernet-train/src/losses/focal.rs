//! Focal loss.

use burn::tensor::Tensor;

use super::{
    FocalTerm,
    config::single,
    pixels::{Pixels, divide},
};

/// Where `1 - p` ends: a fractional power has no finite slope at 0, and below this there is no loss.
const LEAST_DOUBT: f64 = 1e-7;

/// A [`FocalTerm`] with its factors.
#[derive(Clone, Debug)]
pub(super) struct Focal {
    gamma: f64,
    alpha: Option<Vec<f32>>,
}

impl Focal {
    /// The term's own factors, or else the weights.
    pub(super) fn new(term: &FocalTerm, class_weights: Option<&[f32]>) -> Self {
        let alpha = term.alpha.as_ref();
        let alpha = alpha.map(|alpha| alpha.iter().copied().map(single).collect());
        Self {
            gamma: term.gamma,
            alpha: alpha.or_else(|| class_weights.map(<[f32]>::to_vec)),
        }
    }

    pub(super) fn forward(&self, pixels: &Pixels) -> Tensor<1> {
        let log_probability = pixels.log_probabilities().gather(1, pixels.safe_labels());
        let doubt: Tensor<4> = 1.0 - log_probability.clone().exp();
        let focus = doubt.clamp_min(LEAST_DOUBT).powf_scalar(self.gamma);
        let losses = -log_probability * focus; // [N, 1, H, W]
        let mask = pixels.mask();
        let factors = match &self.alpha {
            Some(alpha) => pixels.by_label(alpha),
            None => mask.clone(),
        };
        divide((losses * factors).sum(), mask.sum())
    }
}
