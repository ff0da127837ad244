//! One step of training: loss, gradients, update.

mod replica;

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    thread,
    time::Instant,
};

use burn::{
    module::{Module, ParamGroup, ParamId},
    tensor::{Device, Int, Tensor, TensorData},
};
use burn_optim::{GradientsAccumulator, GradientsParams};
use upernet::{
    hf::config::HfConfig,
    zoo::{HubParameter, Model, hub_parameters},
};
use upernet_data::loader::Batch;

use crate::{
    Error,
    config::{FreezeConfig, TrainingConfig},
    ema::Ema,
    gradients,
    objective::Objective,
    optimizer::{ModelOptimizer, visit_parameters},
};

use replica::replica;

/// A model that learns, batch by batch.
#[derive(Debug)]
pub struct Learner {
    model: Model,
    config: HfConfig,
    objective: Objective,
    optimizer: ModelOptimizer,
    ema: Option<Ema>,
    devices: Vec<Device>,
    accumulate: usize,
    clip_norm: Option<f64>,
    seed: u64,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepReport {
    /// The loss over the batch, both heads' together.
    pub loss: f64,
    /// Named parts of the loss.
    pub parts: Vec<(String, f64)>,
    /// Norm of all gradients together, before it is clipped.
    pub gradient_norm: f64,
    /// Seconds for the loss.
    pub forward_seconds: f64,
    /// Seconds for the gradients.
    pub backward_seconds: f64,
    /// Seconds for the update of weights and average.
    pub update_seconds: f64,
}

/// The gradients of a batch.
#[derive(Debug)]
pub struct BatchGradients {
    /// By parameter, on the first device.
    pub gradients: GradientsParams,
    /// Loss and times; the norm and the update are not known yet.
    pub report: StepReport,
}

impl Learner {
    /// A learner for `model`, which is on an autodiff device; `devices` are others of that kind, the first
    /// of them its own.
    ///
    /// # Panics
    ///
    /// Panics if `devices` is empty.
    #[must_use]
    pub fn new(
        model: Model,
        config: HfConfig,
        objective: Objective,
        settings: &TrainingConfig,
        devices: Vec<Device>,
    ) -> Self {
        assert!(!devices.is_empty(), "training needs a device");
        let model = frozen(model, &config, &settings.freeze);
        let optimizer = ModelOptimizer::new(&settings.optimizer, &model, &config);
        let ema = settings.ema_decay.map(|decay| Ema::new(decay, &model));
        Self {
            model,
            config,
            objective,
            optimizer,
            ema,
            devices,
            accumulate: settings.accumulate,
            clip_norm: settings.clip_norm,
            seed: settings.seed,
        }
    }

    /// The model as it trains.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model to validate and to save, off its autodiff device: the average if there is one.
    #[must_use]
    pub fn best_model(&self) -> Model {
        match &self.ema {
            Some(ema) => ema.average().clone(),
            None => self.model.valid(),
        }
    }

    /// The optimiser.
    #[must_use]
    pub fn optimizer(&self) -> &ModelOptimizer {
        &self.optimizer
    }

    /// The optimiser, to restore its state.
    pub fn optimizer_mut(&mut self) -> &mut ModelOptimizer {
        &mut self.optimizer
    }

    /// The average of the weights, if there is one.
    #[must_use]
    pub fn ema(&self) -> Option<&Ema> {
        self.ema.as_ref()
    }

    /// Goes on with an average of another process.
    pub fn restore_ema(&mut self, ema: Ema) {
        self.ema = Some(ema);
    }

    /// The model's config.
    #[must_use]
    pub fn config(&self) -> &HfConfig {
        &self.config
    }

