//! Losses against reference values, and at the edges where formulas divide by 0.
//!
//! The reference values are those of `scripts/loss_references.py`: torch and restated papers in 64 bits.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

use std::path::Path;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::Deserialize;
use upernet_train::losses::{Loss, LossConfig, TermConfig};

#[derive(Deserialize)]
struct References {
    ignore_index: i64,
    logits_dims: [usize; 4],
    logits: Vec<f32>,
    labels_dims: [usize; 3],
    labels: Vec<i64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    terms: Vec<TermConfig>,
    class_weights: Option<Vec<f32>>,
    loss: f64,
    gradient: Vec<f64>,
}

impl References {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = path.join("../../testdata/losses/references.json");
        let text = std::fs::read(&path).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn logits(&self, dtype: DType) -> Tensor<4> {
        let data = TensorData::new(self.logits.clone(), self.logits_dims);
        let device = Device::flex().autodiff();
        Tensor::from_data(data, (&device, dtype)).require_grad()
    }

    fn labels(&self) -> Tensor<3, Int> {
        let data = TensorData::new(self.labels.clone(), self.labels_dims);
        Tensor::from_data(data, &Device::flex().autodiff())
    }

    /// Compares loss and whole gradient; errors are beside the largest expected value of each.
    fn check(&self, dtype: DType, tolerance: f64) {
        for case in &self.cases {
            let config = config(case.terms.clone());
            let num_labels = self.logits_dims[1];
            let weights = case.class_weights.clone();
            let loss = Loss::new(&config, num_labels, self.ignore_index, weights).unwrap();
            let logits = self.logits(dtype);
            let value = loss.forward(logits.clone(), self.labels());
            let gradient = logits.grad(&value.backward()).unwrap();
            assert_eq!(gradient.dims(), self.logits_dims, "{}", case.name);
            assert_close(&case.name, &values(value), &[case.loss], tolerance);
            assert_close(&case.name, &values(gradient), &case.gradient, tolerance);
        }
    }
}

fn config(terms: Vec<TermConfig>) -> LossConfig {
    LossConfig {
        terms,
        ..LossConfig::default()
    }
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    let data = x.into_data().convert::<f64>();
    data.try_into_vec().unwrap()
}

fn assert_close(name: &str, actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0_f64, |most, e| most.max(e.abs()));
    for (at, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= tolerance * largest,
            "{name}: {actual} at {at} instead of {expected}, the largest is {largest}"
        );
    }
}

/// In 32 bits, with the kernels of burn's CPU backend.
#[test]
fn values_and_gradients_are_the_references() {
    References::read().check(DType::F32, 1e-5);
}

/// In 64 bits, without kernels: the formulas are right to the last digits. Class weights and the slopes
/// of the Lovasz loss are numbers of 32 bits.
#[test]
fn plain_operations_in_64_bits_are_the_references() {
    References::read().check(DType::F64, 2e-7);
}

/// Every kind of loss, with and without what changes it.
fn every_loss() -> impl Iterator<Item = (String, Vec<TermConfig>)> {
    let references = References::read();
    references
        .cases
        .into_iter()
        .map(|case| (case.name, case.terms))
}

/// Loss and gradient in 32 bits; every number is finite.
fn run(terms: Vec<TermConfig>, logits: Tensor<4>, labels: Tensor<3, Int>) -> (f64, Vec<f64>) {
    let num_labels = logits.dims()[1];
    let name = format!("{terms:?}");
    let loss = Loss::new(&config(terms), num_labels, 255, None).unwrap();
    let logits = logits.autodiff().require_grad();
    let value = loss.forward(logits.clone(), labels);
    let gradient = values(logits.grad(&value.backward()).unwrap());
    let value = values(value)[0];
    assert!(value.is_finite(), "{name}: {value}");
    assert!(
        gradient.iter().all(|slope| slope.is_finite()),
        "{name}: {gradient:?}"
    );
    (value, gradient)
}

/// Classes of the reference batch, or fewer.
fn without_alpha(terms: &[TermConfig]) -> Vec<TermConfig> {
    let mut terms = terms.to_vec();
    for term in &mut terms {
        if let TermConfig::Focal(term) = term {
            term.alpha = None;
        }
    }
    terms
}

#[test]
fn nothing_labelled_is_no_loss_and_no_gradient() {
    let references = References::read();
    for (name, terms) in every_loss() {
        for label in [255, -1, 5] {
            let labels = references.labels().full_like(label);
            let (loss, gradient) = run(terms.clone(), references.logits(DType::F32), labels);
            assert!(loss.abs() < 1e-12, "{name}: {loss} for the label {label}");
            assert!(gradient.iter().all(|&slope| slope == 0.0), "{name}");
        }
    }
}

