//! What can go wrong between files and modules.

use std::path::PathBuf;

use crate::KeyReport;

/// Everything that loading, building or saving a model can fail with; each message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the model folder is missing, malformed, or cannot be read or written.
    #[error(transparent)]
    File(#[from] upernet_hf::Error),
    /// The config names a backbone family that is not built.
    #[error("backbone {model_type:?} is not supported; supported are {}",
        upernet_hf::config::SUPPORTED_BACKBONES.join(", "))]
    UnsupportedBackbone {
        /// Hugging Face's name of the family.
        model_type: String,
    },
    /// A build option is out of range.
    #[error("option {name} must be at least 0 and below 1, got {found}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        found: String,
    },
    /// The network cannot take a batch of this shape.
    #[error(
        "the network takes no input of shape {shape:?} (batch, channels, height, width): \
        it needs {needs}"
    )]
    Input {
        /// The shape.
        shape: [usize; 4],
        /// What would do.
        needs: String,
    },
    /// The weights are of a network that is not taken, told by their keys.
    #[error("{}: these are {what}: {reason}", path.display())]
    UnsupportedWeights {
        /// The weight file.
        path: PathBuf,
        /// What they are.
        what: &'static str,
        /// Why they are not taken.
        reason: &'static str,
    },
    /// There is no configuration, and the tensors do not tell one.
    #[error(
        "{}: there is no configuration beside it, and its tensors do not tell one: {problem}; \
        give a config.json", path.display())]
    NotInferred {
        /// The weight file.
        path: PathBuf,
        /// What is missing or contradicts itself.
        problem: String,
    },
    /// The weights do not fit the network that the config describes.
    #[error("{}: weights do not fit config.json: {}", path.display(), report.problems())]
    Weights {
        /// The weight file.
        path: PathBuf,
        /// What became of every key.
        report: Box<KeyReport>,
    },
    /// The weights do not fit the network that their own shapes tell.
    #[error(
        "{}: its tensors are not those of the network that their shapes tell: {}; some are missing or \
        too many, or a config.json is needed", path.display(), report.problems())]
    InferredWeights {
        /// The weight file.
        path: PathBuf,
        /// What became of every key.
        report: Box<KeyReport>,
    },
    /// A backbone to start from is of another family than the network's.
    #[error(
        "{}: holds a {found} backbone, the network is built on {expected}; choose weights of that \
        family, or another backbone", path.display())]
    BackboneFamily {
        /// The weight file.
        path: PathBuf,
        /// Hugging Face's name of the family in the file.
        found: &'static str,
        /// Hugging Face's name of the network's family.
        expected: &'static str,
    },
    /// A backbone to start from is not the network's.
    #[error("{}: the backbone does not fit the network: {}", path.display(), report.problems())]
    BackboneWeights {
        /// The weight file.
        path: PathBuf,
        /// What became of every key of the backbone.
        report: Box<KeyReport>,
    },
    /// Weights in the folder would be read instead of those that are to be written there.
    #[error(
        "{}: is read before {weights}, so that would never be; remove it, or choose another folder",
        path.display())]
    Shadowed {
        /// The file in the way.
        path: PathBuf,
        /// The name of the file that was not written.
        weights: String,
    },
    /// The weights cannot be written in the way that was asked for.
    #[error("cannot be written so: {reason}")]
    NotWritten {
        /// Why not.
        reason: &'static str,
    },
    /// Values could not be brought from the device.
    #[error("cannot read {key:?} from the device: {message}")]
    Device {
        /// The tensor.
        key: String,
        /// What burn said.
        message: String,
    },
}
