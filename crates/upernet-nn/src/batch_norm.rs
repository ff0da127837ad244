//! Batch normalisation whose running statistics follow PyTorch.
//!
//! Source: Ioffe and Szegedy, *Batch Normalization* (2015), <https://arxiv.org/abs/1502.03167>.
//! Upstream: `torch.nn.BatchNorm2d`. burn's own layer folds the *biased* batch variance into the
//! running variance; PyTorch folds the unbiased one, and published checkpoints continue from that.

use burn::{
    config::Config,
    module::{Flag, Module, Param, RunningState},
    nn::Initializer,
    tensor::{Device, Tensor, assert_shape},
};
use upernet_ops::{Activation, batch_norm};

use crate::FoldedConv;

/// Configuration of a [`BatchNorm2d`] layer.
#[derive(Config, Debug)]
pub struct BatchNorm2dConfig {
    /// Channels of the map.
    pub num_features: usize,
    /// Added to the variance before the square root.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Share of the running statistics that each training batch replaces.
    #[config(default = 0.1)]
    pub momentum: f64,
}

/// Normalises each channel of a map, by the batch in training and by running statistics else.
///
/// The layer trains when its input lives on an autodiff device and it is not frozen
/// ([`Module::freeze`]).
///
/// A training batch that holds a **single value per channel** (batch 1 after pooling to 1 x 1, as in
/// the pyramid pooling module) has no variance; PyTorch refuses it. Here such a batch is normalised
/// by the running statistics and leaves them as they are, so batch-1 training is defined.
#[derive(Module, Debug)]
pub struct BatchNorm2d {
    /// Scale, `[num_features]`.
    weight: Param<Tensor<1>>,
    /// Shift, `[num_features]`.
    bias: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
    /// Training batches seen, `[1]`. Nothing reads it, but published files carry it on.
    num_batches_tracked: RunningState<Tensor<1>>,
    training: Param<Flag>,
    epsilon: f64,
    momentum: f64,
}

impl BatchNorm2dConfig {
    /// Builds the layer on `device`: scale 1, shift 0, running mean 0, running variance 1.
    #[must_use]
    pub fn init(&self, device: &Device) -> BatchNorm2d {
        BatchNorm2d {
            weight: Initializer::Ones.init([self.num_features], device),
            bias: Initializer::Zeros.init([self.num_features], device),
            running_mean: RunningState::new(Tensor::zeros([self.num_features], device)),
            running_var: RunningState::new(Tensor::ones([self.num_features], device)),
            num_batches_tracked: RunningState::new(Tensor::zeros([1], device)),
            training: Param::from_bool(true),
            epsilon: self.epsilon,
            momentum: self.momentum,
        }
    }
}

