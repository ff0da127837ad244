//! A run from its first step to its last, in a folder that says all about it.
//!
//! ```text
//! runs/street/
//!   config.toml            the merged settings
//!   metrics.csv, .jsonl    one line for every few steps, one for each validation
//!   curves.png             loss, learning rate and scores over the steps
//!   confusion.png          which class was taken for which at the best validation
//!   samples/step-*.png     predictions through time
//!   best/, last/           model folders that `transformers` loads
//!   checkpoints/step-*/    what a resumed run needs
//! ```
//!
//! The loop is our own and not burn-train's learner: recipes of the field count steps and not epochs, a
//! killed run must go on in the middle of an epoch with the same bits, and a checkpoint must be whole or not
//! there. burn-train's learner goes epoch by epoch, saves at their ends, and writes its files in place.

mod beginning;
mod interval;
mod record;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use burn::tensor::Device;
use upernet::{
    hf,
    pixels::{Overwrite, write_atomically},
    zoo::{self, hub_parameters},
};
use upernet_data::loader::{Batch, Loader, LoaderOptions};

use crate::{
    Error,
    checkpoint::{BestScore, Checkpoints, RunState},
    config::{self, ConfigSource, TrainingConfig},
    folder::{self, failed},
    journal::{Entry, Journal, TrainEntry, ValidationEntry},
    learner::{Learner, StepReport},
    setup::{self, Data},
    validate::{Validation, segmenter, spread, validate},
};

use beginning::{Beginning, autodiff, objective};
use interval::Interval;

const CONFIG: &str = "config.toml";

/// Hears how a run goes, and may end it.
pub trait Observer {
    /// Something worth a line: what was found, chosen, left out.
    fn note(&mut self, text: &str) {
        let _ = text;
    }

    /// A step is done.
    fn stepped(&mut self, step: u64, steps: u64, report: &StepReport) {
        let _ = (step, steps, report);
    }

    /// A line of the log was written.
    fn logged(&mut self, entry: &TrainEntry) {
        let _ = entry;
    }

    /// A validation is done.
    fn validated(&mut self, step: u64, validation: &Validation, is_best: bool) {
        let _ = (step, validation, is_best);
    }

    /// Whether to save and stop at the next moment that allows it.
    fn wants_to_stop(&self) -> bool {
        false
    }
}

/// An observer that hears nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// No better validation for as long as the settings allow.
    EarlyStop,
    /// The observer asked for it; the run can be resumed.
    Interrupted,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// Steps done.
    pub step: u64,
    /// The best validation.
    pub best: Option<BestScore>,
    /// Seconds that it took, over all processes.
    pub seconds: f64,
}

/// A run.
#[derive(Debug)]
pub struct Trainer {
    folder: PathBuf,
    config: TrainingConfig,
    device: Device,
    data: Data,
    learner: Learner,
    checkpoints: Checkpoints,
    journal: Journal,
    state: RunState,
    notes: Vec<String>,
    /// Held as long as the run lives, so that no two processes write to one folder.
    _lock: File,
}

impl Trainer {
    /// Sets a new run up in `folder`, which must be empty or not there.
    ///
    /// `devices` are plain ones; the model lives on the first, and every step is parted over all of them.
    ///
    /// # Errors
    ///
    /// Returns an error that names the setting, file or folder; nothing is left at `folder`.
    ///
    /// # Panics
    ///
    /// Panics if `devices` is empty.
    pub fn create(
        folder: &Path,
        config: TrainingConfig,
        devices: &[Device],
    ) -> Result<Self, Error> {
        config.check(devices.len())?;
        let is_theirs = |name: &String| *name != folder::LOCK && !name.starts_with('.');
        if folder::names(folder)?.iter().any(is_theirs) {
            return Err(Error::Run {
                path: folder.to_owned(),
                problem: "there is something already; resume it with --resume, or choose another \
                          folder"
                    .to_owned(),
            });
        }
        // All that can be refused comes first, so that it leaves no folder behind.
        let mut data = setup::data(&config.data)?;
        data.notes.extend(setup::check(&config.data)?);
        let beginning = Beginning::new(&config, data, devices)?;
        fs::create_dir_all(folder).map_err(failed(folder, "make the folder"))?;
        let lock = folder::lock(folder)?;
        Self::begin(folder, config, beginning, devices, lock)
    }

    /// Starts at step 0.
    fn begin(
        folder: &Path,
        config: TrainingConfig,
        beginning: Beginning,
        devices: &[Device],
        lock: File,
    ) -> Result<Self, Error> {
        write_config(folder, &config)?;
        Ok(Self {
            checkpoints: Checkpoints::new(folder.join("checkpoints"), config.checkpoint.keep),
            journal: Journal::open(folder, 0)?,
            folder: folder.to_owned(),
            config,
            device: devices[0].clone(),
            data: beginning.data,
            learner: beginning.learner,
            state: beginning.state,
            notes: beginning.notes,
            _lock: lock,
        })
    }