#[test]
fn one_class_has_nothing_to_learn() {
    let device = Device::flex();
    let logits = Tensor::<1>::from_floats([3.0, -2.0, 1e4, 0.5], &device).reshape([1, 1, 2, 2]);
    let labels = Tensor::<3, Int>::zeros([1, 5, 3], &device);
    for (name, terms) in every_loss() {
        let terms = without_alpha(&terms);
        let (loss, gradient) = run(terms, logits.clone(), labels.clone());
        assert!(loss.abs() < 1e-6, "{name}: {loss}");
        assert!(gradient.iter().all(|&slope| slope.abs() < 1e-6), "{name}");
    }
}

/// Right or wrong beyond what `exp` holds: the loss is finite, and 0 where all is right. Smoothed labels
/// have no right answer, and mean losses over absent classes none that is 0.
#[test]
fn huge_logits_stay_finite() {
    let references = References::read();
    let device = Device::flex();
    let labels = Tensor::<1, Int>::from_ints([0, 1, 2, 3, 4, 255], &device).reshape([1, 1, 6]);
    let hot = Tensor::<2>::eye(5, &device);
    let hot = Tensor::cat(vec![hot, Tensor::zeros([1, 5], &device)], 0); // [6, 5]
    let hot = hot.transpose().reshape([1, 5, 1, 6]) * 2e4 - 1e4;
    for (name, terms) in every_loss() {
        run(
            terms.clone(),
            references.logits(DType::F32).without_autodiff() * 1e4,
            references.labels(),
        );
        run(terms.clone(), -hot.clone(), labels.clone());
        let (loss, _) = run(terms, hot.clone(), labels.clone());
        let is_smoothed = name.contains("smoothing") || name == "sum";
        assert!(loss.abs() < 1e-6 || is_smoothed, "{name}: {loss}");
    }
}

/// A label that is no class counts as the ignored one, and is never read out of bounds.
#[test]
fn labels_out_of_range_are_left_out() {
    let references = References::read();
    let logits = references.logits(DType::F32);
    let ignored = references.labels().equal_scalar(255);
    for (name, terms) in every_loss() {
        let expected = run(terms.clone(), logits.clone(), references.labels());
        for label in [-3, 5, 70_000] {
            let labels = references.labels().mask_fill(ignored.clone(), label);
            assert_eq!(
                run(terms.clone(), logits.clone(), labels),
                expected,
                "{name}"
            );
        }
    }
}

/// The ignored label may be a class: its pixels count no more, whatever the loss.
#[test]
fn an_ignored_class_is_left_out() {
    let references = References::read();
    let logits = references.logits(DType::F32);
    for (name, terms) in every_loss() {
        let loss = |ignore_index, labels: Tensor<3, Int>| {
            let config = config(terms.clone());
            let loss = Loss::new(&config, 5, ignore_index, None).unwrap();
            values(loss.forward(logits.clone(), labels))[0]
        };
        // Without the ignored class, Dice is a mean over fewer.
        let is_mean_over_all = name.starts_with("dice") || name == "sum";
        let (labels, ignored) = (references.labels(), references.labels().equal_scalar(1));
        let expected = loss(255, labels.clone().mask_fill(ignored, 255));
        let actual = loss(1, labels);
        assert!(
            (actual - expected).abs() < 1e-6 || is_mean_over_all,
            "{name}: {actual} instead of {expected}"
        );
        assert!(actual.is_finite(), "{name}: {actual}");
    }
}

fn parse(text: &str) -> Result<LossConfig, toml::de::Error> {
    toml::from_str(text)
}

/// Values of one config, without gradients.
fn loss_of(text: &str, num_labels: usize) -> f64 {
    let references = References::read();
    let loss = Loss::new(&parse(text).unwrap(), num_labels, 255, None).unwrap();
    values(loss.forward(references.logits(DType::F32), references.labels()))[0]
}

#[test]
fn focal_loss_without_focus_is_the_cross_entropy() {
    let focal = loss_of("[[terms]]\nkind = 'focal'\ngamma = 0.0", 5);
    assert_close("focal", &[focal], &[loss_of("", 5)], 1e-6);
}

