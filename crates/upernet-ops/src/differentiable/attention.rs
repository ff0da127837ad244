//! Attention, recorded.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Operation, is_recorded, record};
use crate::{
    flex::{self, Map, RowMap},
    kernels::{
        attention::Attention as Kernel,
        attention_backward::{AttentionGradients, attention_backward},
    },
};

/// [`attention`](crate::attention()), if it is recorded.
pub(crate) fn attention(
    maps: [&Tensor<4>; 3],
    bias: Option<&Tensor<3>>,
    num_heads: usize,
) -> Option<Tensor<4>> {
    let all = maps.iter().all(|map| is_recorded(map)) && bias.is_none_or(is_recorded);
    all.then(|| {
        let [query, key, value] = maps.map(|map| map.clone().into_dispatch());
        let operation = Attention { num_heads };
        match bias {
            Some(bias) => {
                let bias = bias.clone().into_dispatch();
                record(operation, [query, key, value, bias])
            }
            None => record(operation, [query, key, value]),
        }
    })
}

/// Inputs: queries, keys and values; the bias, `[heads, queries, keys]`, if there is one.
#[derive(Debug)]
struct Attention {
    num_heads: usize,
}

impl Operation for Attention {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let (maps, bias) = parts(inputs);
        let mut context = to_fill(&maps[0]);
        let bias = bias.as_ref().map(flex::slice);
        self.kernel(&maps, bias).run(context.values_mut());
        context.into_primitive()
    }

    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        _: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let (maps, bias) = parts(inputs);
        let gradient = Map::from_primitive(gradient);
        let [mut query, mut key, mut value] = maps.each_ref().map(to_fill);
        let kernel = self.kernel(&maps, bias.as_ref().map(flex::slice));
        let mut run = |of_bias: Option<&mut [f32]>| {
            let to = AttentionGradients {
                query: query.values_mut(),
                key: key.values_mut(),
                value: value.values_mut(),
                bias: of_bias,
            };
            attention_backward(&kernel, gradient.values(), to);
        };
        let of_bias = if let Some(bias) = &bias {
            let dims = flex::dims::<3>(bias);
            Some(flex::filled(&dims, |values| run(Some(values))))
        } else {
            run(None);
            None
        };
        let of_maps = [query, key, value].map(|map| Some(map.into_primitive()));
        let of_bias = of_bias.into_iter().map(Some);
        of_maps.into_iter().chain(of_bias).collect()
    }
}

impl Attention {
    fn kernel<'a>(
        &self,
        [query, key, value]: &'a [RowMap; 3],
        bias: Option<&'a [f32]>,
    ) -> Kernel<'a> {
        let [_, channels, ..] = query.dims();
        Kernel {
            num_heads: self.num_heads,
            channels,
            query: query.tokens(),
            key: key.tokens(),
            value: value.tokens(),
            bias,
        }
    }
}

fn parts(inputs: &[FlexTensor]) -> ([RowMap; 3], Option<FlexTensor>) {
    let maps = [0, 1, 2].map(|index| RowMap::from_primitive(inputs[index].clone()));
    (maps, inputs.get(3).map(flex::contiguous))
}

fn to_fill(map: &RowMap) -> Map {
    let [batch, channels, height, width] = map.dims();
    Map::to_fill([batch, height, width, channels])
}
