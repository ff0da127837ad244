//! Operations on maps that have no weights, or a vector of them.

use burn::tensor::Tensor;
use proptest::prelude::*;
use upernet_ops::{
    Border, CellOrder, LayerNormWeights, Patches, PreparedLayerNorm, adaptive_avg_pools,
    add_resized, layer_norm, max_pool3x3, resize_bilinear, space_to_depth,
};

use crate::support::{assert_close, cases};

/// The same map as burn lays it out, for which no kernel runs.
fn channels_first(x: Tensor<4>) -> Tensor<4> {
    let device = x.device();
    Tensor::from_data(x.into_data(), &device)
}

proptest! {
    #[test]
    fn resizing(case in cases(2..40, 9), to in [1..12_usize, 1..12]) {
        let x = case.map();
        let expected = resize_bilinear(channels_first(x.clone()), to);
        assert_close(resize_bilinear(x, to), expected, 1e-5)?;
    }

    #[test]
    fn adding_what_was_resized(case in cases(2..40, 9), from in [1..9_usize, 1..9]) {
        let (finer, coarser) = (case.map(), case.other(case.channels, from));
        let expected = add_resized(channels_first(finer.clone()), channels_first(coarser.clone()));
        let sum = add_resized(finer.clone(), coarser);
        assert_close(sum, expected, 1e-5)?;
        // What was added to is still there for whoever else holds it.
        assert_close(finer, case.map(), 0.0)?;
    }

    #[test]
    fn pooling(case in cases(2..40, 9), scales in prop::collection::vec(1..8_usize, 1..4)) {
        let x = case.map();
        let expected = adaptive_avg_pools(channels_first(x.clone()), &scales);
        for (actual, expected) in adaptive_avg_pools(x, &scales).into_iter().zip(expected) {
            assert_close(actual, expected, 1e-5)?;
        }
    }

    #[test]
    fn taking_maxima(case in cases(2..40, 11)) {
        let x = case.map();
        let expected = max_pool3x3(channels_first(x.clone()));
        assert_close(max_pool3x3(x), expected, 0.0)?;
    }

    #[test]
    fn normalising(case in cases(2..70, 6)) {
        let weights = LayerNormWeights {
            scale: case.weight([case.channels]),
            shift: case.weight([case.channels]) + 0.1,
            epsilon: 1e-5,
        };
        let prepared = PreparedLayerNorm::new(weights.clone());
        assert_close(prepared.forward(case.map()), layer_norm(case.map(), &weights), 1e-4)?;
    }

    #[test]
    fn gathering_patches(case in cases(1..20, 11), size in 1..5_usize) {
        let x = case.map();
        for order in [CellOrder::RowMajor, CellOrder::ColumnMajor] {
            for border in [Border::Padded, Border::Dropped] {
                if border == Border::Dropped && case.size.iter().any(|&side| side < size) {
                    continue;
                }
                let patches = Patches { size, order, border };
                // On an autodiff device no kernel runs.
                let plain = x.clone().autodiff();
                let expected = space_to_depth(plain, patches).without_autodiff();
                assert_close(space_to_depth(x.clone(), patches), expected, 0.0)?;
            }
        }
    }
}
