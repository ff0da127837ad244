//! GELU, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    flex::{self, TO_CHANNELS_FIRST, TO_CHANNELS_LAST},
    kernels::gelu as kernel,
};

/// [`gelu`](crate::gelu()), if it is recorded.
pub(crate) fn gelu<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    is_recorded(x).then(|| record(Gelu, [x.clone().into_dispatch()]))
}

/// Input: any tensor.
#[derive(Debug)]
struct Gelu;

impl Operation for Gelu {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let order = Order::of(&inputs[0]);
        let x = order.read(&inputs[0]);
        order.write(flex::filled(x.layout().shape(), |y| {
            kernel::gelu(flex::slice(&x), y);
        }))
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        _: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let order = Order::of(&inputs[0]);
        let (x, gradient) = (order.read(&inputs[0]), order.read(&gradient));
        let of_x = flex::filled(x.layout().shape(), |values| {
            kernel::gelu_backward(flex::slice(&x), flex::slice(&gradient), values);
        });
        vec![Some(order.write(of_x))]
    }
}

/// The order in which values are taken: as they lie in memory, where that is possible.
#[derive(Clone, Copy)]
enum Order {
    AsTheyAre,
    ChannelsLast,
}

impl Order {
    fn of(x: &FlexTensor) -> Self {
        let is_map = x.layout().num_dims() == TO_CHANNELS_LAST.len();
        if is_map && !x.is_contiguous() && x.permute(&TO_CHANNELS_LAST).is_contiguous() {
            Self::ChannelsLast
        } else {
            Self::AsTheyAre
        }
    }

    fn read(self, x: &FlexTensor) -> FlexTensor {
        match self {
            Self::AsTheyAre => flex::contiguous(x),
            Self::ChannelsLast => flex::contiguous(&x.permute(&TO_CHANNELS_LAST)),
        }
    }

    fn write(self, x: FlexTensor) -> FlexTensor {
        match self {
            Self::AsTheyAre => x,
            Self::ChannelsLast => x.permute(&TO_CHANNELS_FIRST),
        }
    }
}