    /// Takes step number `step`, counted from 0, with `factor` of the base learning rate.
    ///
    /// The same model, step and batch give the same bits.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] if the loss is no number; the model is then as before. [`Error::Device`] if a
    /// device fails.
    pub fn step(&mut self, batch: &Batch, step: u64, factor: f64) -> Result<StepReport, Error> {
        let BatchGradients {
            mut gradients,
            mut report,
        } = self.gradients(batch, step)?;
        let start = Instant::now();
        report.gradient_norm = gradients::norm(&self.model, &gradients);
        if !report.loss.is_finite() || !report.gradient_norm.is_finite() {
            let loss = report.loss;
            return Err(Error::Diverged { step, loss });
        }
        if let Some(bound) = self.clip_norm
            && report.gradient_norm > bound
        {
            // As `clip_grad_norm_`, which adds 1e-6.
            let factor = bound / (report.gradient_norm + 1e-6);
            gradients = gradients::scaled(&self.model, gradients, factor);
        }
        self.model = self.optimizer.step(factor, self.model.clone(), gradients);
        if let Some(ema) = &mut self.ema {
            ema.update(&self.model, step);
        }
        report.update_seconds = start.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Computes loss and gradients of a batch and updates nothing but running statistics.
    ///
    /// The batch is parted over devices and, on each, over the parts of `accumulate`. Parts are weighed by
    /// their labelled pixels, so that the cross-entropy is the whole batch's.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] if a device fails.
    pub fn gradients(&self, batch: &Batch, step: u64) -> Result<BatchGradients, Error> {
        let num_labels = self.config.num_labels();
        let parts = parts(batch, self.devices.len() * self.accumulate);
        let masses = parts
            .iter()
            .map(|part| self.objective.mass(part.labels, num_labels));
        let masses: Vec<f64> = masses.collect();
        let total = masses.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let jobs: Vec<Job<'_>> = parts
            .into_iter()
            .zip(masses)
            .zip(0..)
            .map(|((part, mass), index)| Job {
                part,
                share: mass / total,
                seed: mixed(self.seed, step, index),
            })
            .collect();
        self.on_devices(&jobs)
    }

    /// The sum over all devices.
    ///
    /// The first one computes on this thread, with the model itself: burn keeps the running statistics of
    /// [`RunningState`](burn::module::RunningState) for each thread, and those that last are this one's. The
    /// others' statistics are forgotten with their copies of the model, as by PyTorch's
    /// `DistributedDataParallel`, whose first process has its buffers kept.
    fn on_devices(&self, jobs: &[Job<'_>]) -> Result<BatchGradients, Error> {
        let (first, others) = self.devices.split_first().expect("training has a device");
        let mut jobs = jobs.chunks(self.accumulate);
        let own = jobs.next().unwrap_or_default();
        let results = thread::scope(|scope| {
            // All are started before this thread has its own work to do.
            let workers: Vec<_> = others
                .iter()
                .zip(jobs)
                .map(|(device, jobs)| {
                    let plain = self.model.valid();
                    scope.spawn(move || {
                        caught(|| {
                            let model = replica(plain, device);
                            let found = self.on_device(&model, device, jobs);
                            BatchGradients {
                                gradients: found.gradients.to_device(first, &model),
                                report: found.report,
                            }
                        })
                    })
                })
                .collect();
            let mut results = vec![caught(|| self.on_device(&self.model, first, own))];
            let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
            results.extend(joined.map(|joined| joined.and_then(|result| result)));
            results
        });
        let mut accumulator = GradientsAccumulator::new();
        let mut report = StepReport::default();
        for (device, result) in results.into_iter().enumerate() {
            let found = result.map_err(|panic| Error::Device {
                device,
                problem: message(&*panic),
            })?;
            accumulator.accumulate(&self.model, found.gradients);
            report.add(&found.report);
        }
        Ok(BatchGradients {
            gradients: accumulator.grads(),
            report,
        })
    }

    fn on_device(&self, model: &Model, device: &Device, jobs: &[Job<'_>]) -> BatchGradients {
        let mut accumulator = GradientsAccumulator::new();
        let mut report = StepReport::default();
        for job in jobs {
            device.seed(job.seed);
            let start = Instant::now();
            let (pixel_values, labels) = job.part.tensors(device);
            let value = self.objective.forward(model, pixel_values, &labels);
            let loss = f64::from(value.total.clone().into_scalar::<f32>());
            let forward = start.elapsed().as_secs_f64();
            let share = job.share;
            let gradients = (value.total * share).backward();
            let gradients = GradientsParams::from_grads(gradients, model);
            accumulator.accumulate(model, gradients);
            let parts = value.parts.into_iter();
            let parts =
                parts.map(|(name, part)| (name, share * f64::from(part.into_scalar::<f32>())));
            report.add(&StepReport {
                loss: loss * share,
                parts: parts.collect(),
                gradient_norm: 0.0,
                forward_seconds: forward,
                backward_seconds: start.elapsed().as_secs_f64() - forward,
                update_seconds: 0.0,
            });
        }
        BatchGradients {
            gradients: accumulator.grads(),
            report,
        }
    }
}

impl StepReport {
    pub(crate) fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        for (name, value) in &other.parts {
            match self.parts.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += value,
                None => self.parts.push((name.clone(), *value)),
            }
        }
        self.forward_seconds += other.forward_seconds;
        self.backward_seconds += other.backward_seconds;
    }
}

/// A part of a batch, what it counts in the loss, and the seed of what is drawn for it.
#[derive(Clone, Copy, Debug)]
struct Job<'a> {
    part: Part<'a>,
    share: f64,
    seed: u64,
}

/// Some images of a batch.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    pixel_values: &'a [f32],
    labels: &'a [u16],
    shape: [usize; 4],
}

