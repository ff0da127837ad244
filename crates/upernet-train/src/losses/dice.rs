//! Dice loss.

use burn::tensor::{Int, Tensor};

use super::{DiceTerm, pixels::Pixels};

/// See [`DiceTerm`].
pub(super) fn forward(term: &DiceTerm, pixels: &Pixels) -> Tensor<1> {
    let classes = pixels.classes();
    if classes.is_empty() {
        return pixels.logits().clone().sum() * 0.0;
    }
    let probabilities = pixels.probabilities() * pixels.mask(); // [N, C, H, W]
    let kind = probabilities.dtype();
    let class_ids = Tensor::<1, Int>::arange(
        0..i64::try_from(pixels.num_labels()).expect("class counts are small"),
        &pixels.labels().device(),
    );
    let labels = pixels.labels().clone().unsqueeze_dim::<4>(1);
    let elsewhere = labels.not_equal(class_ids.reshape([1, -1, 1, 1])); // [N, C, H, W]

    // An ignored class matches its own label, but its ratio is not taken.
    let overlap = probabilities.clone().mask_fill(elsewhere.clone(), 0.0);
    let overlap = overlap.sum_dims_squeeze::<2, _>(&[2, 3]);
    let labelled = elsewhere.bool_not().int().float().cast(kind);
    let labelled = labelled.sum_dims_squeeze::<2, _>(&[2, 3]);
    let predicted = probabilities.powf_scalar(term.exponent);
    let predicted = predicted.sum_dims_squeeze::<2, _>(&[2, 3]);
    let ratio = (overlap * 2.0 + term.smooth) / (predicted + labelled + term.smooth); // [N, C]
    let indices: Vec<i64> = classes
        .into_iter()
        .map(|class| i64::try_from(class).expect("class counts are small"))
        .collect();
    let indices = Tensor::<1, Int>::from_ints(indices.as_slice(), &ratio.device());
    1.0 - ratio.select(1, indices).mean()
}
