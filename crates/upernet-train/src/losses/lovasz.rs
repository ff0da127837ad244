//! Lovasz-softmax.

mod sorted;

use burn::tensor::{Int, Tensor, TensorData};

use super::pixels::Pixels;

/// See [`LovaszTerm`](super::LovaszTerm).
///
/// The loss of a class is a dot product of its pixels' errors with weights that depend on nothing but
/// the errors' order: the weights are constants, and no gradient has to pass a sort.
pub(super) fn forward(pixels: &Pixels) -> Tensor<1> {
    let (labels, present) = host_labels(pixels);
    if present.is_empty() {
        return pixels.logits().clone().sum() * 0.0;
    }
    let [batch, height, width] = pixels.labels().dims();
    let dims = [present.len(), batch, height, width];
    let probabilities = pixels.probabilities();
    let device = probabilities.device();
    let indices: Vec<i64> = present.iter().copied().map(i64::from).collect();
    let indices = Tensor::<1, Int>::from_ints(indices.as_slice(), &device);
    let probabilities = probabilities.select(1, indices).swap_dims(0, 1); // [K, N, H, W]

    let values = probabilities.clone().without_autodiff().into_data();
    let values: Vec<f32> = values.convert::<f32>().try_into_vec().expect("converted");
    let weighted = sorted::weights(&values, &labels, &present);

    let slopes = TensorData::new(weighted.slopes, dims);
    let slopes = Tensor::<4>::from_data(slopes, (&device, probabilities.dtype()));
    let linear = (probabilities * slopes).sum();
    // The value is the host's, which sums in 64 bits; the gradient is that of the product.
    linear.clone() - linear.detach() + weighted.loss
}

/// The label of each pixel, nothing where it does not count; and the classes that there are.
fn host_labels(pixels: &Pixels) -> (Vec<Option<u32>>, Vec<u32>) {
    let mut is_present = vec![false; pixels.num_labels()];
    let labels = pixels.labels().clone().into_data();
    let labels = labels.iter::<i64>().map(|label| {
        let class = u32::try_from(label).ok();
        let class = class.filter(|_| label != pixels.ignore_index());
        class.filter(|&class| {
            let seen = is_present.get_mut(class as usize);
            seen.map(|seen| *seen = true).is_some()
        })
    });
    let labels = labels.collect();
    let present = (0_u32..).zip(is_present);
    let present = present.filter_map(|(class, is_present)| is_present.then_some(class));
    (labels, present.collect())
}
