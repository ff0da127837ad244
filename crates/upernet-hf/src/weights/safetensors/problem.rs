//! What can be wrong with a safetensors file.

use crate::{
    error::{ErrorKind, Quoted},
    weights::Dtype,
};

/// What is wrong with a safetensors file. Offsets count from the end of the header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// The file cannot even hold a header's length.
    #[error("is not a safetensors file: it has {found} bytes")]
    TooShort {
        /// Bytes of the file.
        found: u64,
    },
    /// The file is what git-lfs leaves until the real one is fetched.
    #[error("is a git-lfs pointer, not the weights; fetch them with `git lfs pull`")]
    GitLfsPointer,
    /// The header is longer than the file, or than any header.
    #[error(
        "its header claims {length} bytes, the file has {found}; it is cut short, \
         or not a safetensors file"
    )]
    HeaderLength {
        /// Bytes that the header claims to have.
        length: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The header is not JSON, or not of the right form.
    #[error("its header is malformed: {message}")]
    Header {
        /// What the parser said.
        message: String,
    },
    /// Two tensors have one name.
    #[error("holds two tensors named {}", Quoted(.name))]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A tensor's elements are of a type that is not read.
    #[error(
        "tensor {} has elements of type {}, which is not supported; save it as F32, F16 or BF16",
        Quoted(.name),
        Quoted(.found)
    )]
    Dtype {
        /// The tensor.
        name: String,
        /// The type.
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
    /// A tensor ends before it starts.
    #[error("tensor {} starts at byte {start} and ends at {end}", Quoted(.name))]
    Reversed {
        /// The tensor.
        name: String,
        /// Offset of its first byte.
        start: u64,
        /// Offset after its last byte.
        end: u64,
    },
    /// A tensor's shape and its place disagree.
    #[error(
        "tensor {} of shape {shape:?} and type {dtype} needs {expected} bytes, \
         the header gives it {found}",
        Quoted(.name)
    )]
    Size {
        /// The tensor.
        name: String,
        /// Its element type.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<u64>,
        /// Bytes that the shape needs.
        expected: u64,
        /// Bytes that the header gives.
        found: u64,
    },
    /// A tensor reaches past the end of the file.
    #[error(
        "is cut short: tensor {} ends at byte {end} of the data, the file has {found}",
        Quoted(.name)
    )]
    Truncated {
        /// The tensor.
        name: String,
        /// Offset after its last byte.
        end: u64,
        /// Bytes of data in the file.
        found: u64,
    },
    /// Two tensors share bytes.
    #[error("tensors {} and {} overlap", Quoted(.other), Quoted(.name))]
    Overlap {
        /// The later one.
        name: String,
        /// The earlier one.
        other: String,
    },
    /// There are bytes between two tensors.
    #[error("has a hole of {bytes} bytes before tensor {}", Quoted(.name))]
    Hole {
        /// The tensor after the hole.
        name: String,
        /// Bytes of the hole.
        bytes: u64,
    },
    /// There are bytes after the last tensor.
    #[error("has {bytes} bytes at its end that belong to no tensor")]
    Unclaimed {
        /// How many bytes.
        bytes: u64,
    },
}

impl SafetensorsError {
    /// Returns which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Dtype { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::BadData,
        }
    }
}
