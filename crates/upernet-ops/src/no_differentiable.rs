//! Stands in for the module `differentiable` in builds without burn's CPU backend: nothing is recorded
//! there but plain tensor operations.

use burn::tensor::{Int, Tensor};

use crate::{BatchNormOutput, CrossEntropy, LayerNormWeights, ResponseNormWeights};

pub(crate) fn attention(_: [&Tensor<4>; 3], _: Option<&Tensor<3>>, _: usize) -> Option<Tensor<4>> {
    None
}

pub(crate) fn batch_norm(
    _: &Tensor<4>,
    _: &Tensor<1>,
    _: &Tensor<1>,
    _: f64,
    _: bool,
) -> Option<BatchNormOutput> {
    None
}

pub(crate) fn conv3x3(_: &Tensor<4>, _: &Tensor<4>) -> Option<Tensor<4>> {
    None
}

pub(crate) fn depthwise(_: &Tensor<4>, _: &Tensor<4>, _: &Tensor<1>) -> Option<Tensor<4>> {
    None
}

pub(crate) fn gelu<const D: usize>(_: &Tensor<D>) -> Option<Tensor<D>> {
    None
}

pub(crate) fn layer_norm(_: &Tensor<4>, _: &LayerNormWeights) -> Option<Tensor<4>> {
    None
}

pub(crate) fn linear(_: &Tensor<4>, _: &Tensor<2>, _: Option<&Tensor<1>>) -> Option<Tensor<4>> {
    None
}

pub(crate) fn resize_bilinear(_: &Tensor<4>, _: [usize; 2]) -> Option<Tensor<4>> {
    None
}

pub(crate) fn resized_cross_entropy(
    _: &Tensor<4>,
    _: &Tensor<3, Int>,
    _: &CrossEntropy,
) -> Option<Tensor<1>> {
    None
}

pub(crate) fn response_norm(_: &Tensor<4>, _: &ResponseNormWeights) -> Option<Tensor<4>> {
    None
}

pub(crate) fn upsample_conv3x3(_: &Tensor<4>, _: &Tensor<4>, _: [usize; 2]) -> Option<Tensor<4>> {
    None
}
