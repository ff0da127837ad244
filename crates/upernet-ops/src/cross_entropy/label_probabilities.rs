//! How probable a network finds the labels.

use burn::tensor::{DType, Int, Tensor, TensorData, activation::softmax, s};

use super::{class_ids, plain::counting_pixels};
use crate::{
    flex::{self, Map},
    kernels::cross_entropy as kernel,
    resize_bilinear,
};

/// The probability of each pixel's label, from logits resized bilinearly to the labels' size; 1 where
/// the label does not count, as with [`cross_entropy`](crate::cross_entropy). No gradient passes it.
///
/// On burn's CPU backend the resized logits never exist; elsewhere those of one image do at a time.
///
/// # Shapes
///
/// - `logits`: `[N, num_labels, h, w]`
/// - `labels`, output: `[N, H, W]`
///
/// # Panics
///
/// Panics if the batches differ or the labels are empty.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use upernet_ops::label_probabilities;
///
/// let device = Device::flex();
/// let logits = Tensor::<4>::zeros([1, 4, 2, 2], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 3, 255], &device).reshape([1, 1, 3]);
/// let probabilities = label_probabilities(logits, &labels, 255).into_data();
/// assert_eq!(probabilities.try_to_vec::<f32>().unwrap(), [0.25, 0.25, 1.0]);
/// ```
#[must_use]
pub fn label_probabilities(
    logits: Tensor<4>,
    labels: &Tensor<3, Int>,
    ignore_index: i64,
) -> Tensor<3> {
    let ([batch, num_labels, ..], [label_batch, height, width]) = (logits.dims(), labels.dims());
    assert_eq!(
        batch, label_batch,
        "logits of {batch} images and labels of {label_batch}"
    );
    let logits = logits.without_autodiff();
    if logits.dtype() == DType::F32 && flex::has_kernels(&logits.device()) {
        let device = logits.device();
        let labels = class_ids(labels, num_labels, ignore_index);
        let logits = Map::from_tensor(logits);
        let given = kernel::Labelled {
            logits: logits.values(),
            from: logits.size(),
            classes: num_labels,
            labels: &labels,
            to: [height, width],
        };
        let mut probabilities = vec![0.0; labels.len()];
        kernel::label_probabilities(given, &mut probabilities);
        let data = TensorData::new(probabilities, [batch, height, width]);
        return Tensor::from_data(data, &device);
    }
    plain(&logits, labels, ignore_index)
}

fn plain(logits: &Tensor<4>, labels: &Tensor<3, Int>, ignore_index: i64) -> Tensor<3> {
    let ([batch, num_labels, ..], [_, height, width]) = (logits.dims(), labels.dims());
    let images = (0..batch).map(|image| {
        let labels = labels.clone().slice(s![image..=image]);
        let labels = labels.unsqueeze_dim::<4>(1); // [1, 1, H, W]
        let left_out = counting_pixels(&labels, num_labels, ignore_index).bool_not();
        let resized = resize_bilinear(logits.clone().slice(s![image..=image]), [height, width]);
        let safe_labels = labels.mask_fill(left_out.clone(), 0);
        let picked = softmax(resized, 1).gather(1, safe_labels);
        picked.mask_fill(left_out, 1.0)
    });
    Tensor::cat(images.collect(), 0).squeeze_dim(1)
}
