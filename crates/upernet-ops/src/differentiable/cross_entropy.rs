//! Mean cross-entropy of resized logits, recorded.

use std::sync::OnceLock;

use burn::tensor::{Int, Tensor};
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    CrossEntropy,
    cross_entropy::class_ids,
    flex::{self, Map},
    kernels::cross_entropy::{Labelled, Targets, cross_entropy},
};

/// [`CrossEntropy::forward_resized`], if it is recorded.
pub(crate) fn resized_cross_entropy(
    logits: &Tensor<4>,
    labels: &Tensor<3, Int>,
    settings: &CrossEntropy,
) -> Option<Tensor<1>> {
    is_recorded(logits).then(|| {
        let [_, num_labels, ..] = logits.dims();
        let [_, height, width] = labels.dims();
        let weights = settings.class_weights.clone();
        let weights = weights.unwrap_or_else(|| vec![1.0; num_labels]);
        let operation = RecordedCrossEntropy {
            labels: class_ids(labels, num_labels, settings.ignore_index),
            size: [height, width],
            targets: Targets::new(weights, settings.label_smoothing),
            gradient: OnceLock::new(),
        };
        record(operation, [logits.clone().into_dispatch()])
    })
}

/// Input: the logits.
#[derive(Debug)]
struct RecordedCrossEntropy {
    labels: Vec<u32>,
    size: [usize; 2],
    targets: Targets,
    /// Comes with the loss: both need the same exponentials.
    gradient: OnceLock<Map>,
}

impl Operation for RecordedCrossEntropy {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let logits = Map::from_primitive(inputs[0].clone());
        let mut gradient = Map::to_fill(logits.dims());
        let given = Labelled {
            logits: logits.values(),
            from: logits.size(),
            classes: logits.channels(),
            labels: &self.labels,
            to: self.size,
        };
        let loss = cross_entropy(given, &self.targets, gradient.values_mut());
        self.gradient.get_or_init(|| gradient);
        flex::vector(&[loss])
    }

    fn backward(
        &self,
        _: &[FlexTensor],
        gradient: FlexTensor,
        _: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let factor = flex::slice(&flex::contiguous(&gradient))[0];
        let gradient = self.gradient.get().expect("the forward pass sets it");
        let mut gradient = gradient.clone();
        if factor.to_bits() != 1.0_f32.to_bits() {
            for value in gradient.values_mut() {
                *value *= factor;
            }
        }
        vec![Some(gradient.into_primitive())]
    }
}
