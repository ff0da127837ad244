//! What a model's heads say, against labels: the number to make small.

use burn::tensor::{Int, Tensor};
use upernet::zoo::Model;

use crate::{
    Error,
    losses::{Loss, LossConfig},
};

/// The loss of both heads.
#[derive(Debug)]
pub struct Objective {
    decode: Loss,
    auxiliary: Loss,
    class_weights: Option<Vec<f32>>,
}

/// A loss and what it is made of.
#[derive(Debug)]
pub struct ObjectiveValue {
    /// What gradients are taken of, `[1]`.
    pub total: Tensor<1>,
    /// Named parts of it, `[1]` each, without gradients: the terms of the decode head, and `auxiliary`.
    pub parts: Vec<(String, Tensor<1>)>,
}

impl Objective {
    /// The terms of `config` for the decode head, and the cross-entropy for the auxiliary head, which the
    /// model weighs.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if a term's settings make no sense.
    pub fn new(
        config: &LossConfig,
        num_labels: usize,
        ignore_index: i64,
        class_weights: Option<Vec<f32>>,
    ) -> Result<Self, Error> {
        let loss = |config: &LossConfig| {
            let weights = class_weights.clone();
            Loss::new(config, num_labels, ignore_index, weights)
        };
        Ok(Self {
            decode: loss(config)?,
            auxiliary: loss(&LossConfig::default())?,
            class_weights,
        })
    }

    /// Computes the loss of a batch.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`
    /// - `labels`: `[N, H, W]`
    #[must_use]
    pub fn forward(
        &self,
        model: &Model,
        pixel_values: Tensor<4>,
        labels: &Tensor<3, Int>,
    ) -> ObjectiveValue {
        let logits = model.forward_heads(pixel_values);
        let decode = self.decode.forward_terms(logits.decode, labels.clone());
        let mut total = decode.total;
        let terms = decode.terms.into_iter();
        let mut parts: Vec<_> = terms.map(|term| (term.name, term.value)).collect();
        if let Some(logits) = logits.auxiliary {
            let auxiliary = self.auxiliary.forward(logits, labels.clone());
            parts.push(("auxiliary".to_owned(), auxiliary.clone().detach()));
            total = total + auxiliary * model.auxiliary_loss_weight();
        }
        ObjectiveValue { total, parts }
    }

    /// What a cross-entropy over these labels is divided by: the number of labelled pixels, or the sum of
    /// their classes' weights. Parts of a batch whose losses are weighed by it add up to the batch's.
    #[must_use]
    pub fn mass(&self, labels: &[u16], num_labels: usize) -> f64 {
        let labels = labels.iter().map(|&label| usize::from(label));
        let labels = labels.filter(|&label| label < num_labels);
        match &self.class_weights {
            Some(weights) => {
                let mut counts = vec![0_u64; num_labels];
                labels.for_each(|label| counts[label] += 1);
                let weighed = counts.iter().zip(weights);
                weighed
                    .map(|(&count, &weight)| count as f64 * f64::from(weight))
                    .sum()
            }
            None => labels.count() as f64,
        }
    }
}
