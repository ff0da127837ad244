//! What can go wrong in training.

use std::path::PathBuf;

use upernet::ErrorKind;

/// An error of this crate; each says where, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The dataset.
    #[error(transparent)]
    Data(#[from] upernet_data::Error),
    /// The model, its files, the device, or a photo.
    #[error(transparent)]
    Model(#[from] upernet::Error),
    /// The file system refused.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A config file cannot be read as one.
    #[error("{origin}: {problem}")]
    Config {
        /// The file, preset or option.
        origin: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A setting makes no sense.
    #[error("{name}: {problem}")]
    Setting {
        /// The setting, as the config file calls it.
        name: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A setting of the dataset's reader or of the augmentation makes no sense.
    #[error("{section}.{error}")]
    DataSetting {
        /// The section of the config file that it is in.
        section: &'static str,
        /// The rest of its name, and what is wrong.
        error: upernet_data::Error,
    },
    /// The folder of the run does not allow what was asked.
    #[error("{}: {problem}", path.display())]
    Run {
        /// The folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// There is nothing to resume.
    #[error("{}: not the folder of a run; start one with --out", path.display())]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
    },
    /// A checkpoint is not whole, or another run's.
    #[error("{}: {problem}", path.display())]
    Checkpoint {
        /// The checkpoint or a file of it.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The loss is no longer a number.
    #[error(
        "step {step}: the loss is {loss}; lower optimizer.learning_rate, lengthen schedule.warmup_steps or \
         set clip_norm"
    )]
    Diverged {
        /// Steps done before this one.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// A device failed in a step.
    #[error("device {device}: {problem}")]
    Device {
        /// The device, by its position in the list.
        device: usize,
        /// What it said.
        problem: String,
    },
}

impl Error {
    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Data(error) => of_data(error.kind()),
            Self::Model(error) => error.kind(),
            Self::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Io { .. } | Self::Diverged { .. } => ErrorKind::Failed,
            Self::Setting { .. } | Self::DataSetting { .. } | Self::Run { .. } => ErrorKind::Usage,
            Self::Config { .. } | Self::Checkpoint { .. } => ErrorKind::BadData,
            Self::NoCheckpoint { .. } => ErrorKind::NotFound,
            Self::Device { .. } => ErrorKind::DeviceUnavailable,
        }
    }
}

fn of_data(kind: upernet_data::ErrorKind) -> ErrorKind {
    use upernet_data::ErrorKind as Kind;
    match kind {
        Kind::NotFound => ErrorKind::NotFound,
        Kind::BadData | Kind::TooLarge => ErrorKind::BadData,
        Kind::InvalidArgument => ErrorKind::Usage,
        _ => ErrorKind::Failed,
    }
}

macro_rules! from_model {
    ($($source:ty),+) => {
        $(impl From<$source> for Error {
            fn from(error: $source) -> Self {
                Self::Model(error.into())
            }
        })+
    };
}

from_model!(
    upernet::hf::Error,
    upernet::zoo::Error,
    upernet::pixels::Error
);
