//! Results, which go to stdout.

mod escape;
mod stdout;
mod table;

pub(crate) use escape::one_line;
pub(crate) use stdout::{Stdout, to_json};
pub(crate) use table::{Align, Table};
