//! Attention, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    flex::{Map, RowMap},
    kernels::{attention::Attention as Kernel, attention_backward::attention_backward},
};

/// [`attention`](crate::attention()) without a bias, if it is recorded.
pub(crate) fn attention(maps: [&Tensor<4>; 3], num_heads: usize) -> Option<Tensor<4>> {
    maps.iter().all(|map| is_recorded(map)).then(|| {
        let maps = maps.map(|map| map.clone().into_dispatch());
        record(Attention { num_heads }, maps)
    })
}

/// Inputs: queries, keys and values.
#[derive(Debug)]
struct Attention {
    num_heads: usize,
}

impl Operation for Attention {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let maps = [0, 1, 2].map(|index| RowMap::from_primitive(inputs[index].clone()));
        let mut context = to_fill(&maps[0]);
        self.kernel(&maps).run(context.values_mut());
        context.into_primitive()
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        _: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let maps = [0, 1, 2].map(|index| RowMap::from_primitive(inputs[index].clone()));
        let gradient = Map::from_primitive(gradient);
        let mut gradients = maps.each_ref().map(to_fill);
        let slices = gradients.each_mut().map(Map::values_mut);
        attention_backward(&self.kernel(&maps), gradient.values(), slices);
        gradients
            .map(|gradient| Some(gradient.into_primitive()))
            .into()
    }
}

impl Attention {
    fn kernel<'a>(&self, [query, key, value]: &'a [RowMap; 3]) -> Kernel<'a> {
        let [_, channels, ..] = query.dims();
        Kernel {
            num_heads: self.num_heads,
            channels,
            query: query.tokens(),
            key: key.tokens(),
            value: value.tokens(),
            bias: None,
        }
    }
}

fn to_fill(map: &RowMap) -> Map {
    let [batch, channels, height, width] = map.dims();
    Map::to_fill([batch, height, width, channels])
}
