//! A step computed in parts, or over several devices, is the step computed at once.

#![expect(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use upernet::{
    hf::config::{
        HfBackboneConfig, HfBeitConfig, HfConfig, HfConvNextConfig, HfDinov2Config, HfNeck,
    },
    zoo::{self, HubParameter, Model, hub_parameters},
};
use upernet_data::{loader::Batch, random};
use upernet_train::{config::TrainingConfig, learner::Learner, objective::Objective};

/// burn's CPU backend has one generator for all threads, so one test draws at a time.
static DRAWS: Mutex<()> = Mutex::new(());

const SIZE: [usize; 2] = [36, 44];
const NUM_LABELS: usize = 5;
const BATCH: usize = 4;

fn alone() -> MutexGuard<'static, ()> {
    DRAWS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn network() -> HfConfig {
    let backbone = HfConvNextConfig {
        hidden_sizes: vec![8, 12, 16, 24],
        depths: vec![1, 1, 1, 1],
        out_stages: vec![1, 2, 3, 4],
        ..HfConvNextConfig::default()
    };
    let mut config = HfConfig::new(HfBackboneConfig::ConvNext(backbone));
    config.hidden_size = 16;
    config.auxiliary_in_channels = Some(16);
    config.auxiliary_channels = 8;
    config.id2label = (0..NUM_LABELS).map(|id| format!("class {id}")).collect();
    config
}

/// Images that differ in how many of their pixels are labelled.
fn batch() -> Batch {
    use rand::RngExt as _;
    let mut generator = random(5, 0, 0);
    let pixels = SIZE[0] * SIZE[1];
    let pixel_values = (0..BATCH * 3 * pixels).map(|_| generator.random_range(-2.0..2.0));
    let pixel_values = pixel_values.collect();
    let labels = (0..BATCH * pixels).map(|index| {
        let ignored = index % 7 < index / pixels;
        if ignored {
            255
        } else {
            generator.random_range(0..5)
        }
    });
    Batch {
        labels: labels.collect(),
        pixel_values,
        shape: [BATCH, 3, SIZE[0], SIZE[1]],
        names: Vec::new(),
    }
}

fn settings() -> TrainingConfig {
    let mut settings = TrainingConfig {
        batch_size: BATCH,
        ..TrainingConfig::default()
    };
    settings.optimizer.learning_rate = 1e-3;
    // The statistics of a part are not the batch's; without them there is nothing else that differs.
    settings.freeze.batch_norm_statistics = true;
    settings
}

fn learner(settings: &TrainingConfig, devices: usize) -> Learner {
    let device = Device::flex().autodiff();
    device.seed(3);
    let config = network();
    let model = zoo::build(&config, &device).unwrap();
    let objective = Objective::new(&settings.loss, NUM_LABELS, 255, None).unwrap();
    Learner::new(model, config, objective, settings, vec![device; devices])
}

fn weights(model: &Model, config: &HfConfig) -> Vec<(String, Vec<f32>)> {
    use burn::{
        module::{Module, ModuleVisitor, Param},
        tensor::Tensor,
    };
    struct Values(Vec<Vec<f32>>);
    impl ModuleVisitor for Values {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().into_data().try_into_vec().unwrap());
        }
    }
    let mut values = Values(Vec::new());
    model.valid().visit(&mut values);
    let keys = hub_parameters(model, config);
    let keys = keys.iter().map(HubParameter::key);
    keys.map(str::to_owned).zip(values.0).collect()
}

/// Both learners take the same steps and end at the same weights, to rounding.
fn assert_same(mut whole: Learner, mut parted: Learner) {
    let batch = batch();
    for step in 0..3 {
        let expected = whole.step(&batch, step, 1.0).unwrap();
        let found = parted.step(&batch, step, 1.0).unwrap();
        assert!(
            (found.loss - expected.loss).abs() < 1e-5,
            "{found:?} {expected:?}"
        );
        let norms = found.gradient_norm / expected.gradient_norm;
        assert!((norms - 1.0).abs() < 1e-4, "norms differ by {norms}");
    }
    let (expected, found) = (
        weights(whole.model(), &network()),
        weights(parted.model(), &network()),
    );
    for ((key, expected), (_, found)) in expected.iter().zip(&found) {
        let pairs = expected.iter().zip(found);
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Three steps of 1e-3 each; where a gradient is nearly zero Adam turns its rounding into a step.
        assert!(off < 3e-4, "{key} is off by {off}");
    }
}

