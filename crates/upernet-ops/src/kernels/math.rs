//! Elementary functions on vectors of `f32`.
//!
//! All are branch-free and exact at their ends; NaN stays NaN. Errors are against `f64`. The
//! polynomials are our own minimax fits, printed by `scripts/fit_polynomials.py`.

use pulp::Simd;

/// Scales `x^2` so that the fit's interval, `|x| <= 5.4`, becomes [-1, 1] after subtracting 1.
const PHI_SCALE: f32 = 0.068_587_1;

/// `(Phi(x) - 1/2) / x` in powers of `PHI_SCALE * x^2 - 1`, Phi the normal distribution function.
///
/// Powers of the shifted square: powers of `x^2` itself would cancel away four digits.
const PHI: [f32; 15] = [
    1.309_281_1e-1,
    -6.532_805_4e-2,
    4.849_959e-2,
    -3.920_681e-2,
    3.211_659_2e-2,
    -2.574_648e-2,
    1.964_518_2e-2,
    -1.396_323_3e-2,
    9.651_062e-3,
    -6.715_510_5e-3,
    3.659_163_4e-3,
    -1.186_253e-3,
    8.747_257e-4,
    -1.028_424_4e-3,
    3.929_287_8e-4,
];

/// `2^f` in powers of `f`, for `|f| <= 1/2`.
#[expect(
    clippy::approx_constant,
    reason = "the best polynomial is not the Taylor series, though it begins much like it"
)]
const EXP2: [f32; 6] = [
    1.0,
    6.931_47e-1,
    2.402_224_2e-1,
    5.550_733_6e-2,
    9.671_513e-3,
    1.326_472_7e-3,
];

/// What `f32` loses of `log2(e)`.
const LOG2_E_LOW: f32 = 1.925_963e-8;

/// Below this `exp` is 0: the next results would be subnormal or nearly so.
const EXP_LOWEST: f32 = -86.98;

/// Above this `exp` is infinite; the overflow itself comes a little earlier, by arithmetic.
const EXP_HIGHEST: f32 = 89.0;

/// Adding this to a small number rounds it to an integer `n` and leaves `n + 126`, the exponent
/// field of `2^(n - 1)`, in the low bits of the sum.
const ROUND_TO_EXPONENT: f32 = 12_582_912.0 + 126.0;

/// `sum of coefficients[i] * x^i`, by Horner's rule.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, coefficients: [f32; N], x: S::f32s) -> S::f32s {
    let mut value = simd.splat_f32s(coefficients[N - 1]);
    for &coefficient in coefficients[..N - 1].iter().rev() {
        value = simd.mul_add_e_f32s(value, x, simd.splat_f32s(coefficient));
    }
    value
}

/// `Phi(x) - 1/2`, half of `erf(x / sqrt(2))`; exactly +-1/2 for `|x| > 5.4`.
#[inline(always)]
fn centred_normal_cdf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let square = simd.mul_f32s(x, x);
    let shifted = simd.mul_add_e_f32s(square, simd.splat_f32s(PHI_SCALE), simd.splat_f32s(-1.0));
    // Outside its interval the polynomial grows without bound, so one clamp serves both tails.
    let value = simd.mul_f32s(polynomial(simd, PHI, shifted), x);
    simd.max_f32s(
        simd.splat_f32s(-0.5),
        simd.min_f32s(simd.splat_f32s(0.5), value),
    )
}

/// The exact GELU, `x * Phi(x) = x * (1 + erf(x / sqrt(2))) / 2`.
///
/// Error at most 2e-7 * max(1, |x|); 21 instructions. Source: Hendrycks and Gimpel, *Gaussian Error
/// Linear Units* (2016), <https://arxiv.org/abs/1606.08415>; torch's `gelu(approximate="none")`.
#[inline(always)]
pub(crate) fn gelu_f32s<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let half = simd.mul_f32s(x, simd.splat_f32s(0.5));
    simd.mul_add_e_f32s(x, centred_normal_cdf(simd, x), half)
}

/// The derivative of [`gelu_f32s`], `Phi(x) + x * phi(x)` with the normal density `phi`.
#[inline(always)]
pub(crate) fn gelu_derivative_f32s<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let cdf = simd.add_f32s(simd.splat_f32s(0.5), centred_normal_cdf(simd, x));
    let exponent = simd.mul_f32s(simd.mul_f32s(x, x), simd.splat_f32s(-0.5));
    let density = simd.mul_f32s(
        exp_f32s(simd, exponent),
        simd.splat_f32s(std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2 / 2.0),
    );
    simd.mul_add_e_f32s(x, density, cdf)
}

