//! The public API against reference numbers (Pillow, torch, transformers) and against damaged files.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

mod common;
mod damaged;
mod decode;
mod goldens;
mod logits;
mod masks;
mod resize;
