//! Depthwise convolution, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    flex::{self, Map},
    kernels::{
        depthwise::DepthwiseWeights,
        depthwise_backward::{KERNELS, turned, weight_gradient},
        depthwise_map::depthwise as convolve,
        gemm::Activation,
        linear_backward::bias_gradient,
    },
};

/// A [`depthwise_conv`](crate::depthwise_conv()) without what follows it, if it is recorded.
pub(crate) fn depthwise(x: &Tensor<4>, weight: &Tensor<4>, bias: &Tensor<1>) -> Option<Tensor<4>> {
    let [_, _, height, width] = weight.dims();
    let has_kernel = height == width && KERNELS.contains(&height);
    (has_kernel && is_recorded(x) && is_recorded(weight) && is_recorded(bias)).then(|| {
        let (x, weight) = (x.clone().into_dispatch(), weight.clone().into_dispatch());
        record(Depthwise, [x, weight, bias.clone().into_dispatch()])
    })
}

/// Inputs: the map, the weights `[channels, 1, kernel, kernel]`, and the bias `[channels]`.
#[derive(Debug)]
struct Depthwise;

impl Operation for Depthwise {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = Map::from_primitive(inputs[0].clone());
        let [weight, bias] = [1, 2].map(|index| flex::contiguous(&inputs[index]));
        let [_, _, kernel, _] = flex::dims(&weight);
        let bias = flex::slice(&bias).to_vec();
        let weights = DepthwiseWeights::new(kernel, flex::slice(&weight), bias);
        let mut y = Map::to_fill(x.dims());
        let none = Activation::None;
        convolve(x.values(), x.size(), &weights, none, y.values_mut());
        y.into_primitive()
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        wanted: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let gradient = Map::from_primitive(gradient);
        let (size, channels) = (gradient.size(), gradient.channels());
        let dims: [usize; 4] = flex::dims(&inputs[1]);
        let kernel = dims[2];
        let of_x = wanted[0].then(|| {
            let weight = flex::contiguous(&inputs[1]);
            let weights = turned(flex::slice(&weight), kernel);
            let weights = DepthwiseWeights::new(kernel, &weights, vec![0.0; channels]);
            let mut of_x = Map::to_fill(gradient.dims());
            let none = Activation::None;
            convolve(gradient.values(), size, &weights, none, of_x.values_mut());
            of_x.into_primitive()
        });
        let of_weight = wanted[1].then(|| {
            let x = Map::from_primitive(inputs[0].clone());
            let (given, shape) = (gradient.values(), [channels, kernel]);
            flex::filled(&dims, |values| {
                weight_gradient(x.values(), size, given, shape, values);
            })
        });
        let of_bias = wanted[2].then(|| flex::vector(&bias_gradient(gradient.values(), channels)));
        vec![of_x, of_weight, of_bias]
    }
}
