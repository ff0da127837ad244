//! Halves the map between stages. Paper: section 3.1, "patch merging".
//!
//! Upstream: `SwinPatchMerging`.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Tensor, s},
};
use upernet_nn::{Precision, initializer};
use upernet_ops::window::pad_to_multiple;

use crate::{SwinConfig, prepared::PreparedMerging};

/// Joins each 2 x 2 group of tokens into one with twice the channels.
#[derive(Module, Debug)]
pub(crate) struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
}

impl PatchMerging {
    /// The merging at the end of a stage, counted from 0.
    pub(crate) fn new(config: &SwinConfig, stage: usize, device: &Device) -> Self {
        let channels = config.stage_channels(stage);
        let reduction = LinearConfig::new(4 * channels, 2 * channels).with_bias(false);
        Self {
            norm: LayerNormConfig::new(4 * channels).init(device),
            reduction: initializer::linear(&reduction, config.initializer_range, device),
        }
    }

    /// `[N, H, W, C]` to `[N, ceil(H / 2), ceil(W / 2), 2C]`.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.reduction
            .forward(self.norm.forward(gather_neighbours(x)))
    }
}

impl PatchMerging {
    /// The layer made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedMerging {
        PreparedMerging::new(self.norm, self.reduction, precision)
    }
}

/// Lines the four neighbours of each group up along the channels: (0,0), (1,0), (0,1), (1,1) as
/// (row, column), the order that published weights expect.
pub(crate) fn gather_neighbours(x: Tensor<4>) -> Tensor<4> {
    let x = pad_to_multiple(x, [1, 2], 2);
    let neighbours = [(0, 0), (1, 0), (0, 1), (1, 1)];
    let neighbours =
        neighbours.map(|(row, column)| x.clone().slice(s![.., row..;2, column..;2, ..]));
    Tensor::cat(neighbours.to_vec(), 3)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    fn columns_are_outermost_and_odd_sizes_are_padded() {
        let x = TensorData::new((1..=9).map(|v| v as f32).collect::<Vec<_>>(), [1, 3, 3, 1]);
        let gathered = gather_neighbours(Tensor::<4>::from_data(x, &Device::flex()));
        assert_eq!(gathered.dims(), [1, 2, 2, 4]);
        let values: Vec<f32> = gathered.into_data().try_to_vec().expect("f32 tokens");
        let expected = [
            1., 4., 2., 5., 3., 6., 0., 0., 7., 0., 8., 0., 9., 0., 0., 0.,
        ];
        assert_eq!(values, expected);
    }
}
