//! Decoding ahead of the network, on a thread of its own.

use std::{
    panic,
    path::{Path, PathBuf},
    sync::mpsc::SyncSender,
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

/// Decodes all photos in order, until nobody listens any more.
pub(super) fn all(photos: &[PathBuf], sender: &SyncSender<Decoded>) {
    for photo in photos {
        let start = Instant::now();
        let photo = decode(photo);
        if sender
            .send(Decoded {
                photo,
                time: start.elapsed(),
            })
            .is_err()
        {
            return;
        }
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
