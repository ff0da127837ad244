//! Everything a training run is told, in one value.

mod layers;
mod model;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use upernet_data::{augment::Augmentation, dataset::DatasetOptions};

pub use layers::{ConfigSource, read};
pub use model::{ModelConfig, Start};

use crate::{Error, losses::LossConfig, optimizer::OptimizerConfig, presets, schedule::Schedule};

/// The settings of a run. Every field has a default, so a config file says only what differs.
///
/// ```
/// use upernet_train::config::{ConfigSource, read};
///
/// let text = "steps = 500\n[optimizer]\nlearning_rate = 1e-3\n";
/// let config = read(&[ConfigSource::toml("example", text), ConfigSource::set("batch_size=4")])?;
/// assert_eq!((config.steps, config.batch_size), (500, 4));
/// # Ok::<(), upernet_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Seed of everything that is drawn: weights, order, augmentation, drop path.
    pub seed: u64,
    /// Steps of the optimiser.
    pub steps: u64,
    /// Images of a step, over all devices and parts.
    pub batch_size: usize,
    /// Parts that a step is computed in, one after the other, to need less memory. The gradient is the
    /// whole batch's, except that batch normalisation sees one part at a time.
    pub accumulate: usize,
    /// Recompute what is cheap in the backward pass instead of keeping it.
    pub gradient_checkpointing: bool,
    /// Largest norm of all gradients together; none for no bound.
    pub clip_norm: Option<f64>,
    /// Decay of the average of the weights, which is then what is validated and saved.
    pub ema_decay: Option<f64>,
    /// Steps from one line of the log to the next.
    pub log_every: u64,
    /// What to learn from.
    pub data: DataConfig,
    /// What to train.
    pub model: ModelConfig,
    /// What happens to photos and masks.
    pub augmentation: Augmentation,
    /// What to make small.
    pub loss: LossConfig,
    /// How parameters follow their gradients.
    pub optimizer: OptimizerConfig,
    /// The learning rate over the steps.
    pub schedule: Schedule,
    /// What does not learn.
    pub freeze: FreezeConfig,
    /// How the model is scored on the way.
    pub validation: ValidationConfig,
    /// What is kept to resume from.
    pub checkpoint: CheckpointConfig,
}

/// Where samples come from: a folder, or scenes drawn on demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// The dataset's folder.
    pub path: Option<PathBuf>,
    /// Synthetic scenes instead of a folder.
    pub scenes: Option<ScenesConfig>,
    /// The split to train on; none for the one whose name says so.
    pub train_split: Option<String>,
    /// The split to validate on; none for the one whose name says so.
    pub validation_split: Option<String>,
    /// How the folder is read.
    pub dataset: DatasetOptions,
    /// Read every photo and mask once before the first step, and stop if training would stumble over one.
    pub check: bool,
    /// Threads that read and augment.
    pub workers: usize,
    /// Batches that lie ready.
    pub prefetch: usize,
    /// MiB of decoded photos to keep.
    pub cache_mib: usize,
}

/// Scenes of `upernet_data::synth`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScenesConfig {
    /// Scenes to train on.
    pub count: usize,
    /// Scenes to validate on, none of which is trained on.
    pub validation_count: usize,
    /// Height and width in pixels.
    pub size: [usize; 2],
    /// Seed of the training scenes; validation takes the next one.
    pub seed: u64,
    /// Least width of poles, signs and the like, as a share of the height; none for the generator's own.
    pub least_width: Option<f32>,
}

/// What does not learn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FreezeConfig {
    /// The backbone: no gradients, no drop path. A neck is not pretrained with it and learns with the heads.
    pub backbone: bool,
    /// Running statistics of batch normalisation: used as they are, in training too.
    pub batch_norm_statistics: bool,
    /// Parameters whose checkpoint key contains one of these texts.
    pub parameters: Vec<String>,
}

/// How the model is scored on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// Steps from one validation to the next; the last step is always followed by one.
    pub every: u64,
    /// Samples at most, evenly spread over the split; none for all.
    pub samples: Option<usize>,
    /// Height and width that photos are resized to before the network; none for their own.
    pub size: Option<[usize; 2]>,
    /// Window of a sliding inference; none for whole photos.
    pub slide_crop: Option<[usize; 2]>,
    /// Steps of the window; none for two thirds of it.
    pub slide_stride: Option<[usize; 2]>,
    /// Validations in a row without a better mIoU after which the run stops; none for never.
    pub patience: Option<u64>,
    /// Photos whose prediction is drawn at each validation.
    pub pictures: usize,
}

