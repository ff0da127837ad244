//! The parity suite: golden folders from `scripts/make_goldens.py`, run on any device.
//!
//! A golden folder holds a small model, its input and what PyTorch makes of it. [`Case`] reads one,
//! [`check`] runs it and compares whole tensors; nothing is sampled and nothing is skipped silently.
//! The folder of folders is `testdata/goldens` or what `UPERNET_GOLDENS` names; the device is flex or
//! what `UPERNET_DEVICE` names.
//!
//! For tests only: a broken fixture panics.

mod case;
mod compare;
mod kinks;
mod learner;
mod suite;

pub use case::{Case, golden_folders, golden_root};
pub use compare::{Difference, Tolerance, compare};
pub use suite::{Findings, check};
