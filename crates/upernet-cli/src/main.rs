//! The `upernet` command.
fn main() {}
