//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A checkpoint is a folder of its own, `step-00000500`: a model folder in Hugging Face's layout, and beside
//! it the optimiser's memory (`optimizer.safetensors`), the average of the weights (`ema/`, a model folder
//! too) and `state.json`, which lists every file with its size and hash. It is written under another name and
//! then renamed, so under its own name it is whole; whether it still is, reading tells.

mod optimizer_file;
mod state;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::{module::Module, tensor::Device};
use upernet::{
    hf::{ModelFolder, Overwrite, config::HfConfig, processor::HfProcessorConfig},
    zoo::{self, BuildOptions, Model},
};

pub use state::{BestScore, RunState};

use crate::{
    Error,
    ema::Ema,
    folder::{self, failed},
    learner::Learner,
    optimizer::OptimizerState,
};

const OPTIMIZER: &str = "optimizer.safetensors";
const AVERAGE: &str = "ema";
const STATE: &str = "state.json";

/// The checkpoints of a run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

/// A checkpoint that was found whole.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    /// Where the run stood.
    pub state: RunState,
}

/// The newest whole checkpoint, and what is wrong with newer ones.
#[derive(Debug)]
pub struct Latest {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// One line for each that was passed over.
    pub damaged: Vec<String>,
}

impl Checkpoints {
    /// Those in `folder`, of which the last `keep` stay.
    #[must_use]
    pub fn new(folder: PathBuf, keep: usize) -> Self {
        Self { folder, keep }
    }

    /// Writes a checkpoint and removes those that are too old.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Model`] name the file; the checkpoints before are then still there.
    pub fn save(
        &self,
        learner: &Learner,
        processor: &HfProcessorConfig,
        state: &RunState,
    ) -> Result<(), Error> {
        let target = self.folder.join(format!("step-{:08}", state.step));
        folder::replace(&target, |folder| {
            let save = |model: &Model, folder: &Path| {
                zoo::save(
                    model,
                    learner.config(),
                    processor,
                    folder,
                    Overwrite::Refuse,
                )
            };
            save(learner.model(), folder)?;
            if let Some(ema) = learner.ema() {
                save(ema.average(), &folder.join(AVERAGE))?;
            }
            let remembered = learner.optimizer().state();
            optimizer_file::write(&folder.join(OPTIMIZER), &remembered.tensors)?;
            state.write(folder, &remembered.counts)
        })?;
        self.prune()
    }

    /// Finds the newest checkpoint that is whole.
    ///
    /// # Errors
    ///
    /// [`Error::NoCheckpoint`] if none is; [`Error::Io`] if the folder cannot be read.
    pub fn latest(&self) -> Result<Latest, Error> {
        let mut damaged = Vec::new();
        for name in self.names()?.into_iter().rev() {
            let folder = self.folder.join(name);
            match RunState::read(&folder) {
                Ok(state) => {
                    let checkpoint = Checkpoint { folder, state };
                    return Ok(Latest {
                        checkpoint,
                        damaged,
                    });
                }
                Err(error) => damaged.push(error.to_string()),
            }
        }
        Err(match damaged.pop() {
            Some(problem) => Error::Run {
                path: self.folder.clone(),
                problem: format!("no checkpoint is whole; the oldest: {problem}"),
            },
            None => Error::NoCheckpoint {
                path: self.folder.clone(),
            },
        })
    }

    /// Removes what killed processes left, and checkpoints after `step`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] names the folder.
    pub fn clean(&self, step: u64) -> Result<(), Error> {
        for name in folder::names(&self.folder)? {
            let after = step_of(&name).is_some_and(|found| found > step);
            if after || name.starts_with('.') {
                folder::remove(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Oldest first.
    fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = folder::names(&self.folder)?;
        names.retain(|name| step_of(name).is_some());
        Ok(names)
    }

    fn prune(&self) -> Result<(), Error> {
        let names = self.names()?;
        let surplus = names.len().saturating_sub(self.keep);
        for name in &names[..surplus] {
            // Under its own name a folder is whole, so it loses that first.
            let (path, hidden) = (
                self.folder.join(name),
                self.folder.join(format!(".{name}.old")),
            );
            folder::remove(&hidden)?;
            fs::rename(&path, &hidden).map_err(failed(&path, "move the folder"))?;
            folder::remove(&hidden)?;
        }
        Ok(())
    }
}

impl Checkpoint {
    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The config of its model.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file.
    pub fn config(&self) -> Result<HfConfig, Error> {
        Ok(ModelFolder::open(&self.folder)?.config)
    }

    /// Reads the model that learns, onto an autodiff device.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file.
    pub fn model(&self, options: &BuildOptions, device: &Device) -> Result<Model, Error> {
        let folder = ModelFolder::open(&self.folder)?;
        let (model, _) = zoo::load_with(&folder, options, device, |_| {})?;
        Ok(model.train())
    }

    /// Gives a learner, made anew from the run's settings and [`model`](Self::model), its memory back.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it is not of this model or these settings.
    pub fn restore(
        &self,
        learner: &mut Learner,
        options: &BuildOptions,
        ema_decay: Option<f64>,
        device: &Device,
    ) -> Result<(), Error> {
        let path = self.folder.join(OPTIMIZER);
        let remembered = OptimizerState {
            tensors: optimizer_file::read(&path)?,
            counts: self.state.optimizer_counts.clone(),
        };
        if !remembered.tensors.is_empty() {
            let optimizer = learner.optimizer_mut();
            optimizer
                .restore(remembered, device)
                .map_err(|key| Error::Checkpoint {
                    path,
                    problem: format!(
                        "nothing about {key}; the run was made with other optimizer or freeze settings"
                    ),
                })?;
        }
        if let Some(decay) = ema_decay {
            let folder = ModelFolder::open(&self.folder.join(AVERAGE))?;
            let (average, _) = zoo::load_with(&folder, options, device, |_| {})?;
            learner.restore_ema(Ema::resume(decay, average));
        }
        Ok(())
    }
}

/// The step in a checkpoint's name.
fn step_of(name: &str) -> Option<u64> {
    name.strip_prefix("step-")?.parse().ok()
}

/// Steps that an optimiser counts, by parameter.
pub(crate) type Counts = BTreeMap<String, u64>;
