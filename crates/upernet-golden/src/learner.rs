//! The same training step through the training crate: what `upernet train` computes.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use upernet_hf::ModelFolder;
use upernet_train::{
    config::TrainingConfig,
    data::loader::Batch,
    learner::Learner,
    losses::LossConfig,
    objective::Objective,
    optimizer::{OptimizerConfig, OptimizerKind},
};
use upernet_zoo::{Model, hub_parameters, load};

use crate::{
    Case,
    suite::{Findings, forward_tolerance, gradient_tolerance, values},
};

/// A step this long, of plain gradient descent, shows the gradient in how far weights move; shorter, and
/// the weights' own rounding would hide it. A power of two divides out without a rounding of its own.
const LEARNING_RATE: f32 = 64.0;

/// Takes one step and compares the loss, how far every weight moved, and the running statistics.
pub(crate) fn check_learner(
    case: &Case,
    folder: &Path,
    device: &Device,
    findings: &mut Findings,
) -> Result<(), upernet_zoo::Error> {
    let autodiff = device.clone().autodiff();
    let folder = ModelFolder::open(folder)?;
    let (model, _) = load(&folder, &autodiff)?;
    let config = folder.config;
    let before = by_key(&model, &config);
    let objective = Objective::new(
        &LossConfig::default(),
        config.num_labels(),
        config.loss_ignore_index,
        None,
    );
    let settings = TrainingConfig {
        optimizer: OptimizerConfig {
            kind: OptimizerKind::Sgd,
            learning_rate: f64::from(LEARNING_RATE),
            weight_decay: 0.0,
            momentum: 0.0,
            ..OptimizerConfig::default()
        },
        ..TrainingConfig::default()
    };
    let objective = objective.expect("the default loss is sound");
    let mut learner = Learner::new(
        model.train(),
        config.clone(),
        objective,
        &settings,
        vec![autodiff],
    );
    let report = learner.step(&batch(case), 0, 1.0);
    let report = report.expect("the loss is a number");
    #[expect(clippy::cast_possible_truncation, reason = "the reference is f32")]
    let loss = report.loss as f32;
    findings.check_as(
        case,
        "train.loss",
        "the learner's loss",
        &[loss],
        forward_tolerance(case),
    );

    let after = by_key(learner.model(), &config);
    for name in case.expected.keys() {
        if let Some(key) = name.strip_prefix("train.grad.") {
            let moved = before[key].iter().zip(&after[key]);
            let gradient: Vec<f32> = moved
                .map(|(old, new)| (old - new) / LEARNING_RATE)
                .collect();
            let tolerance = gradient_tolerance(case, name);
            let step = format!("a step of {key}");
            findings.check_as(case, name, &step, &gradient, tolerance);
        } else if let Some(key) = name.strip_prefix("train.buffer.") {
            let buffer = format!("{key} after the step");
            findings.check_as(case, name, &buffer, &after[key], forward_tolerance(case));
        }
    }
    Ok(())
}

fn batch(case: &Case) -> Batch {
    let (shape, pixel_values) = case.input_values("pixel_values");
    let (_, labels) = case.input_values("labels");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "labels are small whole numbers"
    )]
    let labels = labels.iter().map(|&label| label as u16).collect();
    Batch {
        pixel_values: pixel_values.to_vec(),
        labels,
        shape: shape.try_into().expect("an image batch has four axes"),
        names: Vec::new(),
    }
}

/// Every parameter and statistic in the hub's layout, by hub key.
fn by_key(model: &Model, config: &upernet_hf::config::HfConfig) -> BTreeMap<String, Vec<f32>> {
    struct Values(Vec<Vec<f32>>);
    impl ModuleVisitor for Values {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(values(param.val()));
        }
    }
    let mut found = Values(Vec::new());
    // `valid` brings running statistics up to date with the last forward pass.
    model.valid().visit(&mut found);
    let stored = hub_parameters(model, config);
    let found = stored.iter().zip(found.0);
    found
        .map(|(stored, values)| (stored.key().to_owned(), stored.to_hub_layout(values)))
        .collect()
}
