//! The instruction set, chosen once when the program runs.
#![expect(unsafe_code, reason = "a prefetch is an unsafe intrinsic")]

use std::sync::OnceLock;

use pulp::Arch;
pub(crate) use pulp::{Simd, WithSimd};

/// The widest instruction set of this machine that the kernels know, or the narrower one that the
/// environment variable `UPERNET_SIMD` asks for (`scalar`, `avx2`; for tests and comparisons).
pub(crate) fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| match std::env::var("UPERNET_SIMD").as_deref() {
        Ok("scalar") => Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => Arch::new(),
    })
}

/// Runs a kernel with the instruction set of [`arch`].
pub(crate) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    arch().dispatch(kernel)
}

/// Lanes of a vector of `f32`.
pub(crate) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Lanes)
}

/// The vector at the head of `values`; lanes past its end are 0.
#[inline(always)]
pub(crate) fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match values.get(..S::F32_LANES) {
        Some(full) => S::as_simd_f32s(full).0[0],
        None => simd.partial_load_f32s(values),
    }
}

/// Stores a vector at the head of `values`; lanes past its end are dropped.
#[inline(always)]
pub(crate) fn store<S: Simd>(simd: S, values: &mut [f32], vector: S::f32s) {
    match values.get_mut(..S::F32_LANES) {
        Some(full) => S::as_mut_simd_f32s(full).0[0] = vector,
        None => simd.partial_store_f32s(values, vector),
    }
}

/// Asks for a cache line that will be read soon; any address will do.
#[inline(always)]
pub(crate) fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing: it is a hint, and no address makes it fault.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
