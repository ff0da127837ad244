//! Decoding a photo, whatever is in the file.

use std::{
    panic,
    path::Path,
    time::{Duration, Instant},
};

use upernet::pixels::{DecodeLimits, image::RgbImage, read_image};

use crate::{failure::Failure, panics};

/// A photo, or why there is none.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) photo: Result<RgbImage, Failure>,
    pub(super) time: Duration,
}

/// Decodes a photo.
pub(super) fn one(photo: &Path) -> Decoded {
    let start = Instant::now();
    let photo = decode(photo);
    Decoded {
        photo,
        time: start.elapsed(),
    }
}

fn decode(path: &Path) -> Result<RgbImage, Failure> {
    // A decoder that trips over one file in a million must not end the run.
    let photo = panic::catch_unwind(|| read_image(path, &DecodeLimits::default()));
    let crashed = |_| {
        let (path, message) = (path.display(), panics::take_message());
        Failure::BadData(format!("{path}: the decoder crashed: {message}"))
    };
    Ok(photo.map_err(crashed)??)
}
