//! What a conversion did.

use std::path::PathBuf;

use upernet_hf::config::HfConfig;

use crate::{
    KeyReport,
    keys::{is_count, is_mask_token, is_output_norm},
    parameters::HubParameter,
};

/// What was converted to what.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conversion {
    /// What the folder holds.
    pub made: Converted,
    /// What the network is made of; of a backbone on its own, [`HfConfig::backbone`] counts.
    pub config: HfConfig,
    /// Where the configuration comes from.
    pub config_origin: ConfigOrigin,
    /// Fields of the configuration, with their values, that no tensor tells.
    pub assumed: Vec<String>,
    /// Tensors that the source lacks and that begin at a known value, by hub key.
    pub absent: Vec<Absent>,
    /// What became of every tensor of the source.
    pub keys: KeyReport,
    /// Names of other weights in the file that were left alone, such as averages.
    pub other_weights: Vec<String>,
    /// The files that were written.
    pub files: Vec<PathBuf>,
}

/// What a converted folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Converted {
    /// A whole network.
    UperNet,
    /// A backbone, to begin a training with.
    Backbone,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigOrigin {
    /// A `config.json`.
    File(PathBuf),
    /// The shapes of the tensors.
    Tensors,
}

/// A tensor that the source lacks, and why that is all right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Absent {
    /// Its key on the hub.
    pub key: String,
    /// What it is and where it begins, lower case and without a full stop.
    pub reason: &'static str,
}

impl Absent {
    pub(super) fn of(parameter: &HubParameter) -> Self {
        let key = parameter.key();
        let reason = if is_count(key) {
            "a count of batches, which inference never reads; it is 0"
        } else if is_output_norm(key) {
            "norm of a map, which an image classifier has not; weight 1 and bias 0, as Hugging Face \
             begins"
        } else if is_mask_token(key) {
            "token of hidden patches, which pretraining alone reads; it is 0"
        } else {
            "begins anew"
        };
        Self {
            key: key.to_owned(),
            reason,
        }
    }
}
