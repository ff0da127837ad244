//! Results, which go to stdout.

mod stdout;
mod table;

pub(crate) use stdout::{Stdout, to_json};
pub(crate) use table::{Align, Table};
