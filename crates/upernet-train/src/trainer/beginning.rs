//! All of a run that is there before its folder is.

use burn::tensor::Device;
use upernet::hf::config::HfConfig;
use upernet_data::class_weights::{ClassCounts, ClassWeights};

use crate::{
    Error,
    checkpoint::RunState,
    config::TrainingConfig,
    learner::Learner,
    objective::Objective,
    setup::{self, Data},
};

/// What a run starts with, before there is a folder of it.
pub(super) struct Beginning {
    pub(super) data: Data,
    pub(super) learner: Learner,
    pub(super) state: RunState,
    pub(super) notes: Vec<String>,
}

impl Beginning {
    pub(super) fn new(
        config: &TrainingConfig,
        data: Data,
        devices: &[Device],
    ) -> Result<Self, Error> {
        let mut notes = data.notes.clone();
        let state = RunState {
            class_weights: class_weights(&config.loss.class_weights, &data)?,
            ..RunState::default()
        };
        if let Some(weights) = &state.class_weights {
            notes.push(weights_note(data.train.class_names(), weights));
        }
        let autodiff = autodiff(config, devices);
        let started = setup::model(config, data.train.class_names(), &autodiff[0])?;
        setup::check_sizes(config, &started.config)?;
        notes.extend(started.notes);
        let objective = objective(config, &data, &state, &started.config)?;
        let learner = Learner::new(started.model, started.config, objective, config, autodiff);
        Ok(Self {
            data,
            learner,
            state,
            notes,
        })
    }
}

/// The devices as training wants them.
pub(super) fn autodiff(config: &TrainingConfig, devices: &[Device]) -> Vec<Device> {
    let autodiff = |device: &Device| {
        let device = device.clone().autodiff();
        if config.gradient_checkpointing {
            device.gradient_checkpointing()
        } else {
            device
        }
    };
    devices.iter().map(autodiff).collect()
}

/// The loss that the settings and the data's class weights make.
pub(super) fn objective(
    config: &TrainingConfig,
    data: &Data,
    state: &RunState,
    model: &HfConfig,
) -> Result<Objective, Error> {
    let num_labels = data.train.class_names().len();
    let weights = state.class_weights.clone();
    Objective::new(&config.loss, num_labels, model.loss_ignore_index, weights)
}

/// What a pixel of each class counts: nothing for all the same, as written, or computed from the data.
fn class_weights(method: &ClassWeights, data: &Data) -> Result<Option<Vec<f32>>, Error> {
    if *method == ClassWeights::Uniform {
        return Ok(None);
    }
    let counts = if method.needs_counts() {
        ClassCounts::scan(data.train.as_ref())?
    } else {
        ClassCounts::new(data.train.class_names().len())
    };
    Ok(Some(method.weights(&counts)?))
}

fn weights_note(names: &[String], weights: &[f32]) -> String {
    let pairs = names.iter().zip(weights);
    let pairs: Vec<String> = pairs
        .map(|(name, weight)| format!("{name} {weight:.2}"))
        .collect();
    format!("class weights: {}", pairs.join(", "))
}
