//! `AdamW` and SGD over groups of parameters.
//!
//! The mathematics is burn's, parameter by parameter. What is here instead of burn's `ModuleOptimizer`:
//! a rate and a decay for each parameter, clipping by the norm of all gradients together (burn clips each
//! tensor by its own), and a state that is saved by the checkpoint's names instead of by numbers that
//! every process draws anew.

use std::collections::{BTreeMap, HashMap};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Device, Tensor, TensorData},
};
use burn_optim::{
    AdamW, AdamWConfig, AdamWState, DynOptimizer, DynState, GradientsParams, Optimizer, Sgd,
    SgdConfig, SgdState, StateSink, StateSource, momentum::MomentumConfig,
};
use serde::{Deserialize, Serialize};
use upernet::{
    hf::config::HfConfig,
    zoo::{Model, hub_parameters},
};

use crate::{
    Error,
    groups::{Factors, Groups},
};

/// The optimiser's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Which one.
    pub kind: OptimizerKind,
    /// The base learning rate.
    pub learning_rate: f64,
    /// Decay of weights: decoupled for `AdamW`, part of the gradient for SGD.
    pub weight_decay: f64,
    /// `AdamW`'s decay rates of the two moments.
    pub betas: [f64; 2],
    /// `AdamW`'s number in the denominator.
    pub epsilon: f64,
    /// SGD's momentum.
    pub momentum: f64,
    /// Which parameter learns how fast.
    pub groups: Groups,
}

/// The optimisers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Loshchilov and Hutter, *Decoupled Weight Decay Regularization* (2019).
    Adamw,
    /// Stochastic gradient descent with momentum, as PyTorch's.
    Sgd,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adamw,
            learning_rate: 6e-5,
            weight_decay: 0.01,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            momentum: 0.9,
            groups: Groups::default(),
        }
    }
}

impl OptimizerConfig {
    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the field.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |name, problem: &str| {
            Err(Error::Setting {
                name,
                problem: problem.to_owned(),
            })
        };
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return refuse("optimizer.learning_rate", "use a number above 0");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return refuse("optimizer.weight_decay", "use a number of at least 0");
        }
        if !self.betas.iter().all(|beta| (0.0..1.0).contains(beta)) {
            return refuse("optimizer.betas", "use two numbers of at least 0, below 1");
        }
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return refuse("optimizer.epsilon", "use a number above 0");
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return refuse("optimizer.momentum", "use a number of at least 0, below 1");
        }
        self.groups.check()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "burn takes these settings in single precision"
    )]
    fn rule(&self, weight_decay: f64) -> RuleOf {
        match self.kind {
            OptimizerKind::Adamw => RuleOf::AdamW(
                AdamWConfig::new()
                    .with_beta_1(self.betas[0] as f32)
                    .with_beta_2(self.betas[1] as f32)
                    .with_epsilon(self.epsilon as f32)
                    .with_weight_decay(weight_decay as f32)
                    .build(),
            ),
            OptimizerKind::Sgd => {
                let momentum = MomentumConfig::new()
                    .with_momentum(self.momentum)
                    .with_dampening(0.0)
                    .with_nesterov(false);
                let decay = burn_optim::decay::WeightDecayConfig::new(weight_decay as f32);
                RuleOf::Sgd(
                    SgdConfig::new()
                        .with_momentum((self.momentum > 0.0).then_some(momentum))
                        .with_weight_decay((weight_decay > 0.0).then_some(decay))
                        .build(),
                )
            }
        }
    }
}

/// Updates a model's parameters from their gradients.
#[derive(Debug)]
pub struct ModelOptimizer {
    learning_rate: f64,
    parameters: HashMap<ParamId, Parameter>,
}

/// One parameter's rule and what it remembers.
struct Parameter {
    key: String,
    rank: usize,
    factors: Factors,
    rule: RuleOf,
    state: Option<DynState>,
}

/// The formula of a parameter's group.
#[derive(Clone)]
enum RuleOf {
    AdamW(AdamW),
    Sgd(Sgd),
}

