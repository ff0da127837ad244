//! Running one golden folder on one device.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Gradients, Tensor},
};
use upernet::nn::Precision;
use upernet_hf::{ModelFolder, config::HfConfig};
use upernet_zoo::{Model, hub_parameters, load};

use crate::{Case, Difference, Tolerance, compare, kinks, learner::check_learner};

/// Largest difference of features, logits and losses, relative to max(1, largest magnitude).
const FORWARD: f64 = 1e-4;
/// The same for Swin V2. Its logits are cosines times up to 100, and a norm at the end of every branch
/// brings small branches up, so rounding grows: PyTorch's own maps of the case `swinv2-clamped` move by up
/// to 2.4e-4 if the pixels change in their last bit.
const FORWARD_BY_COSINES: f64 = 1e-3;
/// The same through the prepared network, whose sums run in another order and through transforms.
const PREPARED: Tolerance = Tolerance::Max(1e-3);
/// L2 norm of a gradient's difference, relative to its own.
const GRADIENT: f64 = 2e-3;
/// The same for Swin V2, for the same reason as above: PyTorch's own gradients of the case `swinv2` with
/// other weights (`--salt seven`) are up to 2.7e-3 from those that it computes in f64.
const GRADIENT_BY_COSINES: f64 = 1e-2;
/// How often the reference's own f32 rounding a gradient may be off, whatever its norm.
const ROUNDING: f64 = 4.0;
/// Share of the largest gradient norm below which a norm is rounding: some gradients are zero in exact
/// arithmetic (a softmax ignores what all its logits share, batch normalisation what all its inputs
/// share).
const ZERO: f64 = 1e-5;

/// Every comparison that one golden folder asked for.
#[derive(Debug, Default)]
pub struct Findings {
    /// The comparisons, in the order they were made.
    pub differences: Vec<Difference>,
}

impl Findings {
    /// The comparisons that were not within their tolerance.
    pub fn failures(&self) -> impl Iterator<Item = &Difference> {
        self.differences
            .iter()
            .filter(|difference| !difference.is_within())
    }

    /// The comparison that used most of its tolerance.
    #[must_use]
    pub fn closest_call(&self) -> Option<&Difference> {
        let share = |difference: &Difference| difference.found / difference.allowed;
        self.differences
            .iter()
            .max_by(|a, b| share(a).total_cmp(&share(b)))
    }

    fn check(&mut self, case: &Case, name: &str, actual: &[f32], tolerance: Tolerance) {
        self.check_as(case, name, name, actual, tolerance);
    }

    /// The same, for something that the reference calls `name` and findings are to call `label`.
    pub(crate) fn check_as(
        &mut self,
        case: &Case,
        name: &str,
        label: &str,
        actual: &[f32],
        tolerance: Tolerance,
    ) {
        let (_, expected) = case
            .expected
            .get(name)
            .unwrap_or_else(|| panic!("{}: expected.safetensors lacks {name}", case.name));
        self.differences
            .push(compare(label, actual, expected, tolerance));
    }
}

/// Runs inference, loss, and, where the folder has goldens for it, one training step.
///
/// # Errors
///
/// Returns the zoo's error if the model cannot be loaded.
///
/// # Panics
///
/// Panics if the fixture is broken.
pub fn check(folder: &Path, device: &Device) -> Result<Findings, upernet_zoo::Error> {
    let model_folder = ModelFolder::open(folder)?;
    let (model, _) = load(&model_folder, device)?;
    let mut case = Case::read(folder);
    let findings = check_all(&case, &model, &model_folder, device)?;
    if findings
        .failures()
        .all(|failure| !is_gradient(&failure.name))
    {
        return Ok(findings);
    }
    case.kinks = kinks::measure(&case, &model.clone().train(), &model_folder.config, device);
    check_all(&case, &model, &model_folder, device)
}

