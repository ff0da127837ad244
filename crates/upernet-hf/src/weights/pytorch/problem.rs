//! What can be wrong with a `PyTorch` weight file.

use crate::error::{ErrorKind, Quoted};

/// What to do about a file that holds more than tensors.
const SAVE_WEIGHTS_ALONE: &str =
    "save the weights alone, with `torch.save(model.state_dict(), path)`";

/// What is wrong with a `PyTorch` weight file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PyTorchError {
    /// The file is neither of `PyTorch`'s formats.
    #[error("is not a PyTorch weight file")]
    NotPyTorch,
    /// The file is what git-lfs leaves until the real one is fetched.
    #[error("is a git-lfs pointer, not the weights; fetch them with `git lfs pull`")]
    GitLfsPointer,
    /// The file is of the format before `PyTorch` 1.6, and contradicts itself.
    #[error("is a damaged file of the format before PyTorch 1.6: {problem}")]
    Legacy {
        /// What is wrong.
        problem: &'static str,
    },
    /// The zip archive's directory, which comes last, is not there.
    #[error("is cut short: the directory at the end of the archive is missing; fetch it again")]
    Truncated,
    /// The zip archive contradicts itself.
    #[error("is a damaged archive: {problem}")]
    Archive {
        /// What is wrong.
        problem: &'static str,
    },
    /// One entry of the zip archive cannot be used.
    #[error("is a damaged archive: entry {} {problem}", Quoted(.entry))]
    Entry {
        /// The entry's name.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An entry is compressed or encrypted, which `torch.save` never does.
    #[error(
        "holds entry {} {how}, which is not supported; save it again with `torch.save`",
        Quoted(.entry)
    )]
    NotStored {
        /// The entry's name.
        entry: String,
        /// "compressed" or "encrypted".
        how: &'static str,
    },
    /// The archive holds no `data.pkl`, or more than one.
    #[error("is an archive with {found} entries named data.pkl, a PyTorch weight file has one")]
    PickleCount {
        /// How many there are.
        found: usize,
    },
    /// The description of the tensors is larger than any checkpoint's.
    #[error("describes its tensors in {found} bytes, allowed are {limit}")]
    PickleTooLarge {
        /// Bytes of the description.
        found: usize,
        /// The most that are read.
        limit: usize,
    },
    /// The file was written on a machine of the other byte order.
    #[error("is big-endian, which is not supported; save it again on a little-endian machine")]
    BigEndian,
    /// The file names a byte order that does not exist.
    #[error("names a byte order {}, which is neither \"little\" nor \"big\"", Quoted(.found))]
    ByteOrder {
        /// What it says, as far as it is text.
        found: String,
    },
    /// More tensors than any network has.
    #[error("holds more than {limit} tensors")]
    TooManyTensors {
        /// The most that are read.
        limit: usize,
    },
    /// The description of the tensors is malformed, or asks for more than tensors.
    #[error("byte {position} of its data.pkl: {problem}")]
    Pickle {
        /// Offset into `data.pkl`, in bytes.
        position: usize,
        /// What is wrong there.
        problem: PickleError,
    },
    /// The top of the file is not a dictionary of tensors.
    #[error("holds no dictionary of tensors but {found}; {SAVE_WEIGHTS_ALONE}")]
    NoStateDict {
        /// What is there.
        found: &'static str,
    },
    /// The dictionary of tensors has a key that is not a string.
    #[error("has a tensor whose name is {found}, not a string; {SAVE_WEIGHTS_ALONE}")]
    KeyType {
        /// What is there.
        found: &'static str,
    },
    /// The dictionary of tensors holds something else.
    #[error("holds {found} under the name {}, not a tensor; {SAVE_WEIGHTS_ALONE}", Quoted(.name))]
    NotATensor {
        /// The key.
        name: String,
        /// What is there.
        found: &'static str,
    },
    /// Two tensors have one name.
    #[error("holds two tensors named {}", Quoted(.name))]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A tensor cannot be read from the storage it names.
    #[error("tensor {}: {problem}", Quoted(.name))]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Tensors that share bytes would take far more memory than the file.
    #[error(
        "claims {total} bytes of tensors in a file of {found}; its tensors share too much, \
         save contiguous copies"
    )]
    SharedTooOften {
        /// Bytes of all tensors, each counted whole.
        total: u64,
        /// Bytes of the file.
        found: u64,
    },
}

/// What is wrong with the pickle that describes the tensors. Nothing of it is ever run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The pickle ends in the middle.
    #[error("it is cut short")]
    Truncated,
    /// An operation that `torch.save` does not write.
    #[error("operation 0x{code:02x} is not one that describes weights; {SAVE_WEIGHTS_ALONE}")]
    Opcode {
        /// The operation's code.
        code: u8,
    },
    /// The pickle wants a class or function that is no part of a tensor.
    #[error(
        "it asks Python for {}, which is refused and was not run; {SAVE_WEIGHTS_ALONE}",
        Quoted(.name)
    )]
    Forbidden {
        /// Module and name.
        name: String,
    },
    /// An operation finds something else than it needs.
    #[error("{operation} needs {expected}, found {found}")]
    Operand {
        /// What is being done.
        operation: &'static str,
        /// What it needs.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// More objects than any checkpoint needs.
    #[error("it makes more than {limit} objects")]
    TooManyObjects {
        /// The most that are made.
        limit: usize,
    },
    /// A tensor with more axes than any network's.
    #[error("a tensor has {found} axes, allowed are {limit}")]
    TooManyAxes {
        /// Axes of the tensor.
        found: usize,
        /// The most that are read.
        limit: usize,
    },
}

impl PyTorchError {
    /// Returns which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BigEndian
            | Self::NotStored { .. }
            | Self::Pickle {
                problem: PickleError::Forbidden { .. },
                ..
            } => ErrorKind::Unsupported,
            _ => ErrorKind::BadData,
        }
    }
}
