//! Labels as kernels read them.

use burn::tensor::{Int, Tensor};

use crate::kernels::cross_entropy::IGNORED;

/// The class of each pixel, [`IGNORED`] where it does not count.
pub(crate) fn class_ids(labels: &Tensor<3, Int>, num_labels: usize, ignore_index: i64) -> Vec<u32> {
    let labels = labels.clone().into_data();
    let labels = labels.iter::<i64>().map(|label| {
        let class = u32::try_from(label).ok();
        let class = class.filter(|&class| (class as usize) < num_labels);
        class.filter(|_| label != ignore_index).unwrap_or(IGNORED)
    });
    labels.collect()
}
