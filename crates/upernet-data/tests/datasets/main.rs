//! Tiny datasets of every layout, good ones and bad ones, through the public readers.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

mod ade20k;
mod folder;
mod paired_folders;