    /// Takes up the run in `folder` at its newest whole checkpoint, with the settings it was made with and
    /// `changes` to them.
    ///
    /// A run that has no checkpoint yet begins anew. Without changes, and on the same device with the
    /// same number of threads, the weights at its end have the bits they would have had without the
    /// interruption.
    ///
    /// # Errors
    ///
    /// [`Error::NoCheckpoint`] if the folder is no run's, and as [`create`](Self::create).
    ///
    /// # Panics
    ///
    /// Panics if `devices` is empty.
    pub fn resume(
        folder: &Path,
        changes: &[ConfigSource],
        devices: &[Device],
    ) -> Result<Self, Error> {
        let path = folder.join(CONFIG);
        if !path.is_file() {
            return Err(Error::NoCheckpoint {
                path: folder.to_owned(),
            });
        }
        let lock = folder::lock(folder)?;
        let mut sources = vec![ConfigSource::file(&path)?];
        sources.extend_from_slice(changes);
        let config = config::read(&sources)?;
        config.check(devices.len())?;
        for kept in ["best", "last"] {
            folder::recover(&folder.join(kept))?;
        }
        let checkpoints = Checkpoints::new(folder.join("checkpoints"), config.checkpoint.keep);
        let data = setup::data(&config.data)?;
        let latest = match checkpoints.latest() {
            // Killed before its first checkpoint: what it did until then comes out the same again.
            Err(Error::NoCheckpoint { .. }) => {
                let beginning = Beginning::new(&config, data, devices)?;
                return Self::begin(folder, config, beginning, devices, lock);
            }
            found => found?,
        };
        let (checkpoint, state) = (&latest.checkpoint, latest.checkpoint.state.clone());
        checkpoints.clean(state.step)?;
        let mut notes = data.notes.clone();
        notes.extend(
            latest
                .damaged
                .iter()
                .map(|problem| format!("a checkpoint is passed over: {problem}")),
        );
        notes.push(format!("resumed at step {}", state.step));
        let autodiff = autodiff(&config, devices);
        let options = setup::build_options(&config.model);
        let model = checkpoint.model(&options, &autodiff[0])?;
        let model_config = checkpoint.config()?;
        if model_config.id2label != data.train.class_names() {
            return Err(Error::Run {
                path: folder.to_owned(),
                problem: "the dataset has other classes than the model of this run".to_owned(),
            });
        }
        let objective = objective(&config, &data, &state, &model_config)?;
        let mut learner = Learner::new(model, model_config, objective, &config, autodiff);
        checkpoint.restore(&mut learner, &options, config.ema_decay, &devices[0])?;
        write_config(folder, &config)?;
        let trainer = Self {
            journal: Journal::open(folder, state.step)?,
            folder: folder.to_owned(),
            checkpoints,
            config,
            device: devices[0].clone(),
            data,
            learner,
            state,
            notes,
            _lock: lock,
        };
        // A kill between the two parts of a save leaves `last` behind its checkpoint.
        trainer.export("last")?;
        Ok(trainer)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &TrainingConfig {
        &self.config
    }

    /// The model and its optimiser.
    #[must_use]
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// Steps done.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// Trains to the end.
    ///
    /// # Errors
    ///
    /// Returns an error that names the sample, the step or the file; the newest checkpoint is then still
    /// whole.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Outcome, Error> {
        for note in std::mem::take(&mut self.notes) {
            observer.note(&note);
        }
        observer.note(&self.summary());
        let mut loader = self.loader()?;
        let mut interval = Interval::default();
        let mut ending = self.ending();
        while ending == Ending::Finished && self.state.step < self.config.steps {
            if observer.wants_to_stop() {
                ending = Ending::Interrupted;
                break;
            }
            let start = Instant::now();
            let batch = loader.next_batch()?;
            let waited = start.elapsed().as_secs_f64();
            let report = self.step_once(&batch)?;
            let seconds = start.elapsed().as_secs_f64();
            self.state.seconds += seconds;
            interval.add(&report, waited, seconds);
            observer.stepped(self.state.step, self.config.steps, &report);
            let is_last = self.state.step == self.config.steps;
            if is_last || self.state.step.is_multiple_of(self.config.log_every) {
                let entry = self.entry(std::mem::take(&mut interval));
                observer.logged(&entry);
                self.journal.add(Entry::Train(entry))?;
            }
            if is_last || self.state.step.is_multiple_of(self.config.validation.every) {
                if !self.validate(observer)? {
                    ending = Ending::Interrupted;
                    break;
                }
                ending = self.ending();
            }
            let stops = is_last || ending == Ending::EarlyStop;
            if stops || self.state.step.is_multiple_of(self.config.checkpoint.every) {
                self.save()?;
            }
        }
        if ending == Ending::Interrupted {
            self.save_interrupted(observer)?;
        }
        Ok(Outcome {
            ending,
            step: self.state.step,
            best: self.state.best,
            seconds: self.state.seconds,
        })
    }

