//! What the kernels' tests share.

use pulp::Arch;

/// Runs a check with every instruction set of this machine that the kernels know.
pub(crate) fn on_every_arch(check: impl Fn(Arch)) {
    check(Arch::Scalar);
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = pulp::x86::V3::try_new() {
        check(Arch::V3(avx2));
    }
    check(Arch::new());
}

/// Values in [-1, 1) that look random and are the same in every run.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        // xorshift64*, Vigna (2016).
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let bits = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}

/// The largest difference of two slices of one length.
pub(crate) fn max_difference(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len());
    let differences = actual.iter().zip(expected).map(|(a, e)| (a - e).abs());
    // NaN must not pass for a small difference.
    differences.fold(0.0, |worst, d| if d <= worst { worst } else { d })
}
