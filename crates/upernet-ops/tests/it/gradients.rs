//! Gradients of the convolutions that networks are trained with, against those of burn's operations
//! in 64 bits.

use burn::tensor::Tensor;
use proptest::prelude::*;
use upernet_ops::{Activation, conv3x3, resize_bilinear, upsample_conv3x3};

use crate::support::{Case, assert_close, burns_conv3x3, cases, in_f64};

/// The gradients of input and weights of a weighted sum of what `compute` returns.
fn gradients(
    case: &Case,
    [x, weight]: [Tensor<4>; 2],
    compute: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<4>,
) -> [Tensor<4>; 2] {
    let x = x.autodiff().require_grad();
    let weight = weight.autodiff().require_grad();
    let y = compute(x.clone(), weight.clone());
    let [_, channels, height, width] = y.dims();
    let factors = case.other(channels, [height, width]).cast(y.dtype());
    let gradients = (y * factors.autodiff()).sum().backward();
    [x, weight].map(|leaf| leaf.grad(&gradients).expect("a leaf of the graph"))
}

fn compare(
    case: &Case,
    outputs: usize,
    kernel: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<4>,
    plain: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<4>,
) -> Result<(), TestCaseError> {
    let leaves = [case.map(), case.weight([outputs, case.channels, 3, 3])];
    let expected = gradients(case, leaves.clone().map(in_f64), plain);
    let actual = gradients(case, leaves, kernel);
    for (actual, expected) in actual.into_iter().zip(expected) {
        assert_close(actual, expected, 2e-4)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_three_by_three(case in cases(1..30, 11), outputs in 1..30_usize) {
        compare(
            &case,
            outputs,
            |x, weight| conv3x3(x, weight, None, Activation::None),
            |x, weight| burns_conv3x3(x, weight, None),
        )?;
    }

    #[test]
    fn of_three_by_three_of_a_resized_map(
        case in cases(1..30, 7), outputs in 1..30_usize, to in [1..12_usize, 1..12],
    ) {
        compare(
            &case,
            outputs,
            |x, weight| upsample_conv3x3(x, weight, to),
            |x, weight| burns_conv3x3(resize_bilinear(x, to), weight, None),
        )?;
        // The plain form, in 64 bits on both sides.
        compare(
            &case,
            outputs,
            |x, weight| upsample_conv3x3(in_f64(x), in_f64(weight), to),
            |x, weight| burns_conv3x3(resize_bilinear(x, to), weight, None),
        )?;
    }
}

/// Frozen weights or a constant input ask for no gradient, and the other one's is the same.
#[test]
fn constants_are_left_out() {
    let case = Case {
        batch: 2,
        channels: 5,
        size: [6, 7],
        memory: crate::support::Memory::ChannelsFirst,
        seed: 1,
    };
    let (x, weight) = (case.map().autodiff(), case.weight([3, 5, 3, 3]).autodiff());
    let run = |x: &Tensor<4>, weight: &Tensor<4>| {
        let full = conv3x3(x.clone(), weight.clone(), None, Activation::None);
        let resized = upsample_conv3x3(x.clone(), weight.clone(), [9, 8]);
        let gradients = (full.sum() + resized.sum()).backward();
        [x.grad(&gradients), weight.grad(&gradients)]
    };
    let (tracked_x, tracked_weight) = (x.clone().require_grad(), weight.clone().require_grad());
    let [both_x, both_weight] = run(&tracked_x, &tracked_weight);
    let [only_x, no_weight] = run(&tracked_x, &weight);
    let [no_x, only_weight] = run(&x, &tracked_weight);
    assert!(
        no_x.is_none() && no_weight.is_none(),
        "constants have no gradient"
    );
    for (both, only) in [(both_x, only_x), (both_weight, only_weight)] {
        let (both, only) = (both.expect("tracked"), only.expect("tracked"));
        only.into_data().assert_eq(&both.into_data(), true);
    }
}