fn check_all(
    case: &Case,
    model: &Model,
    model_folder: &ModelFolder,
    device: &Device,
) -> Result<Findings, upernet_zoo::Error> {
    let mut findings = Findings::default();
    check_inference(case, model, device, &mut findings);
    check_prepared(case, model.clone(), device, &mut findings);
    if case.has_training() {
        let model = model.clone().train();
        check_training(case, &model, &model_folder.config, device, &mut findings);
        check_learner(case, &case.folder, device, &mut findings)?;
    }
    Ok(findings)
}

/// Whether a comparison is of a gradient, by what it is called.
fn is_gradient(name: &str) -> bool {
    ["train.grad", "norm of the gradient of ", "a step of "]
        .iter()
        .any(|kind| name.starts_with(kind))
}

/// How far what a trainable network computes may be off.
pub(crate) fn forward_tolerance(case: &Case) -> Tolerance {
    Tolerance::Max(match case.family.as_str() {
        "swinv2" => FORWARD_BY_COSINES,
        _ => FORWARD,
    })
}

fn check_prepared(case: &Case, model: Model, device: &Device, findings: &mut Findings) {
    let model = model.prepare(Precision::F32);
    let features = model.backbone().forward(case.pixel_values(device));
    for (level, map) in features.maps().iter().enumerate() {
        let name = format!("eval.feature.{level}");
        findings.check(case, &name, &values(map.clone()), PREPARED);
    }
    let decode_logits = model.decode_head().forward(features);
    let decode_logits = values(decode_logits);
    findings.check(case, "eval.decode_logits", &decode_logits, PREPARED);
    let logits = values(model.forward(case.pixel_values(device)));
    findings.check(case, "eval.logits", &logits, PREPARED);
}

fn check_inference(case: &Case, model: &Model, device: &Device, findings: &mut Findings) {
    let forward = forward_tolerance(case);
    let output = model.forward_with_labels(case.pixel_values(device), case.labels(device));
    for (level, map) in output.features.maps().iter().enumerate() {
        findings.check(
            case,
            &format!("eval.feature.{level}"),
            &values(map.clone()),
            forward,
        );
    }
    findings.check(
        case,
        "eval.decode_logits",
        &values(output.decode_logits),
        forward,
    );
    if let Some(aux_logits) = output.aux_logits {
        findings.check(case, "eval.aux_logits", &values(aux_logits), forward);
    }
    findings.check(case, "eval.loss", &values(output.loss), forward);
    findings.check(case, "eval.logits", &values(output.logits), forward);
    let without_labels = model.forward(case.pixel_values(device));
    findings.check(case, "eval.logits", &values(without_labels), forward);
}

fn check_training(
    case: &Case,
    model: &Model,
    config: &HfConfig,
    device: &Device,
    findings: &mut Findings,
) {
    let forward = forward_tolerance(case);
    let device = device.clone().autodiff();
    let pixel_values = case.pixel_values(&device).require_grad();
    let output = model.forward_with_labels(pixel_values.clone(), case.labels(&device));
    findings.check(case, "train.loss", &values(output.loss.clone()), forward);
    findings.check(
        case,
        "train.decode_logits",
        &values(output.decode_logits),
        forward,
    );
    if let Some(aux_logits) = output.aux_logits {
        findings.check(case, "train.aux_logits", &values(aux_logits), forward);
    }
    let gradients = output.loss.backward();
    let input = pixel_values
        .grad(&gradients)
        .expect("the input asks for its gradient");
    findings.check(
        case,
        "train.grad_input",
        &values(input),
        gradient_tolerance(case, "train.grad_input"),
    );

    let parameters = Gathered::from(model, config, &gradients);
    for name in case.expected.keys() {
        if let Some(key) = name.strip_prefix("train.grad.") {
            let gradient = parameters.gradients.get(key);
            let gradient = gradient.unwrap_or_else(|| panic!("{key} has no gradient"));
            findings.check(case, name, gradient, gradient_tolerance(case, name));
        } else if let Some(key) = name.strip_prefix("train.buffer.") {
            findings.check(case, name, &parameters.values[key], forward);
        }
    }
    check_gradient_norms(case, &parameters.gradients, findings);
}

