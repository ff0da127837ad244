//! Every kernel against the plain tensor operations that it stands for.
//!
//! The functions of this crate compute with burn's own operations; their `Prepared...` forms take a
//! kernel on flex. Operations without weights take theirs for maps whose channels come last in memory.
//! With `UPERNET_KERNELS=off` both sides are the same code, and the tests pass trivially.

mod attention;
mod blocks;
mod convolutions;
mod gradients;
mod maps;
mod memory;
mod precision;
mod steps;
mod support;
