//! Semantic segmentation with UPerNet: open a checkpoint, segment a photo, on any burn backend.
//!
//! - [`Segmenter`] is the way in: photo to class of every pixel.
//! - [`Inference`] says whether the network sees a photo at once or through a window.
//! - [`device`] names compute devices and finds those that this build and this machine have.
//! - [`source`] finds a model on disk or, with the `hub` feature, on the Hugging Face hub.
//! - [`zoo`], [`head`], [`nn`], [`ops`], [`hf`] and [`pixels`] are the crates below, for building networks of
//!   your own; [`burn`] is the tensor library they are built on.
//!
//! # Example
//!
//! ```
//! use upernet::{Segmenter, device};
//!
//! # let testdata = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/tiny");
//! # let (model, photo) = (testdata.to_owned(), format!("{testdata}/photo.jpg"));
//! let segmenter = Segmenter::open(&model, &device::open("flex")?)?;
//! let segmentation = segmenter.segment_file(&photo)?;
//! for area in segmentation.labels.class_areas() {
//!     println!("{:>5.1} %  {}", 100.0 * area.fraction, segmenter.class_name(area.label));
//! }
//! # Ok::<(), upernet::Error>(())
//! ```
//!
//! # Feature flags
//!
//! - `flex` (default): pure-Rust CPU backend.
//! - `ndarray`, `wgpu`, `vulkan`, `metal`, `cuda`, `rocm`, `cpu`: further backends; all may be on at
//!   once, and [`device::open`] chooses at run time.
//! - `hub`: models by their id on the Hugging Face hub.
//! - `demo`: a small model, part of the program: 7 MB.
//! - `remote`: devices of other machines, and lending this machine's.

#[cfg(feature = "demo")]
pub mod demo;
pub mod device;
mod error;
mod forward;
mod inference;
mod prediction;
mod processor;
#[cfg(feature = "remote")]
pub mod remote;
mod segmenter;
mod slide;
pub mod source;

pub use burn;
pub use error::{Error, ErrorKind};
pub use inference::{Inference, InputSize};
pub use prediction::{Prediction, Segmentation, Timings};
pub use processor::image_processor;
pub use segmenter::{Segmenter, SegmenterOptions};
pub use upernet_head as head;
pub use upernet_hf as hf;
pub use upernet_image as pixels;
pub use upernet_nn as nn;
pub use upernet_ops as ops;
pub use upernet_zoo as zoo;
