//! The exact GELU of every value, and its derivative.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};

use super::{
    math::{gelu_derivative_f32s, gelu_f32s},
    simd::{self, Simd, WithSimd, load, store},
};

/// Values that a thread takes at once.
const CHUNK: usize = 1 << 13;

/// `out = gelu(x)`.
///
/// # Panics
///
/// Panics if the lengths differ.
pub(crate) fn gelu(x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "the output has another size");
    let chunks = x.par_chunks(CHUNK).zip(out.par_chunks_mut(CHUNK));
    chunks.for_each(|(x, out)| simd::dispatch(Forward { x, out }));
}

/// `out = gradient * gelu'(x)`.
///
/// # Panics
///
/// Panics if the lengths differ.
pub(crate) fn gelu_backward(x: &[f32], gradient: &[f32], out: &mut [f32]) {
    assert_eq!(
        [gradient.len(), out.len()],
        [x.len(); 2],
        "gradients of another size"
    );
    let chunks = x.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK));
    chunks
        .zip(out.par_chunks_mut(CHUNK))
        .for_each(|((x, gradient), out)| simd::dispatch(Backward { x, gradient, out }));
}

struct Forward<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        for (x, out) in self.x.chunks(lanes).zip(self.out.chunks_mut(lanes)) {
            store(simd, out, gelu_f32s(simd, load(simd, x)));
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let values = self.x.chunks(lanes).zip(self.gradient.chunks(lanes));
        for ((x, gradient), out) in values.zip(self.out.chunks_mut(lanes)) {
            let slope = gelu_derivative_f32s(simd, load(simd, x));
            store(simd, out, simd.mul_f32s(slope, load(simd, gradient)));
        }
    }
}
