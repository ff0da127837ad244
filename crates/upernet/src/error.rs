//! What can go wrong between a name and a mask.

use crate::device::DeviceError;

/// Everything this crate can fail with; each message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A photo or mask cannot be read, processed or written.
    #[error(transparent)]
    Image(#[from] upernet_image::Error),
    /// A model cannot be loaded or saved.
    #[error(transparent)]
    Model(#[from] upernet_zoo::Error),
    /// A model cannot be had from the hub.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] upernet_hf::hub::Error),
    /// The text is neither a path nor, in this build, anything else.
    #[error("no model at {name:?}: {hint}")]
    NoSuchModel {
        /// The text.
        name: String,
        /// What to do.
        hint: &'static str,
    },
    /// The text names a model that is published as a file of another library.
    #[error("no model at {name:?}: download {address}, and `upernet convert` makes a model of it")]
    PublishedElsewhere {
        /// The text.
        name: String,
        /// Where the file is.
        address: &'static str,
    },
    /// The model's image processor asks for something that is not built.
    #[error("{path}: {problem}")]
    Processor {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Windows do not cover a photo.
    #[error(
        "windows of {} x {} pixels every {} x {} do not cover a photo; \
        a stride is from 1 to the window's side", crop[0], crop[1], stride[0], stride[1]
    )]
    Windows {
        /// `[height, width]` of a window, in pixels.
        crop: [usize; 2],
        /// `[height, width]` from one window to the next, in pixels.
        stride: [usize; 2],
    },
    /// The logits of a photo do not fit in the memory that is allowed for them.
    #[error(
        "the logits of {} x {} pixels, {num_labels} classes each, would take {bytes} bytes, at most \
        {limit} are allowed; use lower windows and no logits, or a smaller photo", size[0], size[1]
    )]
    LogitsTooLarge {
        /// `[height, width]` of the network's input, in pixels.
        size: [usize; 2],
        /// Classes.
        num_labels: usize,
        /// What they would take.
        bytes: u64,
        /// What they may take.
        limit: u64,
    },
    /// The device did not give the result.
    #[error("the device failed: {message}")]
    Backend {
        /// What burn said.
        message: String,
    },
}

/// The kinds of failure that a caller may want to tell apart, for example as exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file, folder, model or revision is not there.
    NotFound,
    /// Something is there but malformed, contradictory, or asks for what is not built.
    BadData,
    /// The device is not there.
    DeviceUnavailable,
    /// The name of a device or model is malformed, or an option contradicts itself.
    Usage,
    /// Everything else: the system refused, the network failed, a file is in the way.
    Failed,
}

impl Error {
    /// Which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Device(DeviceError::Unknown { .. }) | Self::Windows { .. } => ErrorKind::Usage,
            Self::Device(_) => ErrorKind::DeviceUnavailable,
            Self::Image(error) => of_image(error),
            Self::Model(upernet_zoo::Error::File(error)) => of_file(error),
            Self::Model(upernet_zoo::Error::NotWritten { .. }) => ErrorKind::Usage,
            Self::Model(upernet_zoo::Error::Shadowed { .. }) => ErrorKind::Failed,
            Self::Model(_) | Self::Processor { .. } | Self::LogitsTooLarge { .. } => {
                ErrorKind::BadData
            }
            #[cfg(feature = "hub")]
            Self::Hub(error) => of_hub(error),
            Self::NoSuchModel { .. } | Self::PublishedElsewhere { .. } => ErrorKind::NotFound,
            Self::Backend { .. } => ErrorKind::Failed,
        }
    }
}

impl From<upernet_hf::Error> for Error {
    fn from(error: upernet_hf::Error) -> Self {
        Self::Model(error.into())
    }
}

fn of_image(error: &upernet_image::Error) -> ErrorKind {
    use upernet_image::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => ErrorKind::NotFound,
        Kind::BadData | Kind::TooLarge => ErrorKind::BadData,
        _ => ErrorKind::Failed,
    }
}

fn of_file(error: &upernet_hf::Error) -> ErrorKind {
    use upernet_hf::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => ErrorKind::NotFound,
        Kind::BadData | Kind::Unsupported => ErrorKind::BadData,
        _ => ErrorKind::Failed,
    }
}

#[cfg(feature = "hub")]
fn of_hub(error: &upernet_hf::hub::Error) -> ErrorKind {
    use upernet_hf::hub::Error as Hub;
    match error {
        Hub::ModelId { .. } => ErrorKind::Usage,
        error if error.is_not_found() => ErrorKind::NotFound,
        Hub::WrongSize { .. } | Hub::WrongHash { .. } | Hub::Index { .. } => ErrorKind::BadData,
        _ => ErrorKind::Failed,
    }
}
