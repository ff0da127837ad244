//! What is trained, and what it starts from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Where the weights come from.
    pub start: Start,
    /// The model folder, weight file or hub id that `start` reads.
    pub weights: Option<String>,
    /// A `config.json` in Hugging Face's layout; its classes are replaced by the dataset's.
    pub config_file: Option<PathBuf>,
    /// The content of such a file, in place.
    pub config: Option<toml::Table>,
    /// Drop path rate instead of the config's. Published configs hold library defaults, not what their
    /// checkpoints were trained with.
    pub drop_path_rate: Option<f64>,
    /// Mean that is subtracted from each channel, of values from 0 to 1.
    pub image_mean: [f64; 3],
    /// What each channel is then divided by.
    pub image_std: [f64; 3],
}

/// Where the weights come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Drawn at random, as Hugging Face draws them.
    #[default]
    Scratch,
    /// The backbone's from an ImageNet checkpoint or another UPerNet, the heads' drawn.
    Backbone,
    /// All from a UPerNet; the classifiers drawn anew if the classes are others.
    Checkpoint,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            start: Start::Scratch,
            weights: None,
            config_file: None,
            config: None,
            drop_path_rate: None,
            image_mean: [0.485, 0.456, 0.406],
            image_std: [0.229, 0.224, 0.225],
        }
    }
}

impl ModelConfig {
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |name, problem: &str| {
            Err(Error::Setting {
                name,
                problem: problem.to_owned(),
            })
        };
        match (self.start, &self.weights) {
            (Start::Scratch, Some(_)) => {
                return refuse(
                    "model.weights",
                    "set model.start to \"backbone\" or \"checkpoint\" as well: which of them to read",
                );
            }
            (Start::Backbone | Start::Checkpoint, None) => {
                return refuse("model.weights", "name the model to start from");
            }
            _ => {}
        }
        match (&self.config_file, &self.config) {
            (Some(_), Some(_)) => {
                return refuse("model.config", "there is model.config_file as well");
            }
            (None, None) if self.start == Start::Scratch => {
                return refuse(
                    "model.config",
                    "say what to build: take a preset (upernet config init --preset NAME), a \
                     model.config_file, or a model.config table",
                );
            }
            _ => {}
        }
        if !self
            .image_std
            .iter()
            .all(|std| std.is_finite() && *std > 0.0)
        {
            return refuse("model.image_std", "use numbers above 0");
        }
        Ok(())
    }
}
