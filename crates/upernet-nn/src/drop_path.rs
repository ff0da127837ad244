//! Stochastic depth: whole residual branches are dropped, sample by sample.
//!
//! Source: Huang et al., *Deep Networks with Stochastic Depth* (2016),
//! <https://arxiv.org/abs/1603.09382>. Upstream: `SwinDropPath`, `ConvNextDropPath`.

use burn::{
    config::Config,
    module::{Flag, Module, Param},
    tensor::{Distribution, Tensor},
};

/// Configuration of a [`DropPath`].
#[derive(Config, Debug)]
pub struct DropPathConfig {
    /// Chance that a sample's branch is dropped, at least 0 and below 1.
    pub probability: f64,
}

/// Drops the branch of some samples of a training batch and scales the others up to make up for it.
///
/// Outside training (plain device, or frozen) it returns its input.
#[derive(Module, Debug)]
pub struct DropPath {
    probability: f64,
    training: Param<Flag>,
}

impl DropPathConfig {
    /// Builds the module.
    ///
    /// # Panics
    ///
    /// Panics if the probability is not at least 0 and below 1.
    #[must_use]
    pub fn init(&self) -> DropPath {
        assert!(
            (0.0..1.0).contains(&self.probability),
            "drop path probability must be at least 0 and below 1, got {}",
            self.probability
        );
        DropPath {
            probability: self.probability,
            training: Param::from_bool(true),
        }
    }
}

impl DropPath {
    /// Drops the branch per sample, the first axis of `branch`.
    #[must_use]
    pub fn forward<const D: usize>(&self, branch: Tensor<D>) -> Tensor<D> {
        let trains = branch.device().is_autodiff() && self.training.is_enabled();
        if self.probability == 0.0 || !trains {
            return branch;
        }
        let keep = 1.0 - self.probability;
        let mut shape = [1; D];
        shape[0] = branch.dims()[0];
        let kept = Tensor::random(shape, Distribution::Bernoulli(keep), &branch.device());
        branch * (kept / keep)
    }
}

/// Drop probabilities of all blocks of a backbone, growing linearly from 0 to `rate`.
///
/// One list per stage. Upstream: `torch.linspace(0, drop_path_rate, sum(depths))`.
///
/// # Example
///
/// ```
/// use upernet_nn::drop_path_schedule;
///
/// assert_eq!(drop_path_schedule(0.5, &[2, 1]), [vec![0.0, 0.25], vec![0.5]]);
/// ```
#[must_use]
pub fn drop_path_schedule(rate: f64, depths: &[usize]) -> Vec<Vec<f64>> {
    let last = depths.iter().sum::<usize>().saturating_sub(1).max(1);
    let mut block = 0;
    depths
        .iter()
        .map(|&depth| {
            let rates = (block..block + depth)
                .map(|i| rate * i as f64 / last as f64)
                .collect();
            block += depth;
            rates
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn keeps_the_expectation_and_drops_whole_samples() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let drop_path = DropPathConfig::new(0.25).init();
        let output = drop_path.forward(Tensor::<3>::ones([4000, 2, 3], &device));
        let values: Vec<f32> = output.into_data().try_to_vec().expect("f32 output");
        for sample in values.chunks(6) {
            assert!(
                sample
                    .iter()
                    .all(|value| value.to_bits() == sample[0].to_bits()),
                "a sample is dropped as a whole"
            );
            assert!(
                sample[0] == 0.0 || (sample[0] - 4.0 / 3.0).abs() < 1e-6,
                "{sample:?}"
            );
        }
        // Standard error of the mean over 4000 samples is 0.009.
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean - 1.0).abs() < 0.05, "mean {mean}");
    }

    #[test]
    fn infers_unchanged() {
        let input = Tensor::<2>::ones([8, 3], &Device::flex());
        let output = DropPathConfig::new(0.9).init().forward(input.clone());
        output.into_data().assert_eq(&input.into_data(), true);
    }

    #[test]
    fn a_single_block_has_rate_zero() {
        assert_eq!(drop_path_schedule(0.3, &[1]), [vec![0.0]]);
    }

    #[test]
    #[should_panic(expected = "below 1, got 1")]
    fn refuses_to_drop_everything() {
        let _ = DropPathConfig::new(1.0).init();
    }
}
