//! What can go wrong with a dataset.

use std::path::PathBuf;

pub use upernet_image::ErrorKind;

/// An error of this crate; each says which file and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A photo or mask could not be read or written.
    #[error(transparent)]
    Image(#[from] upernet_image::Error),
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
    /// A file, folder or split is not there.
    #[error("{}: {problem}", path.display())]
    NotFound {
        /// The file or folder.
        path: PathBuf,
        /// What is missing, and what to do.
        problem: String,
    },
    /// Something is there and makes no sense.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Labels in memory, which came from no file that could be named here, make no sense.
    #[error("{what}: {problem}")]
    Labels {
        /// Whose labels.
        what: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A setting makes no sense.
    #[error("{name}: {problem}")]
    Setting {
        /// The setting, as a config file calls it.
        name: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl Error {
    /// The kind of the error, for exit codes.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Image(error) => error.kind(),
            Self::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Io { .. } => ErrorKind::Io,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Invalid { .. } | Self::Labels { .. } => ErrorKind::BadData,
            Self::Setting { .. } => ErrorKind::InvalidArgument,
        }
    }
}
