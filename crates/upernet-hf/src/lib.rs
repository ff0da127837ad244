//! Hugging Face model folders without burn: configs, weight files, the hub and its cache.
//!
//! Everything that comes from strangers is parsed here and nowhere else, so this crate builds, tests
//! and fuzzes without a tensor library. Its readers bound every size before they allocate, run no
//! code from a file, and answer with one line that names the file and what is wrong with it.
//!
//! - [`ModelFolder`] opens a whole folder: configuration, weights, image processor.
//! - [`BackboneFolder`] opens the backbone of one, such as an ImageNet classifier's.
//! - [`config::HfConfig`] is `config.json`, checked; it can be written back.
//! - [`processor::HfProcessorConfig`] is `preprocessor_config.json`.
//! - [`weights::Checkpoint`] is `model.safetensors`, `pytorch_model.bin`, a sharded one of them, or
//!   `model.bpk`; [`weights::write_safetensors`] writes, with the values as [`weights::StoredAs`] says.
//! - [`OutputFile`] is how any file of ours is written: whole or not at all.
//!
//! # Feature flags
//!
//! - `burnpack`: weights in burn's own file format.
//! - `hub`: downloads from the Hugging Face hub into the cache that Python shares.

mod backbone_folder;
pub mod config;
mod error;
mod folder;
#[cfg(feature = "hub")]
pub mod hub;
mod output;
pub mod processor;
pub mod weights;

pub use backbone_folder::BackboneFolder;
pub use error::{Error, ErrorKind};
pub use folder::ModelFolder;
pub use output::{OutputFile, Overwrite};
