//! Decoding ahead of the network, on a thread of its own.

use std::{
    panic,
    path::Path,
    sync::mpsc::SyncSender,
    time::{Duration, Instant},
};

use upernet::pixels::{DecodeLimits, image::RgbImage, read_image};

use super::plan::Work;
use crate::failure::Failure;

/// A photo, or why there is none.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) photo: Result<RgbImage, Failure>,
    pub(super) time: Duration,
}

/// Decodes all photos in order, until nobody listens any more.
pub(super) fn all(work: &[Work], sender: &SyncSender<Decoded>) {
    for work in work {
        let start = Instant::now();
        let photo = decode(&work.input);
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
    let crashed = |_| Failure::BadData(format!("{}: the decoder crashed", path.display()));
    Ok(photo.map_err(crashed)??)
}
