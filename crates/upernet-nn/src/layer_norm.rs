//! Layer normalisation over the channels of a map.
//!
//! Upstream: `ConvNextLayerNorm` with `data_format="channels_first"`.

use burn::{
    config::Config,
    module::Module,
    nn::{LayerNorm, LayerNormConfig},
    tensor::{Device, Tensor},
};
use upernet_ops::{LayerNormWeights, PreparedLayerNorm, layer_norm};

/// Configuration of a [`LayerNorm2d`].
#[derive(Config, Debug)]
pub struct LayerNorm2dConfig {
    /// Channels of the map.
    pub channels: usize,
    /// Added to the variance before the square root.
    pub epsilon: f64,
}

/// Normalises every cell of an `[N, C, H, W]` map over its channels.
#[derive(Module, Debug)]
pub struct LayerNorm2d {
    norm: LayerNorm,
    epsilon: f64,
}

impl LayerNorm2dConfig {
    /// Builds the layer on `device`: scale 1, shift 0.
    #[must_use]
    pub fn init(&self, device: &Device) -> LayerNorm2d {
        LayerNorm2d {
            norm: LayerNormConfig::new(self.channels)
                .with_epsilon(self.epsilon)
                .init(device),
            epsilon: self.epsilon,
        }
    }
}

impl LayerNorm2d {
    /// Normalises `input` cell by cell.
    ///
    /// # Shapes
    ///
    /// - `input`, output: `[N, channels, H, W]`
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        layer_norm(input, &layer_norm_weights(self.norm.clone(), self.epsilon))
    }
}

impl LayerNorm2d {
    /// Makes the layer ready for inference.
    #[must_use]
    pub fn prepare(self) -> PreparedLayerNorm {
        PreparedLayerNorm::new(layer_norm_weights(self.norm, self.epsilon))
    }
}

/// Takes the weights out of burn's layer, which keeps its epsilon to itself.
#[must_use]
pub fn layer_norm_weights(norm: LayerNorm, epsilon: f64) -> LayerNormWeights {
    let scale = norm.gamma.val();
    let shift = match norm.beta {
        Some(shift) => shift.val(),
        None => scale.zeros_like(),
    };
    LayerNormWeights {
        scale,
        shift,
        epsilon,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_has_mean_zero_and_unit_variance() {
        let device = Device::flex();
        let norm = LayerNorm2dConfig::new(2, 1e-6).init(&device);
        let input = Tensor::<1>::from_floats([1.0, 5.0, 2.0, 3.0, 9.0, 8.0], &device);
        let output = norm.forward(input.reshape([1, 2, 1, 3]));
        let output: Vec<f32> = output.into_data().try_to_vec().expect("f32 output");
        for (value, expected) in output.iter().zip([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]) {
            assert!((value - expected).abs() < 1e-4, "{output:?}");
        }
    }
}
