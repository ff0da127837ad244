//! Layer normalisation of a map, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    LayerNormWeights,
    flex::{self, Map},
    kernels::{
        layer_norm::{self as kernel, LayerNorm as Weights},
        layer_norm_backward::layer_norm_backward,
    },
};

/// [`layer_norm`](crate::layer_norm()), if it is recorded.
#[expect(
    clippy::cast_possible_truncation,
    reason = "an epsilon is rounded to the precision of the map"
)]
pub(crate) fn layer_norm(x: &Tensor<4>, weights: &LayerNormWeights) -> Option<Tensor<4>> {
    let LayerNormWeights { scale, shift, .. } = weights;
    (is_recorded(x) && is_recorded(scale) && is_recorded(shift)).then(|| {
        let operation = LayerNorm {
            epsilon: weights.epsilon as f32,
        };
        let [scale, shift] = [scale, shift].map(|weight| weight.clone().into_dispatch());
        record(operation, [x.clone().into_dispatch(), scale, shift])
    })
}

/// Inputs: the map, scale and shift, `[channels]`.
#[derive(Debug)]
struct LayerNorm {
    epsilon: f32,
}

impl Operation for LayerNorm {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = Map::from_primitive(inputs[0].clone());
        let [scale, shift] = [1, 2].map(|index| flex::contiguous(&inputs[index]));
        let mut y = Map::to_fill(x.dims());
        kernel::layer_norm(x.values(), self.weights(&scale, &shift), y.values_mut());
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
        let [scale, shift] = [1, 2].map(|index| flex::contiguous(&inputs[index]));
        let mut of_x = Map::to_fill(x.dims());
        let of_weights = layer_norm_backward(
            x.values(),
            self.weights(&scale, &shift),
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

impl LayerNorm {
    fn weights<'a>(&self, scale: &'a FlexTensor, shift: &'a FlexTensor) -> Weights<'a> {
        Weights {
            scale: flex::slice(scale),
            shift: flex::slice(shift),
            epsilon: self.epsilon,
        }
    }
}