/// What an optimiser remembers, by the checkpoint's names: tensors, and counts.
#[derive(Debug, Default)]
pub struct OptimizerState {
    /// Moments, named `<parameter>.<moment>`.
    pub tensors: BTreeMap<String, TensorData>,
    /// Steps taken, named `<parameter>.<count>`.
    pub counts: BTreeMap<String, u64>,
}

impl ModelOptimizer {
    /// An optimiser for the parameters of `model` that require gradients, with nothing remembered yet.
    ///
    /// # Panics
    ///
    /// Panics if `config` is not the one that `model` was built from.
    #[must_use]
    pub fn new(settings: &OptimizerConfig, model: &Model, config: &HfConfig) -> Self {
        let keys = hub_parameters(model, config);
        let mut keys = keys.iter();
        let mut parameters = HashMap::new();
        visit_parameters(model, |id, trains| {
            let stored = keys.next().expect("the zoo lists every parameter");
            if trains {
                let rank = stored.shape().len();
                let factors = settings.groups.factors(stored.key(), rank, config);
                let parameter = Parameter {
                    key: stored.key().to_owned(),
                    rank,
                    factors,
                    rule: settings.rule(settings.weight_decay * factors.weight_decay),
                    state: None,
                };
                parameters.insert(id, parameter);
            }
        });
        Self {
            learning_rate: settings.learning_rate,
            parameters,
        }
    }

    /// Number of parameter tensors that learn.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parameters.len()
    }

    /// Whether nothing learns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// Takes one step with `factor` of the base learning rate.
    #[must_use]
    pub fn step(&mut self, factor: f64, model: Model, gradients: GradientsParams) -> Model {
        let mut update = Update {
            learning_rate: self.learning_rate * factor,
            parameters: &mut self.parameters,
            gradients,
        };
        model.map(&mut update)
    }

    /// What the optimiser remembers.
    #[must_use]
    pub fn state(&self) -> OptimizerState {
        let mut sink = StateSink::default();
        for parameter in self.parameters.values() {
            if let Some(state) = &parameter.state {
                parameter
                    .rule
                    .dynamic()
                    .state_flatten(&parameter.key, state, &mut sink);
            }
        }
        OptimizerState {
            tensors: sink.tensors.into_iter().collect(),
            counts: sink
                .scalars
                .into_iter()
                .map(|(name, count)| (name, u64::try_from(count).unwrap_or(0)))
                .collect(),
        }
    }

    /// Remembers what another optimiser of the same model and settings did.
    ///
    /// # Errors
    ///
    /// Returns the key of a parameter that `state` has nothing or not enough of.
    pub fn restore(&mut self, state: OptimizerState, device: &Device) -> Result<(), String> {
        let scalars = state.counts.into_iter();
        let scalars = scalars.map(|(name, count)| (name, count.into()));
        let mut source = StateSource::new(scalars.collect());
        for (name, data) in state.tensors {
            source.insert_tensor(name, data);
        }
        for parameter in self.parameters.values_mut() {
            let rule = parameter.rule.dynamic();
            let restored =
                rule.state_unflatten(parameter.rank, &parameter.key, &mut source, device);
            match restored {
                Some(state) => parameter.state = Some(state),
                None => return Err(parameter.key.clone()),
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Parameter")
            .field("key", &self.key)
            .field("factors", &self.factors)
            .finish_non_exhaustive()
    }
}

impl RuleOf {
    fn dynamic(&self) -> &dyn DynOptimizer {
        match self {
            Self::AdamW(rule) => rule,
            Self::Sgd(rule) => rule,
        }
    }

    fn step<const D: usize>(
        &self,
        learning_rate: f64,
        value: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<DynState>,
    ) -> (Tensor<D>, Option<DynState>) {
        match self {
            Self::AdamW(rule) => {
                let state = state.map(DynState::downcast::<AdamWState<D>>);
                let (value, state) = rule.step(learning_rate, value, gradient, state);
                (value, state.map(|state| DynState::create(state, D)))
            }
            Self::Sgd(rule) => {
                let state = state.map(DynState::downcast::<SgdState<D>>);
                let (value, state) = rule.step(learning_rate, value, gradient, state);
                (value, state.map(|state| DynState::create(state, D)))
            }
        }
    }
}

/// Calls `visit` with each float parameter in the order of [`hub_parameters`], and whether it learns.
pub(crate) fn visit_parameters(model: &Model, visit: impl FnMut(ParamId, bool)) {
    struct Visit<F>(F);
    impl<F: FnMut(ParamId, bool)> ModuleVisitor for Visit<F> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            (self.0)(param.id, param.val().is_require_grad());
        }
    }
    model.visit(&mut Visit(visit));
}

