//! Training of UPerNet: from a dataset and a config to a model folder that `transformers` loads.
//!
//! - [`losses`]: masked cross-entropy and its relatives, and weighted sums of them.
//! - [`plots`]: curves and confusion matrices as PNG.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a failed unwrap fails the test, as it should"
    )
)]

pub mod losses;
pub mod plots;
