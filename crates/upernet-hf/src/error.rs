//! What can go wrong with a model folder, in one line each.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{
    config::ConfigError,
    weights::{BurnpackError, IndexError, PyTorchError, SafetensorsError, TensorError},
};

/// Everything that reading or writing a model folder can fail with.
///
/// The message is one line that names the file; text that came out of a file is quoted, escaped and
/// cut, so a hostile file cannot forge a second line or colour a terminal. The underlying cause is
/// part of the message and a field of the variant, and is not repeated by
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or a folder is not where it was looked for.
    #[error("{}: not found; {hint}", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
        /// What was expected there, or what to do.
        hint: String,
    },
    /// A file has to be there, and something else is, which may have no end or never begin.
    #[error("{}: is {found}, not a file", path.display())]
    NotRegular {
        /// Where the file has to be.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The operating system refused a read or a write.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb ("read", "write").
        action: &'static str,
        /// What the operating system said.
        cause: io::Error,
    },
    /// An output file is already there and replacing it was not asked for.
    #[error("{}: already exists; ask for it to be replaced, or choose another name", path.display())]
    Exists {
        /// The file that is already there.
        path: PathBuf,
    },
    /// A `config.json` or `preprocessor_config.json` cannot be used.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The JSON file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ConfigError,
    },
    /// A safetensors file is malformed.
    #[error("{}: {problem}", path.display())]
    Safetensors {
        /// The weight file.
        path: PathBuf,
        /// What is wrong with it.
        problem: SafetensorsError,
    },
    /// A `PyTorch` weight file is malformed, or holds more than weights.
    #[error("{}: {problem}", path.display())]
    PyTorch {
        /// The weight file.
        path: PathBuf,
        /// What is wrong with it.
        problem: PyTorchError,
    },
    /// A burnpack is malformed, or cannot be read by this program.
    #[error("{}: {problem}", path.display())]
    Burnpack {
        /// The weight file.
        path: PathBuf,
        /// What is wrong with it.
        problem: BurnpackError,
    },
    /// The index of a sharded checkpoint is malformed, or disagrees with its shards.
    #[error("{}: {problem}", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        problem: IndexError,
    },
    /// A tensor that was asked for cannot be given.
    #[error("{}: {problem}", path.display())]
    Tensor {
        /// The weight file, or the checkpoint's first file if no file holds the tensor.
        path: PathBuf,
        /// What is wrong with it.
        problem: TensorError,
    },
}

/// The kinds of failure that a caller may want to tell apart, for example as exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file, a folder or a tensor is missing.
    NotFound,
    /// A file is there, but what it says is wrong or contradicts itself.
    BadData,
    /// A file is well formed and asks for something that is not built.
    Unsupported,
    /// The operating system refused.
    Io,
    /// An output file is already there.
    Exists,
}

impl Error {
    /// Returns which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NotRegular { .. } => ErrorKind::BadData,
            Self::Io { .. } => ErrorKind::Io,
            Self::Exists { .. } => ErrorKind::Exists,
            Self::Config { problem, .. } => problem.kind(),
            Self::Safetensors { problem, .. } => problem.kind(),
            Self::PyTorch { problem, .. } => problem.kind(),
            Self::Burnpack { problem, .. } => problem.kind(),
            Self::Index { problem, .. } => problem.kind(),
            Self::Tensor { problem, .. } => problem.kind(),
        }
    }

    /// Turns a failed read of `path` into an error, telling a missing file from the rest.
    pub(crate) fn reading(path: &Path, cause: io::Error) -> Self {
        if cause.kind() == io::ErrorKind::NotFound {
            return Self::NotFound {
                path: path.into(),
                hint: "check the path".into(),
            };
        }
        Self::Io {
            path: path.into(),
            action: "read",
            cause,
        }
    }

    /// Turns a failed write to `path` into an error.
    pub(crate) fn writing(path: &Path, cause: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            action: "write",
            cause: operating_system(cause),
        }
    }
}

/// Returns what the operating system said, without the name of the temporary file around it.
fn operating_system(cause: io::Error) -> io::Error {
    let inner = cause.get_ref().and_then(|wrapper| wrapper.source());
    let inner = inner.and_then(|inner| inner.downcast_ref::<io::Error>());
    match inner.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => cause,
    }
}

/// Text out of a file, made safe for one line of a terminal: quoted, escaped, cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

/// Characters of a file's own text that a message repeats.
const QUOTED_CHARACTERS: usize = 80;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(QUOTED_CHARACTERS) {
            Some((end, _)) => write!(formatter, "{:?}...", &self.0[..end]),
            None => write!(formatter, "{:?}", self.0),
        }
    }
}

/// Returns `text` quoted, escaped and cut.
pub(crate) fn quoted(text: &str) -> String {
    Quoted(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Error, ErrorKind, Quoted};

    #[test]
    fn text_from_a_file_stays_on_one_line() {
        assert_eq!(Quoted("a\n\u{1b}[31mb").to_string(), r#""a\n\u{1b}[31mb""#);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "ä".repeat(100);
        assert_eq!(
            Quoted(&text).to_string(),
            format!("\"{}\"...", "ä".repeat(80))
        );
    }

    #[test]
    fn a_missing_file_is_told_from_a_refused_one() {
        let missing = Error::reading("m".as_ref(), std::io::ErrorKind::NotFound.into());
        let refused = Error::reading("m".as_ref(), std::io::ErrorKind::PermissionDenied.into());
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert_eq!(refused.kind(), ErrorKind::Io);
        assert_eq!(refused.to_string(), "m: cannot read: permission denied");
    }
}