    /// How the run ends if no further step is taken.
    fn ending(&self) -> Ending {
        match self.config.validation.patience {
            Some(patience) if self.state.validations_since_best >= patience => Ending::EarlyStop,
            _ => Ending::Finished,
        }
    }

    /// Takes the next step on `batch`.
    fn step_once(&mut self, batch: &Batch) -> Result<StepReport, Error> {
        let step = self.state.step;
        let factor = self.config.schedule.factor(step, self.config.steps);
        let report = self.learner.step(batch, step, factor)?;
        self.state.step += 1;
        Ok(report)
    }

    fn loader(&self) -> Result<Loader, Error> {
        let (data, model) = (&self.config.data, &self.config.model);
        let options = LoaderOptions {
            batch_size: self.config.batch_size,
            seed: self.config.seed,
            augmentation: self.config.augmentation.clone(),
            mean: model.image_mean,
            std: model.image_std,
            start_step: self.state.step,
            workers: data.workers,
            prefetch: data.prefetch,
            cache_bytes: (data.cache_mib as u64) << 20,
            ..LoaderOptions::default()
        };
        Ok(Loader::new(Arc::clone(&self.data.train), options)?)
    }

    /// Scores the model; false if it was interrupted.
    fn validate(&mut self, observer: &mut dyn Observer) -> Result<bool, Error> {
        let Some(source) = self.data.validation.clone() else {
            return Ok(true);
        };
        let settings = &self.config.validation;
        let indices = spread(source.len(), settings.samples);
        let processor = setup::image_processor(&self.config.model, settings);
        let model = self.learner.best_model();
        let segmenter = segmenter(model, self.learner.config(), processor, &self.device)
            .with_inference(setup::inference(settings))?;
        let keep_going = || !observer.wants_to_stop();
        let found = validate(&segmenter, &source, &indices, settings.pictures, keep_going)?;
        let Some(validation) = found else {
            return Ok(false);
        };
        let mean_iou = validation.scores.mean_iou.unwrap_or(0.0);
        let is_best = self.state.best.is_none_or(|best| mean_iou > best.mean_iou);
        let step = self.state.step;
        self.journal.add(Entry::Validation(ValidationEntry {
            step,
            mean_iou,
            mean_accuracy: validation.scores.mean_accuracy.unwrap_or(0.0),
            pixel_accuracy: validation.scores.accuracy.unwrap_or(0.0),
            images: validation.images,
            seconds: validation.seconds,
        }))?;
        observer.validated(step, &validation, is_best);
        record::pictures(&self.folder, step, &validation, self.journal.entries())?;
        if is_best {
            self.state.best = Some(BestScore { step, mean_iou });
            self.state.validations_since_best = 0;
            self.export("best")?;
            record::confusion(&self.folder, &validation, source.class_names())?;
        } else {
            self.state.validations_since_best += 1;
        }
        Ok(true)
    }

    /// Writes a checkpoint, and the model for users.
    fn save(&self) -> Result<(), Error> {
        let processor = setup::processor(&self.config.model, &self.config.validation);
        self.checkpoints
            .save(&self.learner, &processor, &self.state)?;
        self.export("last")
    }

    fn save_interrupted(&self, observer: &mut dyn Observer) -> Result<(), Error> {
        self.save()?;
        observer.note(&format!(
            "saved at step {}; go on with --resume {}",
            self.state.step,
            self.folder.display()
        ));
        Ok(())
    }

    fn export(&self, name: &str) -> Result<(), Error> {
        let processor = setup::processor(&self.config.model, &self.config.validation);
        let model = self.learner.best_model();
        folder::replace(&self.folder.join(name), |folder| {
            let config = self.learner.config();
            Ok(zoo::save(
                &model,
                config,
                &processor,
                folder,
                hf::Overwrite::Refuse,
            )?)
        })
    }

    fn entry(&self, interval: Interval) -> TrainEntry {
        let step = self.state.step;
        let images = step as f64 * self.config.batch_size as f64;
        let last = step.saturating_sub(1);
        let factor = self.config.schedule.factor(last, self.config.steps);
        TrainEntry {
            step,
            epoch: images / self.data.train.len().max(1) as f64,
            learning_rate: self.config.optimizer.learning_rate * factor,
            ..interval.entry(self.config.batch_size)
        }
    }

    /// One line on what is trained.
    fn summary(&self) -> String {
        let config = self.learner.config();
        let parameters: usize = hub_parameters(self.learner.model(), config)
            .iter()
            .map(|stored| stored.shape().iter().product::<usize>())
            .sum();
        format!(
            "model: UPerNet on {}, {:.2} M parameters, {} tensors learn; {} steps of {} images",
            config.backbone.model_type(),
            parameters as f64 / 1e6,
            self.learner.optimizer().len(),
            self.config.steps,
            self.config.batch_size
        )
    }
}

fn write_config(folder: &Path, config: &TrainingConfig) -> Result<(), Error> {
    let text = config.to_toml()?;
    write_atomically(folder.join(CONFIG), Overwrite::Replace, |file| {
        file.write_all(text.as_bytes())
    })?;
    Ok(())
}
