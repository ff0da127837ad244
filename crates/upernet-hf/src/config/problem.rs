//! What can be wrong with a JSON configuration.

use crate::error::{ErrorKind, Quoted};

/// What is wrong with a `config.json` or a `preprocessor_config.json`.
///
/// `field` is the path of a field inside the file, such as `backbone_config.depths[2]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is larger than any configuration needs to be.
    #[error("is larger than {limit} bytes, too large for a configuration")]
    TooLarge {
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// The file is not JSON.
    #[error("is not valid JSON: {message}")]
    NotJson {
        /// What the JSON parser said, with line and column.
        message: String,
    },
    /// A field that has no default is not there.
    #[error("field `{field}` is missing; {hint}")]
    Missing {
        /// The field.
        field: String,
        /// What belongs there.
        hint: &'static str,
    },
    /// A field holds another type of value than it should.
    #[error("field `{field}` must be {expected}, found {found}")]
    WrongType {
        /// The field.
        field: String,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A number, or a length, is outside what a network can be built from.
    #[error("field `{field}` is {found}, allowed is {allowed}")]
    OutOfRange {
        /// The field.
        field: String,
        /// The value.
        found: String,
        /// The range.
        allowed: String,
    },
    /// Two fields contradict each other.
    #[error("fields `{first}` and `{second}` disagree: {detail}")]
    Disagree {
        /// One field.
        first: String,
        /// The other field.
        second: String,
        /// What each says.
        detail: String,
    },
    /// `id2label` does not count 0, 1, 2, ... without a gap.
    #[error("field `id2label` has {count} entries but none for class {missing}")]
    LabelGap {
        /// How many entries there are.
        count: usize,
        /// The first class id without a name.
        missing: usize,
    },
    /// `out_features` names what is not a stage, repeats one, or is out of order.
    #[error("field `{field}` {problem}")]
    Stages {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The auxiliary head reads the third feature map, and there are fewer.
    #[error(
        "field `use_auxiliary_head` is true, but the auxiliary head reads the third feature map \
         and `{field}` asks for {levels}; ask for at least three, or set it to false"
    )]
    AuxiliaryLevels {
        /// The field that chooses the feature maps.
        field: String,
        /// How many feature maps there are.
        levels: usize,
    },
    /// The file asks for something that is not built.
    #[error("field `{field}` asks for {}, which is not supported; {hint}", Quoted(.found))]
    Unsupported {
        /// The field.
        field: String,
        /// What it asks for.
        found: String,
        /// What is supported, or what to do.
        hint: String,
    },
}

impl ConfigError {
    /// Returns which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::BadData,
        }
    }
}
