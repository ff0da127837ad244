//! Why a command ends with another code than 0.

use std::process::ExitCode;

use upernet::ErrorKind;

/// The exit codes of the command line's contract, besides 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// The work was understood and did not succeed.
    Failed = 1,
    /// The call makes no sense; clap uses the same code.
    Usage = 2,
    /// A file, folder or model is not there.
    NotFound = 3,
    /// Something is there and malformed, contradictory or not supported.
    BadData = 4,
    /// The device is not there or not compiled in.
    DeviceUnavailable = 5,
    /// Ctrl-C or a request to terminate.
    Interrupted = 130,
}

/// A failure of the command line, or one of the library's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    BadData(String),
    #[error("{0}")]
    Failed(String),
    /// Lines about it are on stderr already.
    #[error("reported before")]
    Reported(Code),
    #[error(transparent)]
    Library(#[from] upernet::Error),
    #[error(transparent)]
    Training(#[from] upernet_train::Error),
}

impl Failure {
    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Usage(_) => Code::Usage,
            Self::NotFound(_) => Code::NotFound,
            Self::BadData(_) => Code::BadData,
            Self::Failed(_) => Code::Failed,
            Self::Reported(code) => *code,
            Self::Library(error) => error.kind().into(),
            Self::Training(error) => error.kind().into(),
        }
    }

    /// What is left to say on stderr.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Reported(_) => None,
            other => Some(other.to_string()),
        }
    }
}

impl From<ErrorKind> for Code {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::BadData => Self::BadData,
            ErrorKind::DeviceUnavailable => Self::DeviceUnavailable,
            ErrorKind::Usage => Self::Usage,
            _ => Self::Failed,
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl From<upernet::pixels::Error> for Failure {
    fn from(error: upernet::pixels::Error) -> Self {
        Self::Library(error.into())
    }
}

impl From<upernet::hf::Error> for Failure {
    fn from(error: upernet::hf::Error) -> Self {
        Self::Library(error.into())
    }
}

impl From<upernet::zoo::Error> for Failure {
    fn from(error: upernet::zoo::Error) -> Self {
        Self::Library(error.into())
    }
}

impl From<upernet::device::DeviceError> for Failure {
    fn from(error: upernet::device::DeviceError) -> Self {
        Self::Library(error.into())
    }
}

impl From<upernet_onnx::Error> for Failure {
    fn from(error: upernet_onnx::Error) -> Self {
        match error {
            upernet_onnx::Error::File(error) => error.into(),
            // The system would take it; protobuf does not.
            error @ upernet_onnx::Error::TooLarge { .. } => {
                Self::Failed(format!("{error} (--external-data)"))
            }
            error => Self::BadData(error.to_string()),
        }
    }
}

impl From<upernet_train::data::Error> for Failure {
    fn from(error: upernet_train::data::Error) -> Self {
        Self::Training(error.into())
    }
}
