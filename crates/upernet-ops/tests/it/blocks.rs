//! Halves of blocks, and whole ones.

use proptest::prelude::*;
use upernet_ops::{
    ConvNextBlockWeights, CosineWindowAttentionWeights, LayerNormWeights, MlpWeights, Precision,
    PreparedConvNextBlock, PreparedCosineWindowAttention, PreparedMlp, PreparedPostNormMlp,
    PreparedWindowAttention, ResponseNormWeights, WindowAttentionWeights, convnext_block,
    cosine_window_attention, mlp, post_norm_mlp, window_attention,
};

use crate::support::{Case, assert_close, cases};

fn norm(case: &Case) -> LayerNormWeights {
    LayerNormWeights {
        scale: case.weight([case.channels]) + 1.0,
        shift: case.weight([case.channels]),
        epsilon: 1e-5,
    }
}

fn mlp_weights(case: &Case, hidden: usize) -> MlpWeights {
    MlpWeights {
        norm: norm(case),
        expand: case.weight([case.channels, hidden]),
        expand_bias: case.weight([hidden]),
        project: case.weight([hidden, case.channels]),
        project_bias: case.weight([case.channels]),
    }
}

proptest! {
    #[test]
    fn perceptrons(case in cases(2..40, 7), hidden in 1..90_usize) {
        let weights = mlp_weights(&case, hidden);
        let prepared = PreparedMlp::new(weights.clone(), Precision::F32);
        assert_close(prepared.forward(case.map()), mlp(case.map(), &weights), 2e-4)?;
    }

    #[test]
    fn convnext_blocks(case in cases(2..40, 9), half_kernel in 0..4_usize, second_version: bool) {
        let kernel = 2 * half_kernel + 1;
        let response_norm = second_version.then(|| ResponseNormWeights {
            weight: case.weight([4 * case.channels]),
            bias: case.weight([4 * case.channels]),
        });
        let weights = ConvNextBlockWeights {
            depthwise: case.weight([case.channels, 1, kernel, kernel]),
            depthwise_bias: case.weight([case.channels]),
            mlp: mlp_weights(&case, 4 * case.channels),
            response_norm,
        };
        let prepared = PreparedConvNextBlock::new(weights.clone(), Precision::F32);
        assert_close(prepared.forward(case.map()), convnext_block(case.map(), &weights), 2e-4)?;
    }

    /// With at least eight channels to normalise: the fewer there are, the closer together they may
    /// lie, and the more a norm magnifies the rounding of what comes before it.
    #[test]
    fn perceptrons_with_the_norm_after(case in cases(8..40, 7), hidden in 1..90_usize) {
        let weights = mlp_weights(&case, hidden);
        let prepared = PreparedPostNormMlp::new(weights.clone(), Precision::F32);
        let expected = post_norm_mlp(case.map(), &weights);
        assert_close(prepared.forward(case.map()), expected, 2e-4)?;
    }

    #[test]
    fn windows_by_cosines(
        case in cases(4..9, 12), heads in 1..4_usize, window_size in 1..6_usize, shifted: bool,
        bias: bool,
    ) {
        let case = Case { channels: 2 * case.channels * heads, ..case };
        let (channels, tokens) = (case.channels, window_size * window_size);
        let weights = CosineWindowAttentionWeights {
            qkv: case.weight([channels, 3 * channels]),
            query_value_bias: bias.then(|| [case.weight([channels]), case.weight([channels]) + 0.1]),
            factors: case.weight([heads]).exp() * 5.0,
            position_bias: case.weight([heads, tokens, tokens]),
            projection: case.weight([channels, channels]),
            projection_bias: case.weight([channels]),
            norm: norm(&case),
            window_size,
            shift: if shifted { window_size / 2 } else { 0 },
        };
        let prepared = PreparedCosineWindowAttention::new(weights.clone(), Precision::F32);
        let expected = cosine_window_attention(case.map(), &weights);
        assert_close(prepared.forward(case.map()), expected, 2e-4)?;
    }

    #[test]
    fn windows(
        case in cases(1..9, 12), heads in 1..4_usize, window_size in 1..6_usize, shifted: bool,
        bias: bool,
    ) {
        let case = Case { channels: 2 * case.channels * heads, ..case };
        let (channels, tokens) = (case.channels, window_size * window_size);
        let weights = WindowAttentionWeights {
            norm: norm(&case),
            qkv: case.weight([channels, 3 * channels]),
            qkv_bias: bias.then(|| case.weight([3 * channels])),
            position_bias: case.weight([heads, tokens, tokens]),
            projection: case.weight([channels, channels]),
            projection_bias: case.weight([channels]),
            window_size,
            shift: if shifted { window_size / 2 } else { 0 },
        };
        let prepared = PreparedWindowAttention::new(weights.clone(), Precision::F32);
        let expected = window_attention(case.map(), &weights);
        let x = case.map();
        assert_close(prepared.forward(x.clone()), expected, 2e-4)?;
        // The kernel adds in place, but not to a map that somebody else holds.
        assert_close(x, case.map(), 0.0)?;
    }
}
