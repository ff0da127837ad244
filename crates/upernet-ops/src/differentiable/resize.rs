//! Bilinear resize, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    flex::{self, Map},
    kernels::{resize as kernel, resize_backward::resize_backward},
};

/// [`resize_bilinear`](crate::resize_bilinear), if it is recorded.
pub(crate) fn resize_bilinear(x: &Tensor<4>, size: [usize; 2]) -> Option<Tensor<4>> {
    is_recorded(x).then(|| record(Resize { size }, [x.clone().into_dispatch()]))
}

/// Input: the map.
#[derive(Debug)]
struct Resize {
    size: [usize; 2],
}

impl Operation for Resize {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = Map::from_primitive(inputs[0].clone());
        let [batch, _, _, channels] = x.dims();
        let mut y = Map::to_fill([batch, self.size[0], self.size[1], channels]);
        kernel::resize(x.values(), x.dims(), self.size, y.values_mut());
        y.into_primitive()
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        _: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let [batch, channels, height, width] = flex::dims(&inputs[0]);
        let gradient = Map::from_primitive(gradient);
        let mut of_x = Map::to_fill([batch, height, width, channels]);
        resize_backward(
            gradient.values(),
            gradient.size(),
            channels,
            [height, width],
            of_x.values_mut(),
        );
        vec![Some(of_x.into_primitive())]
    }
}
