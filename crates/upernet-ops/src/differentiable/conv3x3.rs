//! 3 x 3 convolution, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, record};
use crate::{
    flex::{self, Map},
    kernels::{
        conv3x3::{self as kernel, Conv3x3Weights},
        gemm::Epilogue,
        winograd_backward::weight_gradient,
    },
};

/// [`conv3x3`](crate::conv3x3) without bias or activation, if there are kernels for these tensors.
pub(crate) fn conv3x3(x: &Tensor<4>, weight: &Tensor<4>) -> Option<Tensor<4>> {
    (flex::has_gradient_kernels(x) && flex::has_gradient_kernels(weight)).then(|| {
        let inputs = [x.clone().into_dispatch(), weight.clone().into_dispatch()];
        record(Conv3x3, inputs)
    })
}

/// Inputs: the map, and the weights `[channels out, channels in, 3, 3]`.
#[derive(Debug)]
struct Conv3x3;

impl Operation for Conv3x3 {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let (x, weight) = (
            Map::from_primitive(inputs[0].clone()),
            flex::contiguous(&inputs[1]),
        );
        let [channels_out, channels_in, ..] = flex::dims::<4>(&weight);
        let weights = Conv3x3Weights::new(flex::slice(&weight), [channels_out, channels_in]);
        convolve(&x, &weights).into_primitive()
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        wanted: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let gradient = Map::from_primitive(gradient);
        let weight = flex::contiguous(&inputs[1]);
        let dims = flex::dims::<4>(&weight);
        let channels = [dims[0], dims[1]];
        let of_x = wanted[0].then(|| {
            let weights = Conv3x3Weights::backward(flex::slice(&weight), channels);
            convolve(&gradient, &weights).into_primitive()
        });
        let of_weight = wanted[1].then(|| {
            let x = Map::from_primitive(inputs[0].clone());
            let (given, size) = (gradient.values(), x.size());
            flex::filled(&dims, |values| {
                weight_gradient(x.values(), size, given, channels, values);
            })
        });
        vec![of_x, of_weight]
    }
}

fn convolve(x: &Map, weights: &Conv3x3Weights) -> Map {
    let [batch, height, width, _] = x.dims();
    let mut y = Map::to_fill([batch, height, width, weights.outputs()]);
    let (size, epilogue) = (x.size(), Epilogue::default());
    kernel::conv3x3(x.values(), size, weights, epilogue, y.values_mut());
    y
}
