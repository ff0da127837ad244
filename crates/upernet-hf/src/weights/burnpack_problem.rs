//! What can be wrong with a burnpack.

use crate::error::{ErrorKind, Quoted};

/// What is wrong with a burnpack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BurnpackError {
    /// The file contradicts itself, or is cut short.
    #[error("is cut short, or no burnpack: {}; fetch or convert it again", Quoted(.message))]
    Malformed {
        /// What burn's reader said.
        message: String,
    },
    /// A tensor's elements are of a type that is not read.
    #[error(
        "tensor {} has elements of type {found}, which is not supported; save it as F32, F16 or BF16",
        Quoted(.name)
    )]
    Dtype {
        /// The tensor.
        name: String,
        /// The type, as burn calls it.
        found: String,
    },
    /// A shape has more bytes than can be addressed.
    #[error("tensor {} of shape {shape:?} does not fit in memory", Quoted(.name))]
    ShapeTooLarge {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// This build of the program does not read such files.
    #[error("is a burnpack, which this build does not read; build it with the feature `burnpack`")]
    NotBuilt,
}

impl BurnpackError {
    /// Returns which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotBuilt => ErrorKind::Unsupported,
            _ => ErrorKind::BadData,
        }
    }
}