/// What is kept to resume from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Steps from one checkpoint to the next.
    pub every: u64,
    /// Checkpoints to keep.
    pub keep: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            steps: 2000,
            batch_size: 8,
            accumulate: 1,
            gradient_checkpointing: false,
            clip_norm: None,
            ema_decay: None,
            log_every: 10,
            data: DataConfig::default(),
            model: ModelConfig::default(),
            augmentation: Augmentation::default(),
            loss: LossConfig::default(),
            optimizer: OptimizerConfig::default(),
            schedule: Schedule::default(),
            freeze: FreezeConfig::default(),
            validation: ValidationConfig::default(),
            checkpoint: CheckpointConfig::default(),
        }
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: None,
            scenes: None,
            train_split: None,
            validation_split: None,
            dataset: DatasetOptions::default(),
            check: true,
            workers: 1,
            prefetch: 4,
            cache_mib: 512,
        }
    }
}

impl Default for ScenesConfig {
    fn default() -> Self {
        Self {
            count: 20_000,
            validation_count: 100,
            size: [256, 320],
            seed: 1,
            least_width: None,
        }
    }
}

impl Default for ValidationConfig {
    fn default() -> Self {
        Self {
            every: 500,
            samples: None,
            size: None,
            slide_crop: None,
            slide_stride: None,
            patience: None,
            pictures: 4,
        }
    }
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            every: 500,
            keep: 2,
        }
    }
}

impl TrainingConfig {
    /// The settings as a config file.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a number has no place in TOML.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string_pretty(self).map_err(|error| Error::Config {
            origin: "the merged config".to_owned(),
            problem: error.to_string(),
        })
    }

    /// Checks everything that can be checked without data.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the field and what to do.
    pub fn check(&self, devices: usize) -> Result<(), Error> {
        let refuse = |name, problem: String| Err(Error::Setting { name, problem });
        for (name, value) in [
            ("steps", self.steps),
            ("batch_size", self.batch_size as u64),
            ("accumulate", self.accumulate as u64),
            ("log_every", self.log_every),
            ("validation.every", self.validation.every),
            ("checkpoint.every", self.checkpoint.every),
            ("checkpoint.keep", self.checkpoint.keep as u64),
        ] {
            if value == 0 {
                return refuse(name, "use a number above 0".to_owned());
            }
        }
        if self
            .data
            .scenes
            .as_ref()
            .is_some_and(|scenes| scenes.count == 0)
        {
            return refuse("data.scenes.count", "use a number above 0".to_owned());
        }
        let parts = self.accumulate * devices;
        if !self.batch_size.is_multiple_of(parts) {
            let problem = format!(
                "{} images do not part evenly over {parts} parts (accumulate x devices)",
                self.batch_size
            );
            return refuse("batch_size", problem);
        }
        if self
            .clip_norm
            .is_some_and(|norm| !(norm.is_finite() && norm > 0.0))
        {
            return refuse("clip_norm", "use a number above 0".to_owned());
        }
        if self
            .ema_decay
            .is_some_and(|decay| !(0.0..1.0).contains(&decay))
        {
            return refuse(
                "ema_decay",
                "use a number of at least 0, below 1".to_owned(),
            );
        }
        match (&self.data.path, &self.data.scenes) {
            (None, None) => {
                let problem = "name the dataset's folder (--data DIR), or set data.scenes";
                return refuse("data.path", problem.to_owned());
            }
            (Some(_), Some(_)) => {
                let problem = "there is data.path as well; take one of the two out";
                return refuse("data.scenes", problem.to_owned());
            }
            _ => {}
        }
        self.model.check()?;
        self.optimizer.check()?;
        self.schedule.check()?;
        let wrong = |error| Error::DataSetting {
            section: "augmentation",
            error,
        };
        self.augmentation.check().map_err(wrong)
    }
}

/// The text of a config file to start from.
///
/// # Errors
///
/// [`Error::Config`] if there is no such preset.
pub fn template(preset: &str) -> Result<&'static str, Error> {
    presets::text(preset)
}