impl Part<'_> {
    fn tensors(&self, device: &Device) -> (Tensor<4>, Tensor<3, Int>) {
        let [count, _, height, width] = self.shape;
        let pixel_values = TensorData::new(self.pixel_values.to_vec(), self.shape);
        let labels: Vec<i32> = self.labels.iter().map(|&label| label.into()).collect();
        let labels = TensorData::new(labels, [count, height, width]);
        (
            Tensor::from_data(pixel_values, device),
            Tensor::from_data(labels, device),
        )
    }
}

/// Cuts a batch into `count` equal parts.
fn parts(batch: &Batch, count: usize) -> Vec<Part<'_>> {
    let [images, channels, height, width] = batch.shape;
    let images = images / count;
    let pixel_values = batch
        .pixel_values
        .chunks(images * channels * height * width);
    let labels = batch.labels.chunks(images * height * width);
    let part = |(pixel_values, labels)| Part {
        pixel_values,
        labels,
        shape: [images, channels, height, width],
    };
    pixel_values.zip(labels).map(part).collect()
}

/// Takes what `freeze` names out of training.
fn frozen(model: Model, config: &HfConfig, freeze: &FreezeConfig) -> Model {
    let mut model = model;
    if freeze.backbone {
        // A neck is the backbone's by its names, yet was not pretrained with it: it learns as the heads do.
        let neck = ParamGroup::from_predicates(vec!["backbone.", ".neck."]);
        model = model.freeze_group(ParamGroup::from_predicate("backbone.").exclude(neck));
    }
    if freeze.batch_norm_statistics {
        let flags = ParamGroup::from_predicates(vec!["batch_norm.", "training"]);
        model = model.freeze_group(flags);
    }
    if !freeze.parameters.is_empty() {
        let ids = ids(&model, config, &freeze.parameters);
        model = model.set_require_grad_group(ParamGroup::from_ids(ids), false);
    }
    model
}

/// The parameters whose key contains one of `texts`.
fn ids(model: &Model, config: &HfConfig, texts: &[String]) -> Vec<ParamId> {
    let keys = hub_parameters(model, config);
    let mut keys = keys.iter().map(HubParameter::key);
    let mut found = Vec::new();
    visit_parameters(model, |id, _| {
        let key = keys.next().expect("the zoo lists every parameter");
        if texts.iter().any(|text| key.contains(text)) {
            found.push(id);
        }
    });
    found
}

/// A backend says by a panic that it failed.
fn caught<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work))
}

/// A number that depends on all three in a way that does not repeat.
fn mixed(seed: u64, step: u64, part: u64) -> u64 {
    use upernet_data::random;
    const STREAM: u64 = 0x6c65_6172;
    let mut generator = random(seed, STREAM ^ part.rotate_left(32), step);
    rand::RngExt::random(&mut generator)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("it failed without a word");
    text.lines().collect::<Vec<_>>().join(" ")
}