/// Twice the pixels of two images each: `min_kept` counts over the batch, and is reached exactly.
#[test]
fn hard_examples_are_as_many_as_asked_for() {
    let device = Device::flex();
    // One class more probable from pixel to pixel, all above the threshold: p = 1 / (1 + e^-x).
    let rising = Tensor::<1, Int>::arange(0..20, &device).float() * 0.1 + 1.0;
    let rising = rising.clone().reshape([2, 1, 1, 10]);
    let logits = Tensor::cat(vec![rising.clone(), rising.zeros_like()], 1);
    let labels = Tensor::<3, Int>::zeros([2, 1, 10], &device);
    let config = parse("[[terms]]\nkind = 'ohem'\nthreshold = 0.5\nmin_kept = 3").unwrap();
    let (_, gradient) = run(config.terms, logits, labels);
    let learnt: Vec<usize> = (0..20)
        .filter(|pixel| gradient[pixel / 10 * 20 + pixel % 10] != 0.0)
        .collect();
    assert_eq!(learnt, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn terms_add_up_and_have_names() {
    let references = References::read();
    let text = "
        [[terms]]
        kind = 'dice'
        weight = 2.0
        [[terms]]
        kind = 'lovasz'
        [[terms]]
        kind = 'dice'
        weight = 0.5
        smooth = 2.0
    ";
    let loss = Loss::new(&parse(text).unwrap(), 5, 255, None).unwrap();
    assert_eq!(loss.to_string(), "2 dice + lovasz + 0.5 dice_2");
    let result = loss.forward_terms(references.logits(DType::F32), references.labels());
    let names: Vec<&str> = result.terms.iter().map(|term| term.name.as_str()).collect();
    assert_eq!(names, ["dice", "lovasz", "dice_2"]);
    assert_eq!(names, loss.names().collect::<Vec<_>>());
    let terms = result.terms.into_iter();
    let terms: Vec<f64> = terms
        .map(|term| {
            assert!(!term.value.is_autodiff(), "logs need no graph");
            values(term.value)[0]
        })
        .collect();
    let sum: f64 = terms.iter().sum();
    assert_close("sum", &values(result.total), &[sum], 1e-6);
    assert!(terms.iter().all(|&term| term > 0.0), "{terms:?}");
}

#[test]
fn configs_survive_writing() {
    let text = "
        class_weights = [1.0, 0.5]
        [[terms]]
        kind = 'cross_entropy'
        label_smoothing = 0.1
        [[terms]]
        kind = 'ohem'
        [[terms]]
        kind = 'dice'
        [[terms]]
        kind = 'focal'
        alpha = [0.25, 0.75]
        [[terms]]
        kind = 'lovasz'
        weight = 0.3
    ";
    let config = parse(text).unwrap();
    assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
    let yaml = "class_weights: auto\nterms:\n- kind: focal\n  gamma: 1.5\n";
    let yaml: LossConfig = serde_saphyr::from_str(yaml).unwrap();
    let toml = "class_weights = 'enet'\n[[terms]]\nkind = 'focal'\ngamma = 1.5";
    assert_eq!(yaml, parse(toml).unwrap());
    assert_eq!(parse("").unwrap(), LossConfig::default());
}

/// What is wrong, and a part of the message.
#[test]
fn configs_that_make_no_sense_are_refused() {
    let cases = [
        ("terms = []", "loss.terms: there is none"),
        (
            "class_weights = 'enet'",
            "class_weights: the rule needs the class counts",
        ),
        (
            "class_weights = [1.0, 2.0]",
            "class_weights: 2 weights are given for 3 classes; give one for each",
        ),
        (
            "class_weights = [1.0, -2.0, 1.0]",
            "class_weights: -2 for class 1 is not a number of at least 0",
        ),
        (
            "class_weights = [0.0, 0.0, 0.0]",
            "class_weights: all are 0",
        ),
        (
            "[[terms]]\nkind = 'cross_entropy'\nlabel_smoothing = 1.5",
            "loss.terms.label_smoothing: 1.5 is not from 0 to 1",
        ),
        (
            "[[terms]]\nkind = 'cross_entropy'\nweight = -1.0",
            "loss.terms.weight: -1 is not 0 or more",
        ),
        (
            "[[terms]]\nkind = 'ohem'\nthreshold = nan",
            "loss.terms.threshold: NaN is not from 0 to 1",
        ),
        (
            "[[terms]]\nkind = 'dice'\nsmooth = 0.0",
            "loss.terms.smooth: 0 is not more than 0",
        ),
        (
            "[[terms]]\nkind = 'dice'\nexponent = 0.5",
            "loss.terms.exponent: 0.5 is not 1 or more",
        ),
        (
            "[[terms]]\nkind = 'focal'\ngamma = -1.0",
            "loss.terms.gamma: -1 is not 0 or more",
        ),
        (
            "[[terms]]\nkind = 'focal'\nalpha = [0.5]",
            "loss.terms.alpha: 1 numbers for 3 classes",
        ),
        (
            "[[terms]]\nkind = 'lovasz'\nweight = inf",
            "loss.terms.weight: inf is not 0 or more",
        ),
    ];
    for (text, expected) in cases {
        let error = Loss::new(&parse(text).unwrap(), 3, 255, None).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(expected), "{text}: {message}");
    }
}

#[test]
fn unknown_settings_are_refused() {
    let cases = [
        ("aux_weight = 1", "unknown field `aux_weight`"),
        ("[[terms]]\nkind = 'tversky'", "unknown variant `tversky`"),
        (
            "[[terms]]\nkind = 'dice'\ngamma = 2.0",
            "unknown field `gamma`",
        ),
        ("class_weights = 'often'", "often"),
    ];
    for (text, expected) in cases {
        let message = parse(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}
