#!/usr/bin/env python3
"""Fit the polynomials of `crates/upernet-ops/src/kernels/math.rs` and print them as Rust.

Minimax fits by Lawson's iteration (least squares, weights moved towards the largest error), then
coefficients rounded to f32 and the f32 evaluation checked against f64. Needs numpy only:

    python scripts/fit_polynomials.py
"""

import math

import numpy as np
from numpy.polynomial import chebyshev, polynomial


def minimax(basis: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Coefficients whose largest weighted error over the samples is smallest."""
    emphasis = np.full(len(target), 1.0 / len(target))
    best, best_error = None, math.inf
    for _ in range(600):
        scale = np.sqrt(emphasis) * weight
        coefficients, *_ = np.linalg.lstsq(basis * scale[:, None], target * scale, rcond=None)
        error = np.abs((basis @ coefficients - target) * weight)
        if error.max() < best_error:
            best, best_error = coefficients, error.max()
        emphasis *= error
        emphasis /= emphasis.sum()
    return best


def chebyshev_nodes(low: float, high: float, count: int = 4000) -> np.ndarray:
    angle = np.pi * (np.arange(count) + 0.5) / count
    return (low + high) / 2 - (high - low) / 2 * np.cos(angle)


def horner_f32(coefficients: np.ndarray, variable: np.ndarray) -> np.ndarray:
    """Horner's rule as the kernel runs it: fused multiply-adds in f32."""
    value = np.full_like(variable, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = (value.astype(np.float64) * variable + np.float64(coefficient)).astype(np.float32)
    return value


def rust(name: str, coefficients: np.ndarray) -> None:
    print(f"const {name}: [f32; {len(coefficients)}] = [")
    for coefficient in coefficients:
        print(f"    {np.format_float_scientific(coefficient, unique=True, trim='0')},")
    print("];")


def fit_normal_cdf(limit: float = 5.4, degree: int = 14) -> None:
    """(Phi(x) - 1/2) / x as a polynomial in s = SCALE * x^2 - 1, |x| <= limit.

    The error that counts is that of x * polynomial, hence the weight |x|. The degree is even and
    the value at the limit just above 1/2, so that the polynomial rises for larger |x| and a clamp
    to 1/2 makes the tails exact.
    """
    scale = np.float32(2 / limit**2)
    x = np.sqrt(chebyshev_nodes(0, 2 / float(scale)))
    target = np.array([0.5 * math.erf(v / math.sqrt(2)) / v for v in x])
    s = float(scale) * x * x - 1
    fit = minimax(chebyshev.chebvander(s, degree), target, x + 1e-3)
    coefficients = chebyshev.cheb2poly(fit).astype(np.float32)

    x = np.linspace(-12, 12, 4_000_001).astype(np.float32)
    s = (np.float64(scale) * (x * x).astype(np.float32) - 1).astype(np.float32)
    half = np.clip(horner_f32(coefficients, s) * x, np.float32(-0.5), np.float32(0.5))
    exact = np.array([0.5 * math.erf(float(v) / math.sqrt(2)) for v in x])
    gelu = (x.astype(np.float64) * half + 0.5 * x).astype(np.float32)
    error = np.abs(gelu - x.astype(np.float64) * (0.5 + exact)) / np.maximum(1, np.abs(x))
    print(f"// Phi: max error {np.abs(half - exact).max():.1e} in f32; GELU: {error.max():.1e}")
    print(f"const PHI_SCALE: f32 = {scale};")
    print(f"// exactly 1 beyond: {np.all(half[x >= limit] == 0.5) and np.all(half[x <= -limit] == -0.5)}")
    rust("PHI", coefficients)


def fit_exp2(degree: int = 5) -> None:
    """2^f for |f| <= 1/2, relative error, with 2^0 = 1 exact."""
    f = chebyshev_nodes(-0.5, 0.5)
    target = np.exp2(f)
    basis = polynomial.polyvander(f, degree)[:, 1:]
    fit = minimax(basis, target - 1, 1 / target)
    coefficients = np.concatenate([[1.0], fit]).astype(np.float32)
    f = np.linspace(-0.5, 0.5, 1_000_001).astype(np.float32)
    exact = np.exp2(f.astype(np.float64))
    error = np.abs(horner_f32(coefficients, f) / exact - 1).max()
    print(f"// 2^f: max relative error {error:.1e} in f32")
    rust("EXP2", coefficients)
    log2e = np.float32(1 / math.log(2))
    print(f"const LOG2_E_LOW: f32 = {np.float32(1 / math.log(2) - float(log2e))};")


if __name__ == "__main__":
    fit_normal_cdf()
    fit_exp2()
