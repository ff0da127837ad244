//! Logits and labels of a batch, and what several terms want to know of them.

use std::cell::OnceCell;

use burn::tensor::{
    Bool, Int, Tensor, TensorData,
    activation::{log_softmax, softmax},
};
use upernet_ops::resize_bilinear;

/// A batch, as the terms of a loss see it. What costs much is computed once, when first asked for.
pub(super) struct Pixels {
    logits: Tensor<4>,
    labels: Tensor<3, Int>,
    ignore_index: i64,
    resized: OnceCell<Tensor<4>>,
    probabilities: OnceCell<Tensor<4>>,
}

impl Pixels {
    /// # Panics
    ///
    /// Panics if the batches differ.
    pub(super) fn new(logits: Tensor<4>, labels: Tensor<3, Int>, ignore_index: i64) -> Self {
        let ([batch, ..], [label_batch, ..]) = (logits.dims(), labels.dims());
        assert_eq!(
            batch, label_batch,
            "logits of {batch} images and labels of {label_batch}"
        );
        Self {
            logits,
            labels,
            ignore_index,
            resized: OnceCell::new(),
            probabilities: OnceCell::new(),
        }
    }

    /// As the network made them, `[N, C, h, w]`.
    pub(super) fn logits(&self) -> &Tensor<4> {
        &self.logits
    }

    /// `[N, H, W]`.
    pub(super) fn labels(&self) -> &Tensor<3, Int> {
        &self.labels
    }

    /// The label of pixels that do not count.
    pub(super) fn ignore_index(&self) -> i64 {
        self.ignore_index
    }

    /// The classes that there is something to learn of: all, or all but the ignored one.
    pub(super) fn classes(&self) -> Vec<usize> {
        let ignored = usize::try_from(self.ignore_index).ok();
        (0..self.num_labels())
            .filter(|&class| Some(class) != ignored)
            .collect()
    }

    pub(super) fn num_labels(&self) -> usize {
        self.logits.dims()[1]
    }

    /// At the labels' size, `[N, C, H, W]`.
    pub(super) fn probabilities(&self) -> Tensor<4> {
        let compute = || softmax(self.resized(), 1);
        self.probabilities.get_or_init(compute).clone()
    }

    /// At the labels' size, `[N, C, H, W]`.
    pub(super) fn log_probabilities(&self) -> Tensor<4> {
        log_softmax(self.resized(), 1)
    }

    /// Whether a pixel counts, `[N, 1, H, W]`.
    pub(super) fn counting(&self) -> Tensor<4, Bool> {
        let num_labels = i64::try_from(self.num_labels()).expect("class counts are small");
        let labels = self.labels.clone().unsqueeze_dim::<4>(1);
        let known = labels.clone().greater_equal_scalar(0);
        let known = known.bool_and(labels.clone().lower_scalar(num_labels));
        known.bool_and(labels.not_equal_scalar(self.ignore_index))
    }

    /// The labels, 0 where a pixel does not count: any index in bounds will do. `[N, 1, H, W]`.
    pub(super) fn safe_labels(&self) -> Tensor<4, Int> {
        let labels = self.labels.clone().unsqueeze_dim::<4>(1);
        labels.mask_fill(self.counting().bool_not(), 0)
    }

    /// A factor for each pixel by its label, 0 where it does not count. `[N, 1, H, W]`.
    pub(super) fn by_label(&self, factors: &[f32]) -> Tensor<4> {
        let labels = self.safe_labels();
        let dims = labels.dims();
        let data = TensorData::new(factors.to_vec(), [factors.len()]);
        let kind = (&self.logits.device(), self.logits.dtype());
        let factors = Tensor::<1>::from_data(data, kind).select(0, labels.reshape([-1]));
        let factors = factors.reshape(dims);
        factors.mask_fill(self.counting().bool_not(), 0.0)
    }

    /// 1 where a pixel counts, else 0, `[N, 1, H, W]`, as the logits' type.
    pub(super) fn mask(&self) -> Tensor<4> {
        self.counting().int().float().cast(self.logits.dtype())
    }

    fn resized(&self) -> Tensor<4> {
        let [_, height, width] = self.labels.dims();
        let compute = || resize_bilinear(self.logits.clone(), [height, width]);
        self.resized.get_or_init(compute).clone()
    }
}

/// A quotient that is 0 where the divisor is.
pub(super) fn divide(sum: Tensor<1>, count: Tensor<1>) -> Tensor<1> {
    let nothing = count.clone().equal_scalar(0.0);
    let quotient = sum / count.mask_fill(nothing.clone(), 1.0);
    quotient.mask_fill(nothing, 0.0)
}