#[test]
fn parts_add_up_to_the_batch() {
    let _alone = alone();
    let whole = settings();
    let parted = TrainingConfig {
        accumulate: 4,
        ..settings()
    };
    assert_same(learner(&whole, 1), learner(&parted, 1));
}

#[test]
fn two_devices_are_one_with_the_doubled_batch() {
    let _alone = alone();
    assert_same(learner(&settings(), 1), learner(&settings(), 2));
}

#[test]
fn two_devices_with_parts_are_one_too() {
    let _alone = alone();
    let parted = TrainingConfig {
        accumulate: 2,
        ..settings()
    };
    assert_same(learner(&settings(), 1), learner(&parted, 2));
}

/// Of statistics that are not frozen the first device's are kept, all of them.
#[test]
fn running_statistics_are_those_of_the_first_device() {
    let _alone = alone();
    let mut free = settings();
    free.freeze.batch_norm_statistics = false;
    free.optimizer.learning_rate = 1e-30;
    let mut both = learner(&free, 2);
    let mut first = learner(&free, 1);
    let batch = batch();
    let half = Batch {
        pixel_values: batch.pixel_values[..batch.pixel_values.len() / 2].to_vec(),
        labels: batch.labels[..batch.labels.len() / 2].to_vec(),
        shape: [BATCH / 2, 3, SIZE[0], SIZE[1]],
        names: Vec::new(),
    };
    for step in 0..3 {
        both.step(&batch, step, 1.0).unwrap();
        first.step(&half, step, 1.0).unwrap();
    }
    let expected = weights(first.model(), &network());
    let mut statistics = 0;
    for ((key, expected), (_, found)) in expected
        .iter()
        .zip(&weights(both.model(), &network()))
        .filter(|((key, _), _)| key.contains("running_") || key.contains("num_batches"))
    {
        statistics += 1;
        assert_eq!(expected, found, "{key}");
        if key.contains("num_batches") {
            assert_eq!(found, &[3.0], "{key}");
        }
    }
    assert!(statistics > 0);
}

#[test]
fn a_frozen_backbone_stays_and_the_heads_learn() {
    let _alone = alone();
    let mut frozen = settings();
    frozen.freeze.backbone = true;
    frozen.freeze.parameters = vec!["decode_head.classifier".to_owned()];
    let mut learner = learner(&frozen, 1);
    let before = weights(learner.model(), &network());
    learner.step(&batch(), 0, 1.0).unwrap();
    let after = weights(learner.model(), &network());
    for ((key, before), (_, after)) in before.iter().zip(&after) {
        let is_statistic = key.contains("running_") || key.contains("num_batches");
        let stays = key.starts_with("backbone.")
            || key.starts_with("decode_head.classifier")
            || is_statistic;
        assert_eq!(before == after, stays, "{key}");
    }
}

/// Its neck is in the backbone by name; it was not pretrained, so it learns with the heads.
#[test]
fn a_frozen_beit_stays_and_its_neck_learns() {
    let _alone = alone();
    let mut config = network();
    config.backbone = HfBackboneConfig::Beit(HfBeitConfig {
        image_size: 36,
        patch_size: 9,
        hidden_size: 16,
        num_hidden_layers: 4,
        num_attention_heads: 2,
        intermediate_size: 24,
        use_relative_position_bias: true,
        add_fpn: true,
        out_stages: vec![1, 2, 3, 4],
        ..HfBeitConfig::default()
    });
    let device = Device::flex().autodiff();
    device.seed(3);
    let mut frozen = settings();
    frozen.freeze.backbone = true;
    let model = zoo::build(&config, &device).unwrap();
    let objective = Objective::new(&frozen.loss, NUM_LABELS, 255, None).unwrap();
    let mut learner = Learner::new(model, config.clone(), objective, &frozen, vec![device]);
    let before = weights(learner.model(), &config);
    learner.step(&batch(), 0, 1.0).unwrap();
    let after = weights(learner.model(), &config);
    for ((key, before), (_, after)) in before.iter().zip(&after) {
        let is_statistic = key.contains("running_") || key.contains("num_batches");
        let stays = key.starts_with("backbone.") && !zoo::is_neck(key) || is_statistic;
        assert_eq!(before == after, stays, "{key}");
    }
    assert!(
        before.iter().any(|(key, _)| zoo::is_neck(key)),
        "it has one"
    );
}

