//! The `upernet` command from outside: what it prints, what it writes, and how it ends.
//!
//! One binary, since linking burn takes longer than running these tests.

#![expect(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

mod bench;
mod convert;
mod data;
mod devices;
mod export;
mod forward;
mod hostile_names;
mod models;
mod processes;
mod refused_models;
mod refused_photos;
#[cfg(feature = "remote")]
mod remote;
mod segment;
mod slide;
mod support;
mod text;
mod threads;
mod train;
