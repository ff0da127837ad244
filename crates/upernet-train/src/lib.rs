//! Training of UPerNet: from a dataset and a config to a model folder that `transformers` loads.
//!
//! - [`Trainer`]: a run from its first step to its last, in a folder that says all about it, resumed after
//!   any interruption with the bits it would have had.
//! - [`config`]: everything a run is told; [`presets`]: configs to start from.
//! - [`learner`]: one step, for loops of your own; [`optimizer`], [`groups`], [`schedule`], [`ema`] and
//!   [`losses`] are its parts.
//! - [`checkpoint`], [`journal`], [`plots`]: what a run writes.
//! - [`validate`](validate::validate): scores of a model on a split.
//!
//! ```no_run
//! use upernet::device;
//! use upernet_train::{Trainer, config::{ConfigSource, read}, trainer::Silent};
//!
//! let config = read(&[
//!     ConfigSource::preset("scratch-small")?,
//!     ConfigSource::set("data.path=datasets/street"),
//! ])?;
//! let device = device::open("auto").map_err(upernet::Error::from)?;
//! let trainer = Trainer::create("runs/street".as_ref(), config, &[device])?;
//! let outcome = trainer.run(&mut Silent)?;
//! println!("{} steps", outcome.step);
//! # Ok::<(), upernet_train::Error>(())
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::float_cmp,
        reason = "a failed unwrap fails the test, as it should; numbers that are exact are compared so"
    )
)]

pub mod checkpoint;
pub mod config;
pub mod ema;
mod error;
mod folder;
pub mod gradients;
pub mod groups;
pub mod journal;
pub mod learner;
pub mod losses;
pub mod objective;
pub mod optimizer;
pub mod plots;
pub mod presets;
pub mod schedule;
pub mod setup;
pub mod trainer;
pub mod validate;

pub use error::Error;
pub use trainer::{Ending, Observer, Outcome, Trainer};
pub use upernet_data as data;
