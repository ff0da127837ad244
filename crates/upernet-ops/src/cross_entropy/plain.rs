//! The cross-entropy in burn's own operations.

use burn::tensor::{Bool, Int, Tensor, TensorData, activation::log_softmax};

use super::CrossEntropy;

/// See [`CrossEntropy::forward`].
pub(super) fn cross_entropy(
    logits: Tensor<4>,
    labels: Tensor<3, Int>,
    settings: &CrossEntropy,
) -> Tensor<1> {
    let num_labels = logits.dims()[1];
    let labels = labels.unsqueeze_dim::<4>(1); // [N, 1, H, W]
    let left_out = counting_pixels(&labels, num_labels, settings.ignore_index).bool_not();

    // Pixels that do not count look up class 0: any index in bounds will do, the mask drops them.
    let labels_dims = labels.dims();
    let safe_labels = labels.mask_fill(left_out.clone(), 0);
    let log_probabilities = log_softmax(logits, 1);
    let smoothing = settings.label_smoothing;
    let smooth = (smoothing > 0.0).then(|| {
        let spread = match class_weights(settings, &log_probabilities) {
            Some(weights) => log_probabilities.clone() * weights.reshape([1, -1, 1, 1]),
            None => log_probabilities.clone(),
        };
        let spread = spread.sum_dim(1).mask_fill(left_out.clone(), 0.0);
        spread.sum() * (f64::from(smoothing) / num_labels as f64)
    });

    let weights = class_weights(settings, &log_probabilities).map(|weights| {
        let weights = weights.select(0, safe_labels.clone().reshape([-1]));
        weights
            .reshape(labels_dims)
            .mask_fill(left_out.clone(), 0.0)
    });
    let picked = log_probabilities.gather(1, safe_labels);
    let picked = picked.mask_fill(left_out.clone(), 0.0);
    let (picked, total) = if let Some(weights) = weights {
        (picked * weights.clone(), weights.sum())
    } else {
        let counting = left_out.bool_not().int().sum().float();
        let counting = counting.cast(picked.dtype());
        (picked, counting)
    };
    let sum = match smooth {
        Some(smooth) => picked.sum() * (1.0 - f64::from(smoothing)) + smooth,
        None => picked.sum(),
    };
    let nothing = total.clone().equal_scalar(0.0);
    (-sum / total.mask_fill(nothing.clone(), 1.0)).mask_fill(nothing, 0.0)
}

/// `[num_labels]`, with the device and type of the logits.
fn class_weights(settings: &CrossEntropy, logits: &Tensor<4>) -> Option<Tensor<1>> {
    settings.class_weights.as_ref().map(|weights| {
        let data = TensorData::new(weights.clone(), [weights.len()]);
        Tensor::from_data(data, (&logits.device(), logits.dtype()))
    })
}

/// Whether a pixel counts.
pub(super) fn counting_pixels(
    labels: &Tensor<4, Int>,
    num_labels: usize,
    ignore_index: i64,
) -> Tensor<4, Bool> {
    let num_labels = i64::try_from(num_labels).expect("class counts are small");
    let known = labels
        .clone()
        .greater_equal_scalar(0)
        .bool_and(labels.clone().lower_scalar(num_labels));
    known.bool_and(labels.clone().not_equal_scalar(ignore_index))
}