/// None is ever pretrained. One is three deconvolutions and batch normalisation, the other eight
/// convolutions.
#[test]
fn a_neck_of_ours_on_a_frozen_backbone_learns() {
    assert_neck_learns(HfNeck::FeaturePyramid, 8);
    assert_neck_learns(HfNeck::MultiLevel { channels: 6 }, 16);
}

fn assert_neck_learns(neck: HfNeck, tensors: usize) {
    let _alone = alone();
    let backbone = HfBackboneConfig::Dinov2(HfDinov2Config {
        image_size: 28,
        patch_size: 7,
        hidden_size: 8,
        num_hidden_layers: 4,
        num_attention_heads: 2,
        neck: Some(neck),
        out_stages: vec![1, 2, 3, 4],
        ..HfDinov2Config::default()
    });
    let config = HfConfig {
        backbone,
        auxiliary_in_channels: None,
        ..network()
    };
    let mut frozen = settings();
    frozen.freeze.backbone = true;
    let device = Device::flex().autodiff();
    device.seed(3);
    let model = zoo::build(&config, &device).unwrap();
    let objective = Objective::new(&settings().loss, NUM_LABELS, 255, None).unwrap();
    let mut learner = Learner::new(model, config.clone(), objective, &frozen, vec![device]);
    let before = weights(learner.model(), &config);
    learner.step(&batch(), 0, 1.0).unwrap();
    let after = weights(learner.model(), &config);
    let mut changed = 0;
    for ((key, before), (_, after)) in before.iter().zip(&after) {
        if key.contains("running_") || key.contains("num_batches") {
            continue;
        }
        let learns = !key.starts_with("backbone.") || key.starts_with("backbone.neck.");
        assert_eq!(before != after, learns, "{key}");
        changed += usize::from(key.starts_with("backbone.neck."));
    }
    assert_eq!(changed, tensors, "{neck:?}");
}

#[test]
fn checkpointing_changes_no_gradient() {
    let _alone = alone();
    let device = Device::flex().autodiff().gradient_checkpointing();
    device.seed(3);
    let config = network();
    let model = zoo::build(&config, &device).unwrap();
    let objective = Objective::new(&settings().loss, NUM_LABELS, 255, None).unwrap();
    let checkpointed = Learner::new(model, config, objective, &settings(), vec![device]);
    assert_same(learner(&settings(), 1), checkpointed);
}

#[test]
fn the_norm_of_all_gradients_is_bounded() {
    let _alone = alone();
    let mut clipped = TrainingConfig {
        clip_norm: Some(1e-3),
        ..settings()
    };
    clipped.optimizer.kind = upernet_train::optimizer::OptimizerKind::Sgd;
    clipped.optimizer.momentum = 0.0;
    clipped.optimizer.weight_decay = 0.0;
    clipped.optimizer.learning_rate = 1.0;
    let mut learner = learner(&clipped, 1);
    let before = weights(learner.model(), &network());
    learner.step(&batch(), 0, 1.0).unwrap();
    let after = weights(learner.model(), &network());
    let squares = before
        .iter()
        .zip(&after)
        .flat_map(|((_, before), (_, after))| {
            let pairs = before.iter().zip(after);
            pairs.map(|(a, b)| f64::from(a - b).powi(2))
        });
    let moved = squares.sum::<f64>().sqrt();
    // The weights' own rounding is some 1e-8 for each of them.
    assert!((moved / 1e-3 - 1.0).abs() < 1e-2, "moved by {moved}");
}
