//! Global response normalisation of a map, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    ResponseNormWeights,
    flex::{self, Map},
    kernels::response_norm::ResponseNorm as Weights,
};

/// [`response_norm`](crate::response_norm()), if it is recorded.
pub(crate) fn response_norm(x: &Tensor<4>, weights: &ResponseNormWeights) -> Option<Tensor<4>> {
    let ResponseNormWeights { weight, bias } = weights;
    (is_recorded(x) && is_recorded(weight) && is_recorded(bias)).then(|| {
        let [weight, bias] = [weight, bias].map(|weight| weight.clone().into_dispatch());
        record(ResponseNorm, [x.clone().into_dispatch(), weight, bias])
    })
}

/// Inputs: the map, weight and bias, `[channels]`.
#[derive(Debug)]
struct ResponseNorm;

impl Operation for ResponseNorm {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = Map::from_primitive(inputs[0].clone());
        let [weight, bias] = [1, 2].map(|index| flex::contiguous(&inputs[index]));
        let mut y = Map::to_fill(x.dims());
        weights(&weight, &bias).forward(x.values(), pixels(&x), y.values_mut());
        y.into_primitive()
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        _: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let x = Map::from_primitive(inputs[0].clone());
        let gradient = Map::from_primitive(gradient);
        let [weight, bias] = [1, 2].map(|index| flex::contiguous(&inputs[index]));
        let mut of_x = Map::to_fill(x.dims());
        let of_weights = weights(&weight, &bias).backward(
            x.values(),
            pixels(&x),
            gradient.values(),
            of_x.values_mut(),
        );
        let of_weights = of_weights.map(|values| Some(flex::vector(&values)));
        [Some(of_x.into_primitive())]
            .into_iter()
            .chain(of_weights)
            .collect()
    }
}

fn weights<'a>(weight: &'a FlexTensor, bias: &'a FlexTensor) -> Weights<'a> {
    Weights {
        weight: flex::slice(weight),
        bias: flex::slice(bias),
    }
}

/// Pixels of one image.
fn pixels(x: &Map) -> usize {
    let [_, height, width, _] = x.dims();
    height * width
}
