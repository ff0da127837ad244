//! Position bias out of a small perceptron that reads offsets on a logarithmic scale.
//!
//! Paper: section 3.3, equations 3 and 4. Upstream: `Swinv2SelfAttention`.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{
        Device, Tensor, TensorData,
        activation::{relu, sigmoid},
    },
};
use upernet_nn::initializer;
use upernet_ops::relative_position::{relative_position_bias, table_rows};

/// Hidden channels of the perceptron, fixed upstream.
const HIDDEN: usize = 512;

/// Largest position bias.
const LARGEST: f64 = 16.0;

/// Computes what is added to the logit of every two tokens of a window.
///
/// The perceptron knows no window size: another window is another set of offsets.
#[derive(Module, Debug)]
pub(super) struct PositionBias {
    expand: Linear,
    project: Linear,
    window_size: usize,
    pretrained_window_size: usize,
}

/// What a position bias is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct PositionBiasConfig {
    pub(super) window_size: usize,
    /// 0 for `window_size`.
    pub(super) pretrained_window_size: usize,
    pub(super) num_heads: usize,
    pub(super) initializer_range: f64,
}

impl PositionBias {
    pub(super) fn new(config: PositionBiasConfig, device: &Device) -> Self {
        let std = config.initializer_range;
        let project = LinearConfig::new(HIDDEN, config.num_heads).with_bias(false);
        Self {
            expand: initializer::linear(&LinearConfig::new(2, HIDDEN), std, device),
            project: initializer::linear(&project, std, device),
            window_size: config.window_size,
            pretrained_window_size: config.pretrained_window_size,
        }
    }

    /// `[heads, w * w, w * w]`, the query second.
    pub(super) fn forward(&self) -> Tensor<3> {
        let offsets = log_spaced_offsets(self.window_size, self.pretrained_window_size);
        let offsets = TensorData::new(offsets, [table_rows(self.window_size), 2]);
        let offsets = Tensor::from_data(offsets, &self.expand.weight.device());
        let table = self.project.forward(relu(self.expand.forward(offsets)));
        relative_position_bias(sigmoid(table) * LARGEST, self.window_size)
    }
}

/// Returns the offsets of two tokens of a window, row and column, as the position bias reads them:
/// `[(2w - 1)^2, 2]`, from the farthest up and left to the farthest down and right.
///
/// An offset is measured in eighths of the farthest in a window of `pretrained_window_size`, or of
/// `window_size` where that is 0, and brought to a logarithmic scale. Upstream:
/// `relative_coords_table`.
///
/// # Panics
///
/// Panics if `window_size` is 0, or `pretrained_window_size` is 1: such a window has no farthest offset.
///
/// ```
/// use upernet_swin::log_spaced_offsets;
///
/// // Eight eighths of the farthest, log2(8 + 1) / 3.
/// let offsets = log_spaced_offsets(2, 0);
/// assert!((offsets[17] - 1.056_641_7).abs() < 1e-6);
/// assert_eq!(offsets[8], 0.0);
/// ```
#[must_use]
pub fn log_spaced_offsets(window_size: usize, pretrained_window_size: usize) -> Vec<f32> {
    assert!(window_size > 0, "a window has tokens");
    assert!(
        pretrained_window_size != 1,
        "a pretrained window of one token has no offsets"
    );
    let farthest = match (pretrained_window_size, window_size) {
        (0, 1) => 1.0,
        (0, window) => (window - 1) as f32,
        (pretrained, _) => (pretrained - 1) as f32,
    };
    let side = 2 * window_size - 1;
    let middle = (window_size - 1) as f32;
    let on_scale = |position: usize| {
        let offset = (position as f32 - middle) / farthest * 8.0;
        ((offset.abs() + 1.0).log2() / 3.0).copysign(offset)
    };
    (0..side)
        .flat_map(|row| (0..side).flat_map(move |column| [on_scale(row), on_scale(column)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `relative_coords_table` of a `Swinv2SelfAttention` with windows of 3, its first row's columns and
    /// its first column's rows; with windows of 3 that were pretrained as windows of 2.
    #[test]
    fn offsets_are_upstreams() {
        for (pretrained, expected) in [
            (0, [-1.056_641_7, -0.773_976, 0.0, 0.773_976, 1.056_641_7]),
            (
                2,
                [-1.362_487_6, -1.056_641_7, 0.0, 1.056_641_7, 1.362_487_6],
            ),
        ] {
            let offsets = log_spaced_offsets(3, pretrained);
            assert_eq!(offsets.len(), 50);
            for (index, expected) in expected.into_iter().enumerate() {
                let [row, column] = [offsets[10 * index], offsets[2 * index + 1]];
                assert!((row - expected).abs() < 1e-6, "{row}, not {expected}");
                assert!((column - expected).abs() < 1e-6, "{column}, not {expected}");
            }
        }
    }

    #[test]
    fn a_window_of_one_token_has_one_offset() {
        assert_eq!(log_spaced_offsets(1, 0), [0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "a pretrained window of one token has no offsets")]
    fn refuses_a_pretrained_window_of_one_token() {
        let _ = log_spaced_offsets(4, 1);
    }

    #[test]
    fn biases_lie_between_0_and_16() {
        let config = PositionBiasConfig {
            window_size: 3,
            pretrained_window_size: 0,
            num_heads: 2,
            initializer_range: 3.0,
        };
        let bias = PositionBias::new(config, &Device::flex()).forward();
        assert_eq!(bias.dims(), [2, 9, 9]);
        let values: Vec<f32> = bias.into_data().try_to_vec().expect("f32 biases");
        let [low, high] = [f32::min, f32::max].map(|extreme| {
            let values = values.iter().copied();
            values.reduce(extreme).expect("there are values")
        });
        assert!(
            low >= 0.0 && high <= 16.0 && high - low > 1.0,
            "{low} to {high}"
        );
    }
}
