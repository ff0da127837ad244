//! ViT under our feature pyramid, pretrained as a classifier or as a masked autoencoder. Upstream:
//! `ViTModel`; Hugging Face has no backbone of it.

use upernet_hf::config::HfVitConfig;

use super::{
    Family,
    linear::LayerBias,
    plain::{
        Activation, FEATURE_PYRAMID, First, LearnedPositions, Names, Network, OutputNorm,
        Perceptron, Positions, Projections,
    },
};
use crate::{Error, graph::Graph, interpolation::Interpolation, layers::Map};

const NAMES: Names = Names {
    patches: "backbone.embeddings.patch_embeddings.projection",
    layers: "backbone.encoder.layer",
    norms: ["layernorm_before", "layernorm_after"],
    scales: None,
    output_norm: "backbone.layernorm",
};

impl Family for HfVitConfig {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        network(self).lower(graph, pixel_values)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        network(self).refusal(size)
    }
}

fn network(config: &HfVitConfig) -> Network<'_> {
    let bias = config.qkv_bias.into();
    Network {
        patch_size: config.patch_size,
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        registers: 0,
        positions: Positions::Learned(LearnedPositions {
            side: config.learned_side(),
            interpolation: Interpolation::Bicubic,
        }),
        biases: None,
        projections: Projections {
            query: ("attention.attention.query", bias),
            key: ("attention.attention.key", bias),
            value: ("attention.attention.value", bias),
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
        output_norm: if config.apply_layernorm {
            OutputNorm::Every
        } else {
            OutputNorm::Never
        },
        out_stages: &config.out_stages,
        neck: Some(FEATURE_PYRAMID),
        names: NAMES,
    }
}
