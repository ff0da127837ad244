//! Bounded reads of small files.

use std::{fs::File, io::Read as _, path::Path};

use serde_json::Value;

use crate::{
    config::{ConfigError, limits::MAX_FILE_BYTES},
    error::Error,
};

/// Opens a regular file for reading.
///
/// Anything else is refused before it is opened: a named pipe would block, a device would not end.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64), Error> {
    let metadata = path
        .metadata()
        .map_err(|cause| Error::reading(path, cause))?;
    if !metadata.is_file() {
        return Err(Error::NotRegular {
            path: path.into(),
            found: if metadata.is_dir() {
                "a folder"
            } else {
                "a pipe, a device or the like"
            },
        });
    }
    let file = File::open(path).map_err(|cause| Error::reading(path, cause))?;
    Ok((file, metadata.len()))
}

/// Reads a whole JSON file, refusing one that is larger than any configuration.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let (file, _) = open_regular(path)?;
    let mut text = Vec::new();
    // One byte more than allowed tells a file of exactly the limit from a larger one.
    let mut bounded = file.take(MAX_FILE_BYTES + 1);
    bounded
        .read_to_end(&mut text)
        .map_err(|cause| Error::reading(path, cause))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let problem = ConfigError::TooLarge {
            limit: MAX_FILE_BYTES,
        };
        return Err(Error::Config {
            path: path.into(),
            problem,
        });
    }
    Ok(text)
}

/// Parses a JSON text, refusing one that is larger than any configuration.
pub(crate) fn parse(text: &[u8]) -> Result<Value, ConfigError> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge {
            limit: MAX_FILE_BYTES,
        });
    }
    serde_json::from_slice(text).map_err(|error| ConfigError::NotJson {
        message: error.to_string(),
    })
}
