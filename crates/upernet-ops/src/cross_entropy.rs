//! Cross-entropy over labelled pixels.
//!
//! Upstream: `torch.nn.CrossEntropyLoss(ignore_index=...)` as `UperNetForSemanticSegmentation` uses
//! it. burn's own cross-entropy reads the logits at the ignored label before it masks, which is out
//! of bounds for the usual 255.

use burn::tensor::{Bool, Int, Tensor, activation::log_softmax};

use crate::{differentiable, resize_bilinear};

/// Mean cross-entropy over the pixels whose label counts.
///
/// A pixel counts if its label is in `0..num_labels`; `ignore_index` may lie inside that range, and
/// then takes its class out. Labels outside the range other than `ignore_index` are an error of the
/// caller's data; they are left out too, never read out of bounds. Check data where it is read.
///
/// Two cases that upstream leaves to NaN or to an exception are defined: with **no pixel that
/// counts** the loss is 0 and its gradient is 0; with **one class** the loss is 0, since a softmax
/// over one class is always 1 and there is nothing to learn.
///
/// # Shapes
///
/// - `logits`: `[N, num_labels, H, W]`
/// - `labels`: `[N, H, W]`
/// - output: `[1]`
///
/// # Panics
///
/// Panics if the sizes of logits and labels differ.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use upernet_ops::cross_entropy;
///
/// let device = Device::flex();
/// let logits = Tensor::<4>::zeros([1, 150, 1, 3], &device);
/// let labels = Tensor::<1, Int>::from_ints([7, 149, 255], &device).reshape([1, 1, 3]);
/// let loss: f32 = cross_entropy(logits, labels, 255).into_scalar();
/// assert!((loss - 150.0_f32.ln()).abs() < 1e-5);
/// ```
#[must_use]
pub fn cross_entropy(logits: Tensor<4>, labels: Tensor<3, Int>, ignore_index: i64) -> Tensor<1> {
    let [batch, num_labels, height, width] = logits.dims();
    assert_eq!(
        labels.dims(),
        [batch, height, width],
        "labels do not fit logits of {batch} x {height} x {width} pixels"
    );
    let labels = labels.unsqueeze_dim::<4>(1); // [N, 1, H, W]
    let counts = counting_pixels(&labels, num_labels, ignore_index);

    // Pixels that do not count look up class 0: any index in bounds will do, the mask drops them.
    let safe_labels = labels.mask_fill(counts.clone().bool_not(), 0);
    let log_probabilities = log_softmax(logits, 1).gather(1, safe_labels);
    let total = log_probabilities
        .mask_fill(counts.clone().bool_not(), 0.0)
        .sum();
    let num_counting = counts.int().sum().float().cast(total.dtype());
    let num_counting = num_counting.clamp_min(1.0);
    -total / num_counting
}

/// The [`cross_entropy`] of logits resized bilinearly to the labels' size.
///
/// On burn's CPU backend with gradients the resized logits never exist.
///
/// # Shapes
///
/// - `logits`: `[N, num_labels, h, w]`
/// - `labels`: `[N, H, W]`
/// - output: `[1]`
///
/// # Panics
///
/// Panics if the batches differ or the labels are empty.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use upernet_ops::resized_cross_entropy;
///
/// let device = Device::flex().autodiff();
/// let logits = Tensor::<4>::zeros([1, 150, 2, 2], &device);
/// let labels = Tensor::<3, Int>::zeros([1, 7, 5], &device);
/// let loss: f32 = resized_cross_entropy(logits, labels, 255).into_scalar();
/// assert!((loss - 150.0_f32.ln()).abs() < 1e-5);
/// ```
#[must_use]
pub fn resized_cross_entropy(
    logits: Tensor<4>,
    labels: Tensor<3, Int>,
    ignore_index: i64,
) -> Tensor<1> {
    let ([batch, ..], [label_batch, height, width]) = (logits.dims(), labels.dims());
    assert_eq!(
        batch, label_batch,
        "logits of {batch} images and labels of {label_batch}"
    );
    match differentiable::resized_cross_entropy(&logits, &labels, ignore_index) {
        Some(loss) => loss,
        None => cross_entropy(
            resize_bilinear(logits, [height, width]),
            labels,
            ignore_index,
        ),
    }
}

fn counting_pixels(
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

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn logits(device: &Device) -> Tensor<4> {
        let values = vec![
            0.5_f32, -1.0, 2.0, 0.0, 1.5, -0.5, -2.0, 1.0, 0.25, 3.0, 0.75, -0.25,
        ];
        Tensor::from_data(TensorData::new(values, [1, 3, 2, 2]), device)
    }

    fn labels(values: [i64; 4], device: &Device) -> Tensor<3, Int> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, 2, 2]), device)
    }

    /// `F.cross_entropy(logits.view(1, 3, 2, 2), torch.tensor([[[2, 255], [0, 1]]]),
    /// ignore_index=255)` in float64, torch 2.15.
    #[test]
    fn ignored_pixels_leave_the_mean() {
        let device = Device::flex();
        let loss: f32 =
            cross_entropy(logits(&device), labels([2, 255, 0, 1], &device), 255).into_scalar();
        assert!((loss - 0.840_974_4).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn the_ignored_label_may_be_a_class() {
        let device = Device::flex();
        let ignored = cross_entropy(logits(&device), labels([2, 1, 0, 1], &device), 1);
        let outside = cross_entropy(logits(&device), labels([2, 255, 0, 255], &device), 255);
        ignored.into_data().assert_eq(&outside.into_data(), true);
    }

    #[test]
    fn labels_out_of_range_are_never_read() {
        let device = Device::flex();
        let wrong = cross_entropy(logits(&device), labels([2, 3, 0, -7], &device), 255);
        let ignored = cross_entropy(logits(&device), labels([2, 255, 0, 255], &device), 255);
        wrong.into_data().assert_eq(&ignored.into_data(), true);
    }

    #[test]
    fn all_pixels_ignored_give_zero_and_a_zero_gradient() {
        let device = Device::flex().autodiff();
        let logits = logits(&device).require_grad();
        let loss = cross_entropy(logits.clone(), labels([255; 4], &device), 255);
        let gradients = loss.backward();
        let value: f32 = loss.into_scalar();
        assert!(value == 0.0, "{value}");
        let gradient = logits.grad(&gradients).expect("tracked").into_data();
        assert!(
            gradient.iter::<f32>().all(|value| value == 0.0),
            "{gradient}"
        );
    }

    #[test]
    fn one_class_has_nothing_to_learn() {
        let device = Device::flex();
        let logits = Tensor::full([1, 1, 2, 2], 3.0, &device);
        let loss: f32 = cross_entropy(logits, labels([0, 0, 255, 0], &device), 255).into_scalar();
        assert!(loss == 0.0, "{loss}");
    }

    #[test]
    #[should_panic(expected = "labels do not fit logits of 1 x 2 x 2 pixels")]
    fn refuses_other_sizes() {
        let device = Device::flex();
        let labels = Tensor::<3, Int>::zeros([1, 2, 3], &device);
        let _ = cross_entropy(logits(&device), labels, 255);
    }
}