impl BatchNorm2d {
    /// Normalises `input` channel by channel.
    ///
    /// # Shapes
    ///
    /// - `input`, output: `[N, num_features, H, W]`
    ///
    /// # Panics
    ///
    /// Panics if the second axis of `input` is not `num_features`.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.forward_activated(input, Activation::None)
    }

    /// The same as [`forward`](Self::forward), and a ReLU, in one step where there is a kernel for it.
    ///
    /// # Panics
    ///
    /// Panics if the second axis of `input` is not `num_features`.
    #[must_use]
    pub fn forward_relu(&self, input: Tensor<4>) -> Tensor<4> {
        self.forward_activated(input, Activation::Relu)
    }

    /// Folds the layer, as it acts outside training, into the convolution before it.
    ///
    /// # Shapes
    ///
    /// - `weight`: `[num_features, channels in, kernel_size, kernel_size]`, of a convolution without bias
    #[must_use]
    pub fn fold_into(&self, weight: Tensor<4>) -> FoldedConv {
        let (scale, shift) = self.scale_and_shift(&weight.device());
        let [channels] = scale.dims();
        FoldedConv {
            weight: weight * scale.reshape([channels, 1, 1, 1]),
            bias: shift,
        }
    }

    fn forward_activated(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let [num_features] = self.weight.shape().dims();
        assert_shape!(input, [_, num_features, ..]);
        let [batch, _, height, width] = input.dims();
        let samples = batch * height * width;
        let trains = input.device().is_autodiff() && self.training.is_enabled();
        if trains && samples > 1 {
            self.forward_batch(input, samples, activation)
        } else {
            activation.apply(self.forward_running(input))
        }
    }

    /// One multiplication and one addition per value: scale and shift are combined per channel first.
    fn forward_running(&self, input: Tensor<4>) -> Tensor<4> {
        let channels = self.weight.val().dims()[0];
        let (scale, shift) = self.scale_and_shift(&input.device());
        input * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1])
    }

    /// What the layer multiplies by and adds outside training, per channel.
    fn scale_and_shift(&self, device: &Device) -> (Tensor<1>, Tensor<1>) {
        let mean = self.running_mean.value().to_device(device);
        let var = self.running_var.value().to_device(device);
        let scale = self.weight.val() / (var + self.epsilon).sqrt();
        let shift = self.bias.val() - mean * scale.clone();
        (scale, shift)
    }

    fn forward_batch(&self, input: Tensor<4>, samples: usize, activation: Activation) -> Tensor<4> {
        let device = input.device();
        let (scale, shift) = (self.weight.val(), self.bias.val());
        let result = batch_norm(input, scale, shift, self.epsilon, activation);
        let unbiased = samples as f64 / (samples - 1) as f64;
        self.update(&self.running_mean, result.mean, &device);
        self.update(&self.running_var, result.variance * unbiased, &device);
        let seen = self.num_batches_tracked.value_sync() + 1.0;
        self.num_batches_tracked.update(seen.detach());
        result.output
    }

    fn update(&self, running: &RunningState<Tensor<1>>, batch: Tensor<1>, device: &Device) {
        let old = running.value_sync().to_device(device);
        let new = old * (1.0 - self.momentum) + batch.detach() * self.momentum;
        running.update(new.detach());
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;

    fn values(state: &RunningState<Tensor<1>>) -> Vec<f32> {
        state
            .value_sync()
            .into_data()
            .try_to_vec()
            .expect("f32 statistics")
    }

    /// torch 2.15: `m = nn.BatchNorm2d(1); m(torch.tensor([1., 3., 5.]).view(1, 1, 1, 3))` gives
    /// `running_mean == 0.3` and `running_var == 0.9 * 1 + 0.1 * 4`.
    #[test]
    fn running_variance_is_unbiased() {
        let device = Device::flex().autodiff();
        let norm = BatchNorm2dConfig::new(1).init(&device);
        let input = Tensor::<1>::from_floats([1.0, 3.0, 5.0], &device).reshape([1, 1, 1, 3]);
        let output = norm.forward(input);

        assert!((values(&norm.running_mean)[0] - 0.3).abs() < 1e-6);
        assert!((values(&norm.running_var)[0] - 1.3).abs() < 1e-6);
        assert_eq!(values(&norm.num_batches_tracked), [1.0]);
        let output: Vec<f32> = output.into_data().try_to_vec().expect("f32 output");
        assert!(
            (output[0] + 1.224_742_7).abs() < 1e-5,
            "biased variance normalises the batch"
        );
    }

    #[test]
    fn infers_with_running_statistics_on_a_plain_device() {
        let device = Device::flex();
        let norm = BatchNorm2dConfig::new(3).init(&device);
        let input = Tensor::random([2, 3, 5, 7], Distribution::Default, &device);
        let expected = input.clone() / (1.0_f64 + 1e-5).sqrt();
        norm.forward(input)
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-6));
    }

    #[test]
    fn one_value_per_channel_uses_running_statistics_and_keeps_them() {
        let device = Device::flex().autodiff();
        let norm = BatchNorm2dConfig::new(2).init(&device);
        let output = norm.forward(Tensor::full([1, 2, 1, 1], 4.0, &device));

        let output: Vec<f32> = output.into_data().try_to_vec().expect("f32 output");
        assert!(
            output.iter().all(|value| (value - 4.0).abs() < 1e-3),
            "{output:?}"
        );
        assert_eq!(values(&norm.running_mean), [0.0, 0.0]);
        assert_eq!(values(&norm.running_var), [1.0, 1.0]);
    }

    #[test]
    fn frozen_layers_keep_their_statistics() {
        let device = Device::flex().autodiff();
        let norm = BatchNorm2dConfig::new(1).init(&device).freeze();
        let _ = norm.forward(Tensor::full([2, 1, 2, 2], 4.0, &device));
        assert_eq!(values(&norm.running_mean), [0.0]);
    }

    #[test]
    #[should_panic(expected = "axis 1 expected 3, got 2")]
    fn refuses_other_channel_counts() {
        let device = Device::flex();
        let norm = BatchNorm2dConfig::new(3).init(&device);
        let _ = norm.forward(Tensor::zeros([1, 2, 4, 4], &device));
    }
}
