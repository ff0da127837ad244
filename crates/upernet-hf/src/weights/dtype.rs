//! Element types and shapes of stored tensors.

use std::fmt;

use crate::error::{ErrorKind, Quoted};

/// The type of a stored tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say the type and its bits")]
pub enum Dtype {
    Bool,
    U8,
    I8,
    U16,
    I16,
    F16,
    BF16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
}

/// Every type with its name in a safetensors header and its size in bytes.
const DTYPES: [(Dtype, &str, usize); 13] = [
    (Dtype::Bool, "BOOL", 1),
    (Dtype::U8, "U8", 1),
    (Dtype::I8, "I8", 1),
    (Dtype::U16, "U16", 2),
    (Dtype::I16, "I16", 2),
    (Dtype::F16, "F16", 2),
    (Dtype::BF16, "BF16", 2),
    (Dtype::U32, "U32", 4),
    (Dtype::I32, "I32", 4),
    (Dtype::F32, "F32", 4),
    (Dtype::U64, "U64", 8),
    (Dtype::I64, "I64", 8),
    (Dtype::F64, "F64", 8),
];

impl Dtype {
    /// Returns the name in a safetensors header.
    #[must_use]
    pub fn name(self) -> &'static str {
        DTYPES[self as usize].1
    }

    /// Returns the size of one element, in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        DTYPES[self as usize].2
    }

    /// Finds the type of a safetensors header's name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        DTYPES.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Bytes of a tensor's name; the longest of a network here has about a hundred.
const MAX_NAME_BYTES: usize = 512;

/// Refuses a name that is too long for a line, or more than one.
pub(crate) fn check_name(name: &str) -> Result<(), TensorError> {
    if name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(TensorError::Name { name: name.into() });
    }
    Ok(())
}

/// Type and shape of a stored tensor, whose size in bytes is known to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    dtype: Dtype,
    shape: Vec<usize>,
    elements: usize,
}

impl TensorInfo {
    /// Describes a tensor; an empty shape is a scalar.
    ///
    /// ```
    /// use upernet_hf::weights::{Dtype, TensorInfo};
    ///
    /// let info = TensorInfo::new(Dtype::F16, vec![2, 3])?;
    /// assert_eq!((info.elements(), info.byte_len()), (6, 12));
    /// # Ok::<(), upernet_hf::weights::TensorError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the size in bytes does not fit the machine's address space.
    pub fn new(dtype: Dtype, shape: Vec<usize>) -> Result<Self, TensorError> {
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, &side| product.checked_mul(side));
        match elements.filter(|elements| elements.checked_mul(dtype.size()).is_some()) {
            Some(elements) => Ok(Self {
                dtype,
                shape,
                elements,
            }),
            None => Err(TensorError::TooLarge { shape }),
        }
    }

    /// Returns the type of the elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Returns the length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the number of elements.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Returns the size in bytes, stored without gaps.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.elements * self.dtype.size()
    }
}

/// Why a tensor cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// No file of the checkpoint holds a tensor of this name.
    #[error("holds no tensor {}", Quoted(.name))]
    NotFound {
        /// The name that was asked for.
        name: String,
    },
    /// The tensor's elements are of another type than the one asked for.
    #[error("tensor {} has elements of type {found}, expected {expected}", Quoted(.name))]
    WrongDtype {
        /// The tensor.
        name: String,
        /// The type in the file.
        found: Dtype,
        /// What was asked for.
        expected: &'static str,
    },
    /// An integer does not fit in 64 bits with a sign.
    #[error("tensor {} holds an integer above 2^63 - 1", Quoted(.name))]
    IntegerTooLarge {
        /// The tensor.
        name: String,
    },
    /// A value is outside of what a type can hold.
    #[error("tensor {} has values that {dtype} cannot hold; store it as bf16 or f32", Quoted(.name))]
    OutOfRange {
        /// The tensor.
        name: String,
        /// The type.
        dtype: Dtype,
    },
    /// A name that no library gives, and that would spoil every message it is part of.
    #[error(
        "names a tensor {}; a name has at most {MAX_NAME_BYTES} bytes and no control characters",
        Quoted(.name)
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A tensor of a network holds NaN or an infinity.
    #[error(
        "tensor {} holds {found} at element {index}, so the network would find nothing anywhere; its \
         training diverged, or its file is damaged",
        Quoted(.name)
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// The first such element, in row-major order from 0.
        index: usize,
        /// What it is: "NaN" or "infinity".
        found: &'static str,
    },
    /// A variance is below 0.
    #[error(
        "tensor {} holds a negative variance at element {index}, which nothing computes; its file is \
         damaged",
        Quoted(.name)
    )]
    Negative {
        /// The tensor.
        name: String,
        /// The first such element, in row-major order from 0.
        index: usize,
    },
    /// A shape has more bytes than can be addressed.
    #[error("a tensor of shape {shape:?} does not fit in memory")]
    TooLarge {
        /// The shape.
        shape: Vec<usize>,
    },
}

impl TensorError {
    /// Returns which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            _ => ErrorKind::BadData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DTYPES, Dtype, TensorError, TensorInfo};

    #[test]
    fn each_type_is_at_its_own_index_and_found_by_its_name() {
        for (index, (dtype, name, size)) in DTYPES.into_iter().enumerate() {
            assert_eq!(dtype as usize, index, "{name}");
            assert_eq!((dtype.name(), dtype.size()), (name, size));
            assert_eq!(Dtype::from_name(name), Some(dtype));
        }
        assert_eq!(Dtype::from_name("F8_E4M3"), None);
    }

    #[test]
    fn a_size_that_overflows_is_refused() {
        let shape = vec![usize::MAX / 4 + 1];
        let error = TensorInfo::new(Dtype::F32, shape.clone());
        assert_eq!(error, Err(TensorError::TooLarge { shape }));
    }
}
