//! An average of the weights over the steps, which scores better than the last ones.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::Tensor,
};
use burn_optim::GradientsParams;
use upernet::zoo::Model;

/// Exponential moving average of a model's weights.
///
/// After each step a weight's average is `decay * average + (1 - decay) * weight`, with the smaller of
/// `decay` and `(1 + step) / (10 + step)`, so that the first steps are soon forgotten. Running statistics
/// are copied, not averaged, as they are averages themselves. Upstream: TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`; mmengine's `EMAHook`.
#[derive(Debug)]
pub struct Ema {
    decay: f64,
    average: Model,
}

impl Ema {
    /// Starts from the weights of `model`.
    #[must_use]
    pub fn new(decay: f64, model: &Model) -> Self {
        Self {
            decay,
            average: model.valid(),
        }
    }

    /// Goes on from an average, off its autodiff device.
    #[must_use]
    pub fn resume(decay: f64, average: Model) -> Self {
        Self { decay, average }
    }

    /// Takes in the weights after `step` steps.
    pub fn update(&mut self, model: &Model, step: u64) {
        let decay = self.decay.min((1.0 + step as f64) / (10.0 + step as f64));
        let mut trains = Trains(Vec::new());
        model.visit(&mut trains);
        // `valid` brings running statistics up to date with the last forward pass.
        let mut latest = Values(GradientsParams::new());
        model.valid().visit(&mut latest);
        let mut blend = Blend {
            decay,
            trains: trains.0.into_iter(),
            latest: latest.0,
        };
        self.average = self.average.clone().map(&mut blend);
    }

    /// The average, off autodiff devices.
    #[must_use]
    pub fn average(&self) -> &Model {
        &self.average
    }
}

/// Every tensor's number, and whether it is a weight that learns and no running statistic.
struct Trains(Vec<(ParamId, bool)>);

impl ModuleVisitor for Trains {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push((param.id, param.val().is_require_grad()));
    }
}

/// Every tensor's value by its number, in burn's container for tensors of any rank.
struct Values(GradientsParams);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val());
    }
}

struct Blend {
    decay: f64,
    trains: std::vec::IntoIter<(ParamId, bool)>,
    latest: GradientsParams,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, trains) = self.trains.next().expect("both models have the same parts");
        let latest = self.latest.remove::<D>(id);
        let latest = latest.expect("every part was collected");
        let decay = self.decay;
        param.map(|average| {
            if trains {
                average * decay + latest * (1.0 - decay)
            } else {
                latest
            }
        })
    }
}