struct Update<'a> {
    learning_rate: f64,
    parameters: &'a mut HashMap<ParamId, Parameter>,
    gradients: GradientsParams,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(parameter) = self.parameters.get_mut(&param.id) else {
            return param;
        };
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let rate = self.learning_rate * parameter.factors.learning_rate;
        let (id, value, mapper) = param.consume();
        let checkpointing = value.gradient_checkpointing_strategy();
        let state = parameter.state.take();
        let (value, state) = parameter.rule.step(rate, value.inner(), gradient, state);
        parameter.state = state;
        // What is lifted back has the default strategy, which may not be the model's.
        let mut value = Tensor::from_inner(value);
        if let Some(strategy) = checkpointing {
            value = value.with_gradient_checkpointing_strategy(strategy);
        }
        Param::from_mapped_value(id, value.require_grad(), mapper)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[derive(Deserialize)]
    struct References {
        cases: BTreeMap<String, Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        shape: [usize; 2],
        start: Vec<f64>,
        steps: Vec<Step>,
    }

    #[derive(Deserialize)]
    struct Step {
        rate: f64,
        gradient: Vec<f64>,
        after: Vec<f64>,
    }

    fn settings(name: &str) -> OptimizerConfig {
        let (kind, plain) = (name.split('-').next(), name.ends_with("-plain"));
        OptimizerConfig {
            kind: if kind == Some("sgd") {
                OptimizerKind::Sgd
            } else {
                OptimizerKind::Adamw
            },
            weight_decay: if plain { 0.0 } else { 0.05 },
            betas: if plain { [0.8, 0.99] } else { [0.9, 0.999] },
            epsilon: if plain { 1e-3 } else { 1e-8 },
            momentum: if plain { 0.0 } else { 0.9 },
            ..OptimizerConfig::default()
        }
    }

    /// Steps of torch's optimisers, computed in double precision by `scripts/optimizer_references.py`.
    #[test]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the script rounds what it draws to single precision"
    )]
    fn steps_are_those_of_torch() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/optimizers/references.json");
        let text = fs::read_to_string(path).expect("the references are in the repository");
        let references: References = serde_json::from_str(&text).expect("they are JSON");
        assert_eq!(references.cases.len(), 4);
        let device = Device::flex();
        for (name, case) in &references.cases {
            let settings = settings(name);
            let rule = settings.rule(settings.weight_decay);
            let tensor = |values: &[f64]| {
                let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
                Tensor::<2>::from_data(TensorData::new(values, case.shape), &device)
            };
            let (mut value, mut state) = (tensor(&case.start), None);
            for (number, step) in case.steps.iter().enumerate() {
                let before: Vec<f32> = value.clone().into_data().try_into_vec().expect("f32");
                (value, state) = rule.step(step.rate, value, tensor(&step.gradient), state);
                let after: Vec<f32> = value.clone().into_data().try_into_vec().expect("f32");
                for (index, (found, expected)) in after.iter().zip(&step.after).enumerate() {
                    // The rounding of a weight, and a thousandth of the way that it went.
                    let way = (expected - f64::from(before[index])).abs();
                    let off = (f64::from(*found) - expected).abs();
                    let bound = 1e-3 * way + 1e-6 * expected.abs().max(1.0);
                    assert!(
                        off <= bound,
                        "{name}, step {number}, {index}: {found} is not {expected}"
                    );
                }
            }
        }
    }
}
