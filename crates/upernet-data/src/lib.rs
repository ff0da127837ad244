//! Datasets for semantic segmentation, from folders on disk to batches of pixels, and the scores of
//! what a network makes of them. No burn.
//!
//! - [`SampleSource`]: anything that gives photos with their labels, by index.
//! - [`dataset`]: folders on disk, in the layouts people have.
//! - [`check`]: what is wrong with a dataset, before the first step is computed.
//! - [`augment`]: transforms of a photo and its labels together.
//! - [`loader`]: augmented batches, decoded ahead on threads of their own.
//! - [`scores`]: confusion matrix, mIoU and the others, boundary `IoU`.
//! - [`class_weights`]: what the loss of a rare class should count.
//! - [`synth`]: street-like scenes with exact labels, drawn from a seed.
//!
//! Sizes are `[height, width]` in pixels everywhere.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a failed unwrap fails the test, as it should"
    )
)]

pub mod augment;
pub mod check;
pub mod class_weights;
pub mod dataset;
mod error;
pub mod loader;
mod random;
mod sample;
pub mod scores;
pub mod synth;

pub use error::{Error, ErrorKind};
pub use random::{Random, random};
pub use sample::{Sample, SampleSource};
pub use upernet_image as pixels;
