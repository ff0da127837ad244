//! Cross-entropy over labelled pixels.
//!
//! Upstream: `torch.nn.CrossEntropyLoss(ignore_index=...)` as `UperNetForSemanticSegmentation` uses
//! it, and its arguments `weight` and `label_smoothing`. burn's own cross-entropy reads the logits at
//! the ignored label before it masks, which is out of bounds for the usual 255.

mod class_ids;
mod label_probabilities;
mod plain;

use burn::tensor::{Int, Tensor};

pub(crate) use self::class_ids::class_ids;
pub use self::label_probabilities::label_probabilities;
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
/// [`CrossEntropy`] has class weights and label smoothing besides.
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
    CrossEntropy::new(ignore_index).forward(logits, labels)
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
    CrossEntropy::new(ignore_index).forward_resized(logits, labels)
}

/// A cross-entropy whose classes count differently, or whose labels are not to be believed entirely.
///
/// With `p` the softmax over the `C` classes, `w` the class weights (1 if there are none), `e` the
/// label smoothing and sums over the pixels `i` that count, it is
/// `-sum_i ((1 - e) w[y_i] ln p_i[y_i] + e / C sum_c w[c] ln p_i[c]) / sum_i w[y_i]`.
///
/// As with [`cross_entropy`] it is 0, and so is its gradient, where upstream divides by 0: no pixel
/// counts, or all that do are of classes that weigh 0.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use upernet_ops::CrossEntropy;
///
/// let device = Device::flex();
/// let logits = Tensor::<4>::zeros([1, 3, 2, 2], &device);
/// let labels = Tensor::<3, Int>::zeros([1, 7, 5], &device);
/// let cross_entropy = CrossEntropy {
///     class_weights: Some(vec![0.5, 1.0, 2.0]),
///     label_smoothing: 0.1,
///     ..CrossEntropy::new(255)
/// };
/// let loss: f32 = cross_entropy.forward_resized(logits, labels).into_scalar();
/// // The smooth part is 0.1 / 3 * (0.5 + 1 + 2) * ln 3, over the weight 0.5 of the label.
/// let expected = (0.9 + 0.1 / 3.0 * 3.5 / 0.5) * 3.0_f32.ln();
/// assert!((loss - expected).abs() < 1e-5);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropy {
    /// The label of pixels that do not count.
    pub ignore_index: i64,
    /// What a pixel of each class counts, from 0 up; all the same if there are none.
    pub class_weights: Option<Vec<f32>>,
    /// The share of a label that is spread over all classes, from 0 to 1 (Szegedy and others 2016,
    /// <https://arxiv.org/abs/1512.00567>, section 7).
    pub label_smoothing: f32,
}

impl CrossEntropy {
    /// All classes weigh the same, labels are believed.
    #[must_use]
    pub fn new(ignore_index: i64) -> Self {
        Self {
            ignore_index,
            class_weights: None,
            label_smoothing: 0.0,
        }
    }

    /// The loss of logits that have the labels' size.
    ///
    /// # Shapes
    ///
    /// - `logits`: `[N, num_labels, H, W]`
    /// - `labels`: `[N, H, W]`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// Panics if the sizes of logits and labels differ, or there are more or fewer class weights than
    /// classes.
    #[must_use]
    pub fn forward(&self, logits: Tensor<4>, labels: Tensor<3, Int>) -> Tensor<1> {
        let [batch, num_labels, height, width] = logits.dims();
        assert_eq!(
            labels.dims(),
            [batch, height, width],
            "labels do not fit logits of {batch} x {height} x {width} pixels"
        );
        self.check_weights(num_labels);
        plain::cross_entropy(logits, labels, self)
    }

    /// The loss of logits resized bilinearly to the labels' size.
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
    /// Panics if the batches differ, the labels are empty, or there are more or fewer class weights
    /// than classes.
    #[must_use]
    pub fn forward_resized(&self, logits: Tensor<4>, labels: Tensor<3, Int>) -> Tensor<1> {
        let [batch, num_labels, ..] = logits.dims();
        let [label_batch, height, width] = labels.dims();
        assert_eq!(
            batch, label_batch,
            "logits of {batch} images and labels of {label_batch}"
        );
        self.check_weights(num_labels);
        match differentiable::resized_cross_entropy(&logits, &labels, self) {
            Some(loss) => loss,
            None => self.forward(resize_bilinear(logits, [height, width]), labels),
        }
    }

    fn check_weights(&self, num_labels: usize) {
        if let Some(weights) = &self.class_weights {
            assert_eq!(
                weights.len(),
                num_labels,
                "{} class weights for {num_labels} classes",
                weights.len()
            );
        }
    }
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

    fn weighted(class_weights: [f32; 3]) -> CrossEntropy {
        CrossEntropy {
            class_weights: Some(class_weights.to_vec()),
            label_smoothing: 0.2,
            ..CrossEntropy::new(255)
        }
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

    /// `F.cross_entropy(logits.view(1, 3, 2, 2), torch.tensor([[[2, 255], [0, 1]]]),
    /// weight=torch.tensor([0.5, 2., 3.]), label_smoothing=0.2, ignore_index=255)` in float64, torch
    /// 2.15.
    #[test]
    fn weights_and_smoothing_are_upstreams() {
        let device = Device::flex();
        let loss: f32 = weighted([0.5, 2.0, 3.0])
            .forward(logits(&device), labels([2, 255, 0, 1], &device))
            .into_scalar();
        assert!((loss - 1.261_250_9).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn classes_that_weigh_nothing_give_zero_and_a_zero_gradient() {
        for device in [Device::flex(), Device::flex().autodiff()] {
            let labels = labels([0, 255, 0, 0], &device);
            let loss: f32 = weighted([0.0, 2.0, 3.0])
                .forward_resized(logits(&device), labels)
                .into_scalar();
            assert!(loss == 0.0, "{loss}");
        }
        let device = Device::flex().autodiff();
        for compute in [CrossEntropy::forward, CrossEntropy::forward_resized] {
            let logits = logits(&device).require_grad();
            let labels = labels([0, 255, 0, 0], &device);
            let loss = compute(&weighted([0.0, 2.0, 3.0]), logits.clone(), labels);
            let gradient = logits.grad(&loss.backward()).expect("tracked").into_data();
            assert!(
                gradient.iter::<f32>().all(|value| value == 0.0),
                "{gradient}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "2 class weights for 3 classes")]
    fn refuses_too_few_weights() {
        let device = Device::flex();
        let cross_entropy = CrossEntropy {
            class_weights: Some(vec![1.0; 2]),
            ..CrossEntropy::new(255)
        };
        let _ = cross_entropy.forward_resized(logits(&device), labels([0; 4], &device));
    }

    #[test]
    #[should_panic(expected = "labels do not fit logits of 1 x 2 x 2 pixels")]
    fn refuses_other_sizes() {
        let device = Device::flex();
        let labels = Tensor::<3, Int>::zeros([1, 2, 3], &device);
        let _ = cross_entropy(logits(&device), labels, 255);
    }
}
