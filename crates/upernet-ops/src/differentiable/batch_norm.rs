//! Batch normalisation by the statistics of the batch, recorded.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    BatchNormOutput,
    flex::{self, Map},
    kernels::batch_norm::{BatchNorm as Weights, statistics},
};

/// [`batch_norm`](crate::batch_norm()) with a ReLU or no activation, if it is recorded.
#[expect(
    clippy::cast_possible_truncation,
    reason = "an epsilon is rounded to the precision of the map"
)]
pub(crate) fn batch_norm(
    x: &Tensor<4>,
    scale: &Tensor<1>,
    shift: &Tensor<1>,
    epsilon: f64,
    relu: bool,
) -> Option<BatchNormOutput> {
    (is_recorded(x) && is_recorded(scale) && is_recorded(shift)).then(|| {
        let statistics = Arc::new(OnceLock::new());
        let operation = BatchNorm {
            epsilon: epsilon as f32,
            relu,
            statistics: Arc::clone(&statistics),
        };
        let device = x.device();
        let [scale, shift] = [scale, shift].map(|weight| weight.clone().into_dispatch());
        let output = record(operation, [x.clone().into_dispatch(), scale, shift]);
        let statistics: &[Vec<f32>; 2] = statistics.get().expect("the forward pass sets them");
        let [mean, variance] = statistics.each_ref().map(|values| {
            Tensor::from_data(TensorData::new(values.clone(), [values.len()]), &device)
        });
        BatchNormOutput {
            output,
            mean,
            variance,
        }
    })
}

/// Inputs: the map, scale and shift, `[channels]`.
#[derive(Debug)]
struct BatchNorm {
    epsilon: f32,
    relu: bool,
    /// Mean and biased variance, once they are known.
    statistics: Arc<OnceLock<[Vec<f32>; 2]>>,
}

impl Operation for BatchNorm {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = Map::from_primitive(inputs[0].clone());
        let mut y = Map::to_fill(x.dims());
        self.weights(&x, inputs).forward(x.values(), y.values_mut());
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
        let mut of_x = Map::to_fill(x.dims());
        let weights = self.weights(&x, inputs);
        let of_weights = weights.backward(x.values(), gradient.values(), of_x.values_mut());
        let of_weights = of_weights.map(|values| Some(flex::vector(&values)));
        [Some(of_x.into_primitive())]
            .into_iter()
            .chain(of_weights)
            .collect()
    }
}

impl BatchNorm {
    fn weights(&self, x: &Map, inputs: &[FlexTensor]) -> Weights {
        let [mean, variance] = self
            .statistics
            .get_or_init(|| statistics(x.values(), x.channels()));
        let inverse = |variance: &f32| 1.0 / (variance + self.epsilon).sqrt();
        let [scale, shift] =
            [1, 2].map(|index| flex::slice(&flex::contiguous(&inputs[index])).to_vec());
        Weights {
            mean: mean.clone(),
            inverse_deviation: variance.iter().map(inverse).collect(),
            scale,
            shift,
            relu: self.relu,
        }
    }
}