/// Compares the norm of every gradient, also of those whose values the folder does not hold.
fn check_gradient_norms(
    case: &Case,
    gradients: &BTreeMap<String, Vec<f32>>,
    findings: &mut Findings,
) {
    let zero = ZERO * case.grad_norms.values().copied().fold(0.0, f64::max);
    for (key, &expected) in &case.grad_norms {
        let gradient = gradients
            .get(key)
            .unwrap_or_else(|| panic!("{key} has no gradient"));
        let squares: f64 = gradient.iter().map(|&value| f64::from(value).powi(2)).sum();
        let name = format!("norm of the gradient of {key}");
        let noise = rounding_norm(case, &format!("train.grad.{key}")).max(zero);
        #[expect(clippy::cast_possible_truncation, reason = "reported to a few digits")]
        let (found, expected) = (squares.sqrt() as f32, expected as f32);
        let tolerance = Tolerance::Norm {
            relative: relative_gradient(case),
            noise,
        };
        findings
            .differences
            .push(compare(&name, &[found], &[expected], tolerance));
    }
}

pub(crate) fn gradient_tolerance(case: &Case, name: &str) -> Tolerance {
    Tolerance::Norm {
        relative: relative_gradient(case),
        noise: rounding_norm(case, name),
    }
}

fn relative_gradient(case: &Case) -> f64 {
    match case.family.as_str() {
        "swinv2" => GRADIENT_BY_COSINES,
        _ => GRADIENT,
    }
}

/// L2 norm that a tensor's difference has if every value is off by the reference's own rounding, or, if it
/// is more, twice the norm by which rounding of the pixels moves it.
fn rounding_norm(case: &Case, name: &str) -> f64 {
    let values = case
        .expected
        .get(name)
        .map_or(0, |(_, values)| values.len());
    let rounding = case.rounding.get(name).copied().unwrap_or_default();
    let kink = case.kinks.get(name).copied().unwrap_or_default();
    (ROUNDING * rounding * (values as f64).sqrt()).max(2.0 * kink)
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec()
        .expect("converted to f32")
}

/// Values and gradients of all parameters, by hub key and in the hub's layout.
pub(crate) struct Gathered {
    values: BTreeMap<String, Vec<f32>>,
    pub(crate) gradients: BTreeMap<String, Vec<f32>>,
}

impl Gathered {
    pub(crate) fn from(model: &Model, config: &HfConfig, gradients: &Gradients) -> Self {
        struct Values(Vec<Vec<f32>>);
        impl ModuleVisitor for Values {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.push(values(param.val()));
            }
        }
        struct Found<'a>(&'a Gradients, Vec<Option<Vec<f32>>>);
        impl ModuleVisitor for Found<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.1.push(param.val().grad(self.0).map(values));
            }
        }
        // `valid` brings running statistics up to date with the last forward pass.
        let mut all_values = Values(Vec::new());
        model.valid().visit(&mut all_values);
        let mut found = Found(gradients, Vec::new());
        model.visit(&mut found);

        let mut gathered = Self {
            values: BTreeMap::new(),
            gradients: BTreeMap::new(),
        };
        let found = all_values.0.into_iter().zip(found.1);
        for (parameter, (values, gradient)) in hub_parameters(model, config).iter().zip(found) {
            gathered
                .values
                .insert(parameter.key().to_owned(), parameter.to_hub_layout(values));
            if let Some(gradient) = gradient {
                let gradient = parameter.to_hub_layout(gradient);
                gathered
                    .gradients
                    .insert(parameter.key().to_owned(), gradient);
            }
        }
        gathered
    }
}
