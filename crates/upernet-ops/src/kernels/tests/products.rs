//! `matmul` in both precisions, for every height of a block and all that an epilogue does.

use half::bf16;
use proptest::prelude::*;

use super::super::{
    bf16::is_available,
    gemm::{Activation, Epilogue, Residual, matmul},
    packed::PackedMatrix,
    rows::{Rows, RowsMut},
    test_support::noise,
};

/// A product with everything that may be done to its result.
#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    k: usize,
    n: usize,
    /// Values between the end of a row and the start of the next.
    gap: usize,
    has_bias: bool,
    residual: u8,
    activation: Activation,
}

fn cases() -> impl Strategy<Value = Case> {
    let activation = prop_oneof![
        Just(Activation::None),
        Just(Activation::Relu),
        Just(Activation::Gelu)
    ];
    (
        1..40_usize,
        1..70_usize,
        1..80_usize,
        0..5_usize,
        any::<bool>(),
        0..3_u8,
        activation,
    )
        .prop_map(|(rows, k, n, gap, has_bias, residual, activation)| Case {
            rows,
            k,
            n,
            gap,
            has_bias,
            residual,
            activation,
        })
}

/// The largest difference from the definition, with both factors rounded as `round` says.
fn worst(
    case: &Case,
    round: impl Fn(f32) -> f32,
    pack: impl Fn(PackedMatrix) -> PackedMatrix,
) -> f64 {
    let &Case {
        rows, k, n, gap, ..
    } = case;
    let stride = k + gap;
    let a = noise(rows * stride, 1);
    let b = noise(k * n, 2);
    let bias = noise(n, 3);
    let residual = noise(rows * (n + gap), 4);
    let before = noise(rows * n, 5);
    let mut out = before.clone();
    let epilogue = Epilogue {
        bias: case.has_bias.then_some(bias.as_slice()),
        residual: match case.residual {
            0 => Residual::None,
            1 => Residual::Rows(Rows {
                values: &residual,
                stride: n + gap,
                count: rows,
            }),
            _ => Residual::Output,
        },
        activation: case.activation,
    };
    let packed = pack(PackedMatrix::from_fn(k, n, |row, column| {
        b[row * n + column]
    }));
    let left = Rows {
        values: &a,
        stride,
        count: rows,
    };
    matmul(left, &packed, epilogue, RowsMut::dense(&mut out, n));

    let mut worst = 0.0_f64;
    for row in 0..rows {
        for column in 0..n {
            let mut sum: f64 = (0..k)
                .map(|at| {
                    f64::from(round(a[row * stride + at])) * f64::from(round(b[at * n + column]))
                })
                .sum();
            if case.has_bias {
                sum += f64::from(bias[column]);
            }
            sum += match case.residual {
                0 => 0.0,
                1 => f64::from(residual[row * (n + gap) + column]),
                _ => f64::from(before[row * n + column]),
            };
            let expected = match case.activation {
                Activation::None => sum,
                Activation::Relu => sum.max(0.0),
                Activation::Gelu => sum * 0.5 * (1.0 + erf(sum / std::f64::consts::SQRT_2)),
            };
            let difference = (f64::from(out[row * n + column]) - expected).abs();
            // A NaN must count as the worst.
            worst = if difference <= worst {
                worst
            } else {
                difference
            };
        }
    }
    worst
}

/// erf by its Taylor series: exact to 1e-12 in the range that these tests reach.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// At most 70 products of numbers below 1 are summed: 2e-5 is a few units in the last place.
    #[test]
    fn product_is_its_definition(case in cases()) {
        let worst = worst(&case, |value| value, |matrix| matrix);
        prop_assert!(worst < 2e-5, "{case:?}: {worst}");
    }

    /// The rounded factors are exact in `f32`, so the sums are as good as those of `f32`.
    #[test]
    fn rounded_product_is_the_product_of_rounded_numbers(case in cases()) {
        if is_available() {
            let round = |value| bf16::from_f32(value).to_f32();
            let worst = worst(&case, round, PackedMatrix::into_bf16);
            prop_assert!(worst < 2e-5, "{case:?}: {worst}");
        }
    }
}

/// Sums that are longer than what stays in the cache are carried on; tiles are shared out over threads.
#[test]
fn long_sums_and_many_rows() {
    for (rows, k, n) in [(3, 1500, 70), (260, 1030, 40), (517, 65, 33)] {
        let case = Case {
            rows,
            k,
            n,
            gap: 1,
            has_bias: true,
            residual: 2,
            activation: Activation::Relu,
        };
        let difference = worst(&case, |value| value, |matrix| matrix);
        assert!(difference < 2e-4, "{case:?}: {difference}");
        if is_available() {
            let round = |value| bf16::from_f32(value).to_f32();
            let difference = worst(&case, round, PackedMatrix::into_bf16);
            assert!(difference < 2e-4, "{case:?}: {difference}");
        }
    }
}

#[test]
fn nothing_to_sum_leaves_the_bias() {
    let packed = PackedMatrix::from_fn(0, 3, |_, _| unreachable!("there are no weights"));
    let mut out = [9.0; 6];
    let epilogue = Epilogue {
        bias: Some(&[1.0, 2.0, 3.0]),
        ..Epilogue::default()
    };
    let left = Rows {
        values: &[],
        stride: 0,
        count: 2,
    };
    matmul(left, &packed, epilogue, RowsMut::dense(&mut out, 3));
    assert!(
        out.iter()
            .zip([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
            .all(|(a, e)| (a - e).abs() < f32::EPSILON)
    );
}

#[test]
fn relu_lets_nan_through() {
    let packed = PackedMatrix::from_fn(1, 1, |_, _| f32::NAN);
    let mut out = [0.0];
    let epilogue = Epilogue {
        activation: Activation::Relu,
        ..Epilogue::default()
    };
    matmul(
        Rows::dense(&[1.0], 1),
        &packed,
        epilogue,
        RowsMut::dense(&mut out, 1),
    );
    assert!(
        out[0].is_nan(),
        "a broken weight must not look like a dark pixel"
    );
}

#[test]
#[should_panic(expected = "the result has another size")]
fn refuses_a_result_of_another_size() {
    let packed = PackedMatrix::from_fn(2, 3, |_, _| 1.0);
    let mut out = [0.0; 4];
    matmul(
        Rows::dense(&[1.0; 4], 2),
        &packed,
        Epilogue::default(),
        RowsMut::dense(&mut out, 2),
    );
}
