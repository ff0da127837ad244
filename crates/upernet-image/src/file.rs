//! Whole files of pixels, read within bounds.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::{DecodeLimits, Error};

/// Reads a regular file whole, but never more than the limit.
///
/// Anything else is refused before it is opened: a named pipe would block, a device would not end.
pub(crate) fn read_bounded(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, Error> {
    let read_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound {
            path: path.to_path_buf(),
        },
        _ => Error::Read {
            path: path.to_path_buf(),
            source,
        },
    };
    let metadata = path.metadata().map_err(read_error)?;
    if !metadata.is_file() {
        return Err(Error::NotRegular {
            path: path.to_path_buf(),
            found: if metadata.is_dir() {
                "a folder"
            } else {
                "a pipe, a device or the like"
            },
        });
    }
    let too_large = || Error::TooManyBytes {
        origin: path.display().to_string(),
        max_bytes: limits.max_bytes,
    };
    if metadata.len() > limits.max_bytes {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // Some regular files, such as those of /proc, have no length to ask for.
    File::open(path)
        .map_err(read_error)?
        .take(limits.max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(read_error)?;
    if bytes.len() as u64 > limits.max_bytes {
        return Err(too_large());
    }
    Ok(bytes)
}
