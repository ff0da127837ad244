//! What can go wrong with pixels and files, and of which kind it is.

use std::io;
use std::path::PathBuf;

/// Any failure of this crate. Every message is one line and names the file it is about.
///
/// [`Error::kind`] sorts the variants into the few kinds that a caller acts on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no file at the path.
    #[error("{}: no such file", path.display())]
    NotFound {
        /// The path asked for.
        path: PathBuf,
    },
    /// The file is there but the system would not give its bytes.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path is no regular file, so it may have no end, or never begin.
    #[error("{}: is {found}; give the path of a file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// There is not one byte to decode.
    #[error("{origin}: is empty (0 bytes)")]
    Empty {
        /// The file, or words for bytes that came from no file.
        origin: String,
    },
    /// The content starts like none of the formats that this crate reads, whatever the file is called.
    #[error("{origin}: is not a {expected} image")]
    UnknownFormat {
        /// The file, or words for bytes that came from no file.
        origin: String,
        /// The formats that would have been accepted.
        expected: &'static str,
    },
    /// The content is damaged, cut off, or uses a part of the format that this crate does not read.
    #[error("{origin}: damaged or unsupported {format} data: {problem}")]
    Decode {
        /// The file, or words for bytes that came from no file.
        origin: String,
        /// Short name of the format, such as `JPEG`.
        format: &'static str,
        /// What the decoder found.
        problem: String,
    },
    /// The pixels are of a kind that has no defined conversion to 8-bit RGB.
    #[error("{origin}: {found} pixels have no defined range; convert the image to 8 or 16 bits")]
    UnsupportedPixels {
        /// The file, or words for bytes that came from no file.
        origin: String,
        /// The kind of pixel found.
        found: String,
    },
    /// A mask holds colours where class ids are wanted.
    #[error(
        "{origin}: pixels are {found} colours, not class ids; \
         convert the mask to an indexed or grey PNG whose pixel values are class ids"
    )]
    NotLabels {
        /// The file, or words for bytes that came from no file.
        origin: String,
        /// The kind of pixel found.
        found: &'static str,
    },
    /// The picture has more pixels than the limits allow.
    #[error("{origin}: {width} x {height} pixels are over the limit of {max_pixels} pixels")]
    TooManyPixels {
        /// The file, or words for bytes that came from no file.
        origin: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit in force.
        max_pixels: u64,
    },
    /// One side of the picture is longer than the limits allow.
    #[error("{origin}: {width} x {height} pixels have a side over the limit of {max_side} pixels")]
    SideTooLong {
        /// The file, or words for bytes that came from no file.
        origin: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit in force.
        max_side: u32,
    },
    /// The file, or the memory to decode it, is larger than the limits allow.
    #[error("{origin}: needs more than the limit of {max_bytes} bytes")]
    TooManyBytes {
        /// The file, or words for bytes that came from no file.
        origin: String,
        /// The limit in force.
        max_bytes: u64,
    },
    /// Something is already at the path and replacing it was not asked for.
    #[error("{}: already exists; remove it, or ask for it to be replaced", path.display())]
    AlreadyExists {
        /// The path asked for.
        path: PathBuf,
    },
    /// The path is a folder, a device or the like, which no output file may replace.
    #[error("{}: is not a regular file and will not be replaced", path.display())]
    NotAFile {
        /// The path asked for.
        path: PathBuf,
    },
    /// The file could not be written; nothing of it remains.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The path asked for.
        path: PathBuf,
        /// What the system, or the code that filled the file, said.
        source: io::Error,
    },
    /// Two things that must agree in size do not.
    #[error("{what}: expected {expected:?}, found {found:?}")]
    SizeMismatch {
        /// What was compared.
        what: &'static str,
        /// The size that was needed.
        expected: Vec<usize>,
        /// The size that was given.
        found: Vec<usize>,
    },
    /// A size has a zero, or so many elements that it cannot be addressed.
    #[error("{what}: size {size:?} is empty or too large")]
    BadSize {
        /// What has the size.
        what: &'static str,
        /// The size.
        size: Vec<usize>,
    },
    /// A setting lies outside the range that has a meaning.
    #[error("{name}: {found} is not valid; {expected}")]
    BadSetting {
        /// Name of the setting, as in `preprocessor_config.json` where it is from there.
        name: &'static str,
        /// The value.
        found: String,
        /// The values that are accepted.
        expected: &'static str,
    },
    /// A class id does not fit the file format chosen from the number of classes.
    #[error("label {label} does not fit an 8-bit label PNG of {num_labels} classes")]
    LabelOutOfRange {
        /// The class id.
        label: u16,
        /// Number of classes, the length of the palette.
        num_labels: usize,
    },
    /// A logit is NaN or infinite, so no class can be chosen there.
    #[error(
        "logit of class {label} at row {row}, column {column} is {value}; logits must be finite"
    )]
    NonFiniteLogit {
        /// The class id.
        label: usize,
        /// Row in the grid of logits.
        row: usize,
        /// Column in the grid of logits.
        column: usize,
        /// The value found.
        value: f32,
    },
}

/// The kinds of [`Error`] that a caller acts on, by [`Error::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file that should be there is not.
    NotFound,
    /// The content of a file, or the logits of a model, are wrong.
    BadData,
    /// The input is over a [`DecodeLimits`](crate::DecodeLimits) bound.
    TooLarge,
    /// The system refused to read or write.
    Io,
    /// The output is already there.
    AlreadyExists,
    /// The caller's arguments or settings do not fit together.
    InvalidArgument,
}

impl Error {
    /// Returns what kind of failure this is.
    ///
    /// ```
    /// use upernet_image::{DecodeLimits, ErrorKind, read_image};
    ///
    /// let error = read_image("no/such/photo.jpg", &DecodeLimits::default()).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// assert_eq!(error.to_string(), "no/such/photo.jpg: no such file");
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NotRegular { .. }
            | Self::Empty { .. }
            | Self::UnknownFormat { .. }
            | Self::Decode { .. }
            | Self::UnsupportedPixels { .. }
            | Self::NotLabels { .. }
            | Self::NonFiniteLogit { .. } => ErrorKind::BadData,
            Self::TooManyPixels { .. } | Self::SideTooLong { .. } | Self::TooManyBytes { .. } => {
                ErrorKind::TooLarge
            }
            Self::Read { .. } | Self::Write { .. } => ErrorKind::Io,
            Self::AlreadyExists { .. } => ErrorKind::AlreadyExists,
            Self::NotAFile { .. }
            | Self::SizeMismatch { .. }
            | Self::BadSize { .. }
            | Self::BadSetting { .. }
            | Self::LabelOutOfRange { .. } => ErrorKind::InvalidArgument,
        }
    }
}

/// Lets code inside [`write_atomically`](crate::write_atomically) use `?` on this crate's functions.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}
