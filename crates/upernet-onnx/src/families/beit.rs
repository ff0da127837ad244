//! BEiT. Upstream: `BeitBackbone`.

use upernet_hf::config::HfBeitConfig;

use super::{
    linear::LayerBias,
    plain::{
        Activation, First, ImageBorder, LearnedPositions, Names, Neck, Network, OutputNorm,
        Perceptron, PlainTransformer, PositionBiases, Positions, Projections, PyramidNames,
    },
};
use crate::interpolation::Interpolation;

/// Upstream's is an `nn.Sequential` of a deconvolution, its norm, an activation and a deconvolution.
const NECK: Neck = Neck::Pyramid(PyramidNames {
    first: ["backbone.fpn1.0", "backbone.fpn1.1", "backbone.fpn1.3"],
    second: "backbone.fpn2.0",
});

/// The table that all layers share.
const SHARED_BIASES: &str =
    "backbone.beit.encoder.relative_position_bias.relative_position_bias_table";

/// A layer's own.
const OWN_BIASES: &str = "attention.attention.relative_position_bias.relative_position_bias_table";

impl PlainTransformer for HfBeitConfig {
    fn network(&self) -> Network<'_> {
        let side = self.image_size / self.patch_size;
        let has_scales = self.layer_scale_init_value > 0.0;
        Network {
            patch_size: self.patch_size,
            border: ImageBorder::LeftOut,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            registers: 0,
            positions: if self.use_absolute_position_embeddings {
                Positions::Learned(LearnedPositions {
                    side,
                    interpolation: Interpolation::Bicubic,
                })
            } else {
                Positions::None
            },
            biases: biases(self, side),
            projections: Projections {
                query: ("attention.attention.query", LayerBias::Learned),
                key: ("attention.attention.key", LayerBias::None),
                value: ("attention.attention.value", LayerBias::Learned),
                output: ("attention.output.dense", LayerBias::Learned),
            },
            perceptron: Perceptron {
                inner: self.intermediate_size,
                first: First::Plain("intermediate.dense"),
                last: "output.dense",
                activation: Activation::Gelu,
                bias: LayerBias::Learned,
            },
            epsilon: self.layer_norm_eps,
            output_norm: OutputNorm::Never,
            out_stages: &self.out_stages,
            neck: self.add_fpn.then_some(NECK),
            names: Names {
                patches: "backbone.embeddings.patch_embeddings.projection",
                layers: "backbone.encoder.layer",
                norms: ["layernorm_before", "layernorm_after"],
                scales: has_scales.then_some(["lambda_1", "lambda_2"]),
                output_norm: "backbone.beit.layernorm",
            },
        }
    }
}

fn biases(config: &HfBeitConfig, side: usize) -> Option<PositionBiases> {
    let shared = config.use_shared_relative_position_bias;
    let own = config.use_relative_position_bias;
    (shared || own).then(|| PositionBiases {
        side,
        shared: shared.then_some(SHARED_BIASES),
        own: own.then_some(OWN_BIASES),
    })
}
