//! Linear layer over the channels of a map, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    flex::{self, Map},
    kernels::{
        gemm::{Epilogue, matmul},
        linear_backward::{bias_gradient, weight_gradient},
        packed::PackedMatrix,
        rows::{Rows, RowsMut},
    },
};

/// [`linear`](crate::linear) without activation, if it is recorded.
pub(crate) fn linear(
    x: &Tensor<4>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<4>> {
    if !(is_recorded(x) && is_recorded(weight) && bias.is_none_or(is_recorded)) {
        return None;
    }
    let (x, weight) = (x.clone().into_dispatch(), weight.clone().into_dispatch());
    Some(match bias {
        Some(bias) => record(Linear, [x, weight, bias.clone().into_dispatch()]),
        None => record(Linear, [x, weight]),
    })
}

/// Inputs: the map, the weights `[channels in, channels out]`, and the bias `[channels out]`, if any.
#[derive(Debug)]
struct Linear;

impl Operation for Linear {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let (x, weight) = (
            Map::from_primitive(inputs[0].clone()),
            flex::contiguous(&inputs[1]),
        );
        let bias = inputs.get(2).map(flex::contiguous);
        let [rows, columns] = flex::dims(&weight);
        let values = flex::slice(&weight);
        let weight = PackedMatrix::from_fn(rows, columns, |i, j| values[i * columns + j]);
        multiply(&x, &weight, bias.as_ref().map(flex::slice)).into_primitive()
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        wanted: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let gradient = Map::from_primitive(gradient);
        let dims: [usize; 2] = flex::dims(&inputs[1]);
        let [channels_in, channels_out] = dims;
        let of_x = wanted[0].then(|| {
            let weight = flex::contiguous(&inputs[1]);
            let values = flex::slice(&weight);
            let transposed = PackedMatrix::from_fn(channels_out, channels_in, |i, j| {
                values[j * channels_out + i]
            });
            multiply(&gradient, &transposed, None).into_primitive()
        });
        let of_weight = wanted[1].then(|| {
            let x = Map::from_primitive(inputs[0].clone());
            flex::filled(&dims, |values| {
                weight_gradient(x.values(), gradient.values(), dims, values);
            })
        });
        let mut gradients = vec![of_x, of_weight];
        if let Some(&wanted) = wanted.get(2) {
            gradients.push(wanted.then(|| {
                let sums = bias_gradient(gradient.values(), channels_out);
                flex::filled(&[channels_out], |values| values.copy_from_slice(&sums))
            }));
        }
        gradients
    }
}

fn multiply(x: &Map, weight: &PackedMatrix, bias: Option<&[f32]>) -> Map {
    let [batch, height, width, _] = x.dims();
    let mut y = Map::to_fill([batch, height, width, weight.n()]);
    let epilogue = Epilogue {
        bias,
        ..Epilogue::default()
    };
    let rows = Rows::dense(x.values(), weight.k());
    matmul(
        rows,
        weight,
        epilogue,
        RowsMut::dense(y.values_mut(), weight.n()),
    );
    y
}
