//! The last layer of both heads: a 1 x 1 convolution from channels to classes.

use burn::{module::Param, nn::conv::Conv2d, tensor::Tensor};
use upernet_ops::{Activation, linear};

/// Computes a score for each class in every cell.
///
/// `map` is `[N, C, H, W]`, the output `[N, num_labels, H, W]`.
pub(crate) fn classify(classifier: &Conv2d, map: Tensor<4>) -> Tensor<4> {
    let weight = classifier.weight.val();
    let [num_labels, channels, ..] = weight.dims();
    let weight = weight.reshape([num_labels, channels]).transpose();
    let bias = classifier.bias.as_ref().map(Param::val);
    linear(map, weight, bias, Activation::None)
}
