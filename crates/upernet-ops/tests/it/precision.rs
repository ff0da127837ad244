//! Prepared layers whose factors are rounded to bfloat16.

use burn::tensor::{Device, Tensor};
use proptest::prelude::*;
use upernet_ops::{
    Activation, ConvNextBlockWeights, CosineWindowAttentionWeights, LayerNormWeights, MlpWeights,
    Precision, PreparedConv3x3, PreparedConvNextBlock, PreparedCosineWindowAttention,
    PreparedLinear, PreparedMlp, PreparedPostNormMlp, PreparedStridedConv, PreparedUpsampleConv3x3,
    PreparedWindowAttention, ResponseNormWeights, WindowAttentionWeights,
};

use crate::support::{Case, assert_close, cases};

/// Both factors keep 8 bits, so a product is off by 2^-8 at most; sums of many are off by less.
const ROUNDING: f32 = 2e-2;

/// What a layer of each precision makes of the same map.
fn both(layer: impl Fn(Precision) -> Tensor<4>) -> Result<(), TestCaseError> {
    let (rounded, exact) = (layer(Precision::Bf16), layer(Precision::F32));
    if Precision::Bf16.has_kernels(&Device::flex()) {
        return assert_close(rounded, exact, ROUNDING);
    }
    // Where the processor cannot multiply bfloat16, nothing is rounded.
    assert_close(rounded, exact, 0.0)
}

fn norm(case: &Case) -> LayerNormWeights {
    LayerNormWeights {
        scale: case.weight([case.channels]) + 1.0,
        shift: case.weight([case.channels]),
        epsilon: 1e-5,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn linear_layers(case in cases(8..50, 9), outputs in 1..70_usize) {
        let weight = case.weight([case.channels, outputs]);
        let bias = Some(case.weight([outputs]));
        both(|precision| {
            PreparedLinear::new(weight.clone(), bias.clone(), Activation::Relu, precision)
                .forward(case.map())
        })?;
    }

    #[test]
    fn convolutions(case in cases(4..40, 11), outputs in 1..40_usize, to in [1..14_usize, 1..14]) {
        let weight = case.weight([outputs, case.channels, 3, 3]);
        both(|precision| {
            PreparedConv3x3::new(weight.clone(), None, Activation::None, precision)
                .forward(case.map())
        })?;
        both(|precision| {
            PreparedUpsampleConv3x3::new(weight.clone(), None, precision).forward(case.map(), to)
        })?;
        both(|precision| {
            PreparedStridedConv::new(weight.clone(), None, 2, Activation::None, precision)
                .forward(case.map())
        })?;
    }

    #[test]
    fn perceptrons(case in cases(8..40, 7), hidden in 8..90_usize) {
        let weights = MlpWeights {
            norm: norm(&case),
            expand: case.weight([case.channels, hidden]),
            expand_bias: case.weight([hidden]),
            project: case.weight([hidden, case.channels]),
            project_bias: case.weight([case.channels]),
        };
        both(|precision| PreparedMlp::new(weights.clone(), precision).forward(case.map()))?;
    }

    #[test]
    fn convnext_blocks(case in cases(8..40, 9), second_version: bool) {
        let hidden = 4 * case.channels;
        let weights = ConvNextBlockWeights {
            depthwise: case.weight([case.channels, 1, 3, 3]),
            depthwise_bias: case.weight([case.channels]),
            mlp: MlpWeights {
                norm: norm(&case),
                expand: case.weight([case.channels, hidden]),
                expand_bias: case.weight([hidden]),
                project: case.weight([hidden, case.channels]),
                project_bias: case.weight([case.channels]),
            },
            response_norm: second_version.then(|| ResponseNormWeights {
                weight: case.weight([hidden]),
                bias: case.weight([hidden]),
            }),
        };
        both(|precision| {
            PreparedConvNextBlock::new(weights.clone(), precision).forward(case.map())
        })?;
    }

    #[test]
    fn perceptrons_with_the_norm_after(case in cases(8..40, 7), hidden in 8..90_usize) {
        let weights = MlpWeights {
            norm: norm(&case),
            expand: case.weight([case.channels, hidden]),
            expand_bias: case.weight([hidden]),
            project: case.weight([hidden, case.channels]),
            project_bias: case.weight([case.channels]),
        };
        both(|precision| PreparedPostNormMlp::new(weights.clone(), precision).forward(case.map()))?;
    }

    #[test]
    fn windows_by_cosines(case in cases(4..9, 12), window_size in 2..6_usize, shifted: bool) {
        let case = Case { channels: 4 * case.channels, ..case };
        let (channels, tokens) = (case.channels, window_size * window_size);
        let weights = CosineWindowAttentionWeights {
            qkv: case.weight([channels, 3 * channels]),
            query_value_bias: Some([case.weight([channels]), case.weight([channels]) + 0.1]),
            factors: case.weight([2]).exp() * 2.0,
            position_bias: case.weight([2, tokens, tokens]),
            projection: case.weight([channels, channels]),
            projection_bias: case.weight([channels]),
            norm: norm(&case),
            window_size,
            shift: if shifted { window_size / 2 } else { 0 },
        };
        both(|precision| {
            PreparedCosineWindowAttention::new(weights.clone(), precision).forward(case.map())
        })?;
    }

    #[test]
    fn windows(case in cases(2..9, 12), window_size in 2..6_usize, shifted: bool) {
        let case = Case { channels: 4 * case.channels, ..case };
        let (channels, tokens) = (case.channels, window_size * window_size);
        let weights = WindowAttentionWeights {
            norm: norm(&case),
            // Small, as in trained networks: rounding errors of large logits would be exponentiated.
            qkv: case.weight([channels, 3 * channels]) * 0.3,
            qkv_bias: Some(case.weight([3 * channels])),
            position_bias: case.weight([2, tokens, tokens]),
            projection: case.weight([channels, channels]),
            projection_bias: case.weight([channels]),
            window_size,
            shift: if shifted { window_size / 2 } else { 0 },
        };
        both(|precision| {
            PreparedWindowAttention::new(weights.clone(), precision).forward(case.map())
        })?;
    }
}
