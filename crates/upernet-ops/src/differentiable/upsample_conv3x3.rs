//! 3 x 3 convolution of a resized map, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, record};
use crate::{
    flex::{self, Map},
    kernels::{
        gemm::Epilogue,
        upsample_taps::{self as kernel, TapWeights},
        upsample_taps_backward::{UpsampleGradient, Wanted, gradients},
    },
};

/// [`upsample_conv3x3`](crate::upsample_conv3x3), if there are kernels for these tensors.
pub(crate) fn upsample_conv3x3(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    size: [usize; 2],
) -> Option<Tensor<4>> {
    (flex::has_gradient_kernels(x) && flex::has_gradient_kernels(weight)).then(|| {
        let inputs = [x.clone().into_dispatch(), weight.clone().into_dispatch()];
        record(UpsampleConv3x3 { size }, inputs)
    })
}

/// Inputs: the map, and the weights `[channels out, channels in, 3, 3]`.
#[derive(Debug)]
struct UpsampleConv3x3 {
    size: [usize; 2],
}

impl Operation for UpsampleConv3x3 {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let (x, weight) = (
            Map::from_primitive(inputs[0].clone()),
            flex::contiguous(&inputs[1]),
        );
        let [channels_out, channels_in, ..] = flex::dims::<4>(&weight);
        let weights = TapWeights::new(flex::slice(&weight), [channels_out, channels_in]);
        let [batch, ..] = x.dims();
        let mut y = Map::to_fill([batch, self.size[0], self.size[1], channels_out]);
        let (from, out) = (x.size(), y.values_mut());
        kernel::upsample_conv3x3(
            x.values(),
            from,
            &weights,
            self.size,
            Epilogue::default(),
            out,
        );
        y.into_primitive()
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        wanted: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let (x, gradient) = (
            Map::from_primitive(inputs[0].clone()),
            Map::from_primitive(gradient),
        );
        let weight = flex::contiguous(&inputs[1]);
        let dims = flex::dims::<4>(&weight);
        let given = UpsampleGradient {
            x: x.values(),
            from: x.size(),
            gradient: gradient.values(),
            to: self.size,
            channels: [dims[0], dims[1]],
        };
        let mut of_x = wanted[0].then(|| Map::to_fill(x.dims()));
        let mut of_weight = None;
        let input = of_x
            .as_mut()
            .map(|of_x| (flex::slice(&weight), of_x.values_mut()));
        if wanted[1] {
            of_weight = Some(flex::filled(&dims, |values| {
                let weights = Some(values);
                gradients(given, Wanted { input, weights });
            }));
        } else {
            let weights = None;
            gradients(given, Wanted { input, weights });
        }
        vec![of_x.map(Map::into_primitive), of_weight]
    }
}
