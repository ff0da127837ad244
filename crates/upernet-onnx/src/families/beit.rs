//! BEiT. Upstream: `BeitBackbone`.

use upernet_hf::config::HfBeitConfig;

use super::{
    Family,
    linear::LayerBias,
    plain::{
        Activation, First, LearnedPositions, Names, Neck, Network, OutputNorm, Perceptron,
        PositionBiases, Positions, Projections,
    },
};
use crate::{Error, graph::Graph, interpolation::Interpolation, layers::Map};

/// Upstream's is an `nn.Sequential` of a deconvolution, its norm, an activation and a deconvolution.
const NECK: Neck = Neck {
    first: ["backbone.fpn1.0", "backbone.fpn1.1", "backbone.fpn1.3"],
    second: "backbone.fpn2.0",
};

/// The table that all layers share.
const SHARED_BIASES: &str =
    "backbone.beit.encoder.relative_position_bias.relative_position_bias_table";

/// A layer's own.
const OWN_BIASES: &str = "attention.attention.relative_position_bias.relative_position_bias_table";

impl Family for HfBeitConfig {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        network(self).lower(graph, pixel_values)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        network(self).refusal(size)
    }
}

fn network(config: &HfBeitConfig) -> Network<'_> {
    let side = config.image_size / config.patch_size;
    let has_scales = config.layer_scale_init_value > 0.0;
    Network {
        patch_size: config.patch_size,
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        registers: 0,
        positions: if config.use_absolute_position_embeddings {
            Positions::Learned(LearnedPositions {
                side,
                interpolation: Interpolation::Bicubic,
            })
        } else {
            Positions::None
        },
        biases: biases(config, side),
        projections: Projections {
            query: ("attention.attention.query", LayerBias::Learned),
            key: ("attention.attention.key", LayerBias::None),
            value: ("attention.attention.value", LayerBias::Learned),
            output: ("attention.output.dense", LayerBias::Learned),
        },
        perceptron: Perceptron {
            inner: config.intermediate_size,
            first: First::Plain("intermediate.dense"),
            last: "output.dense",
            activation: Activation::Gelu,
            bias: LayerBias::Learned,
        },
        epsilon: config.layer_norm_eps,
        output_norm: OutputNorm::Never,
        out_stages: &config.out_stages,
        neck: config.add_fpn.then_some(NECK),
        names: Names {
            patches: "backbone.embeddings.patch_embeddings.projection",
            layers: "backbone.encoder.layer",
            norms: ["layernorm_before", "layernorm_after"],
            scales: has_scales.then_some(["lambda_1", "lambda_2"]),
            output_norm: "backbone.beit.layernorm",
        },
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
