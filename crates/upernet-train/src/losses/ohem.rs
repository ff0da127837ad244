//! Cross-entropy of hard pixels.

use burn::tensor::{Int, Tensor};
use upernet_ops::{CrossEntropy, label_probabilities};

use super::{
    OhemTerm,
    pixels::{Pixels, divide},
};

/// An [`OhemTerm`] and what it takes the hard pixels of.
#[derive(Clone, Debug)]
pub(super) struct Ohem {
    threshold: f64,
    min_kept: usize,
    cross_entropy: CrossEntropy,
}

impl Ohem {
    pub(super) fn new(term: &OhemTerm, cross_entropy: CrossEntropy) -> Self {
        Self {
            threshold: term.threshold,
            min_kept: term.min_kept,
            cross_entropy,
        }
    }

    /// Easy pixels get the ignored label, which makes the rest a cross-entropy of its own; its mean is
    /// over the hard pixels, and is brought back to all.
    pub(super) fn forward(&self, pixels: &Pixels) -> Tensor<1> {
        let probabilities = label_probabilities(
            pixels.logits().clone(),
            pixels.labels(),
            pixels.ignore_index(),
        ); // [N, H, W]
        let threshold = self.threshold(&probabilities, pixels);
        let easy = probabilities.greater_equal_scalar(threshold);
        let labels = pixels.labels().clone();
        let labels = labels.mask_fill(easy.clone(), pixels.ignore_index());
        let loss = self
            .cross_entropy
            .forward_resized(pixels.logits().clone(), labels);

        let weights = match &self.cross_entropy.class_weights {
            Some(weights) => pixels.by_label(weights),
            None => pixels.mask(),
        }; // [N, 1, H, W]
        let hard = weights.clone().mask_fill(easy.unsqueeze_dim(1), 0.0);
        loss * divide(hard.sum(), weights.sum())
    }

    /// The probability from which on a pixel is easy. Where it takes sorting, that is done on the host.
    fn threshold(&self, probabilities: &Tensor<3>, pixels: &Pixels) -> f64 {
        let least = self.min_kept.saturating_mul(pixels.labels().dims()[0]);
        let at_most = |count: Tensor<1, Int>| {
            let count = count.into_scalar::<i64>();
            usize::try_from(count).is_ok_and(|count| count <= least)
        };
        if at_most(pixels.counting().int().sum()) {
            return f64::INFINITY;
        }
        let hard = probabilities.clone().lower_scalar(self.threshold);
        if !at_most(hard.int().sum()) {
            return self.threshold;
        }
        let sorted = probabilities.clone().into_data().convert::<f64>();
        let mut sorted: Vec<f64> = sorted.try_into_vec().expect("converted to f64");
        // Pixels that do not count have the probability 1, so none is in front of one that does.
        let (_, next, _) = sorted.select_nth_unstable_by(least, f64::total_cmp);
        next.max(self.threshold)
    }
}
