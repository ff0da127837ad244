//! The product and the convolutions against their definitions, summed in `f64`.
//!
//! They run with the instruction set of [`simd::arch`](super::simd::arch); `UPERNET_SIMD=avx2` and
//! `UPERNET_SIMD=scalar` have the same tests check the others.

mod convolutions;
mod products;