/// `e^x`, relative error at most 3e-7 (without fused multiply-add 1e-7 |x| more); 0 below -86.98,
/// where the result would be under 2e-38.
#[inline(always)]
pub(crate) fn exp_f32s<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let log2_e = simd.splat_f32s(std::f32::consts::LOG2_E);
    let magic = simd.splat_f32s(ROUND_TO_EXPONENT);
    let biased = simd.mul_add_e_f32s(x, log2_e, magic);
    let integer = simd.sub_f32s(biased, magic);
    // x * log2(e) - integer, in two parts because log2(e) needs more than 24 bits.
    let fraction = simd.mul_add_e_f32s(x, log2_e, simd.neg_f32s(integer));
    let fraction = simd.mul_add_e_f32s(x, simd.splat_f32s(LOG2_E_LOW), fraction);
    // 2 * 2^fraction * 2^(integer - 1): 2^integer alone overflows for the largest finite results.
    let doubled = polynomial(simd, EXP2.map(|coefficient| 2.0 * coefficient), fraction);
    let bits = simd.transmute_u32s_f32s(biased);
    let power = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    let value = simd.mul_f32s(doubled, simd.transmute_f32s_u32s(power));
    let too_low = simd.less_than_f32s(x, simd.splat_f32s(EXP_LOWEST));
    let too_high = simd.greater_than_f32s(x, simd.splat_f32s(EXP_HIGHEST));
    let value = simd.select_f32s(too_low, simd.splat_f32s(0.0), value);
    simd.select_f32s(too_high, simd.splat_f32s(f32::INFINITY), value)
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, WithSimd};

    use super::*;
    use crate::kernels::test_support::on_every_arch;

    /// A function of vectors, applied to a whole slice.
    struct Map<'a> {
        function: Function,
        values: &'a [f32],
    }

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Exp,
        Gelu,
    }

    impl WithSimd for Map<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let mut results = vec![0.0; self.values.len()];
            let chunks = self.values.chunks(S::F32_LANES);
            for (values, results) in chunks.zip(results.chunks_mut(S::F32_LANES)) {
                let x = simd.partial_load_f32s(values);
                let y = match self.function {
                    Function::Exp => exp_f32s(simd, x),
                    Function::Gelu => gelu_f32s(simd, x),
                };
                simd.partial_store_f32s(results, y);
            }
            results
        }
    }

    fn grid(low: f32, high: f32, count: u16) -> Vec<f32> {
        let step = (high - low) / f32::from(count);
        (0..=count)
            .map(|index| f32::from(index).mul_add(step, low))
            .collect()
    }

    /// erf in `f64` by its Taylor series (small arguments) or its continued fraction.
    fn erf(x: f64) -> f64 {
        if x.abs() > 3.0 {
            let fraction = (1..=60)
                .rev()
                .fold(0.0, |tail, k| f64::from(k) / 2.0 / (x.abs() + tail));
            let upper = (-x * x).exp() / std::f64::consts::PI.sqrt() / (x.abs() + fraction);
            return (1.0 - upper).copysign(x);
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn erf_of_the_tests_is_erf() {
        // torch.erf(torch.tensor([0.5, 2.9, 3.1], dtype=torch.float64))
        for (x, expected) in [
            (0.5, 0.520_499_877_813_046_5),
            (2.9, 0.999_958_902_121_900_5),
            (3.1, 0.999_988_351_342_632_8),
        ] {
            assert!((erf(x) - expected).abs() < 1e-12, "erf({x}) = {}", erf(x));
        }
    }

    #[test]
    fn gelu_is_exact_gelu() {
        let values = [
            grid(-12.0, 12.0, 60_000),
            grid(-1.0, 1.0, 60_000),
            grid(-1e5, 1e5, 1000),
        ];
        let values = values.concat();
        on_every_arch(|arch| {
            let results = arch.dispatch(Map {
                function: Function::Gelu,
                values: &values,
            });
            for (x, y) in values.iter().map(|&x| f64::from(x)).zip(results) {
                let expected = x * 0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2));
                let error = (f64::from(y) - expected).abs();
                assert!(
                    error <= 2e-7 * x.abs().max(1.0),
                    "gelu({x}) = {y}, error {error:e}"
                );
            }
        });
    }

    #[test]
    fn exp_is_exp() {
        let values = [grid(-86.9, 88.7, 60_000), grid(-1.0, 1.0, 60_000)].concat();
        on_every_arch(|arch| {
            let unfused = if matches!(arch, Arch::Scalar) {
                1e-7
            } else {
                0.0
            };
            let results = arch.dispatch(Map {
                function: Function::Exp,
                values: &values,
            });
            for (x, y) in values.iter().map(|&x| f64::from(x)).zip(results) {
                let error = (f64::from(y) / x.exp() - 1.0).abs();
                assert!(
                    error <= 3e-7 + unfused * x.abs(),
                    "exp({x}) = {y}, error {error:e}"
                );
            }
        });
    }

    #[test]
    fn ends_are_exact() {
        let large = [6.0, 100.0, 1e10, f32::MAX, f32::INFINITY];
        on_every_arch(|arch| {
            assert_eq!(
                arch.dispatch(Map {
                    function: Function::Gelu,
                    values: &large
                }),
                large
            );
            let negative = [-6.0, -100.0, -1e10, f32::MIN];
            let values = arch.dispatch(Map {
                function: Function::Gelu,
                values: &negative,
            });
            assert!(values.iter().all(|&value| value == 0.0), "{values:?}");
            let ends = [
                f32::NEG_INFINITY,
                -1e30,
                -100.0,
                0.0,
                89.5,
                1e30,
                f32::INFINITY,
            ];
            let values = arch.dispatch(Map {
                function: Function::Exp,
                values: &ends,
            });
            assert_eq!(
                values,
                [
                    0.0,
                    0.0,
                    0.0,
                    1.0,
                    f32::INFINITY,
                    f32::INFINITY,
                    f32::INFINITY
                ]
            );
        });
    }

    #[test]
    fn nan_stays_nan() {
        on_every_arch(|arch| {
            for function in [Function::Exp, Function::Gelu] {
                let values = arch.dispatch(Map {
                    function,
                    values: &[f32::NAN],
                });
                assert!(values[0].is_nan(), "{function:?} of NaN is {values:?}");
            }
        });
    }
}
