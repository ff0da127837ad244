//! What is wrong with a dataset, and how to mend it.

mod histogram;

pub use histogram::histogram;
