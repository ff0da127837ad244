//! DINOv2, without registers and with. Upstream: `Dinov2Backbone`, `Dinov2WithRegistersBackbone`.

use upernet_hf::config::HfDinov2Config;

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
    norms: ["norm1", "norm2"],
    scales: Some(["layer_scale1.lambda1", "layer_scale2.lambda1"]),
    output_norm: "backbone.layernorm",
};

impl Family for HfDinov2Config {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        network(self).lower(graph, pixel_values)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        network(self).refusal(size)
    }
}

fn network(config: &HfDinov2Config) -> Network<'_> {
    let bias = config.qkv_bias.into();
    let perceptron = if config.use_swiglu_ffn {
        (
            First::JoinedGate("mlp.weights_in"),
            "mlp.weights_out",
            Activation::Silu,
        )
    } else {
        (First::Plain("mlp.fc1"), "mlp.fc2", Activation::Gelu)
    };
    let (first, last, activation) = perceptron;
    Network {
        patch_size: config.patch_size,
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        registers: config.num_register_tokens.unwrap_or(0),
        positions: Positions::Learned(LearnedPositions {
            side: config.learned_side(),
            interpolation: match config.num_register_tokens {
                None => Interpolation::Bicubic,
                Some(_) => Interpolation::AntialiasedBicubic,
            },
        }),
        biases: None,
        projections: Projections {
            query: ("attention.attention.query", bias),
            key: ("attention.attention.key", bias),
            value: ("attention.attention.value", bias),
            output: ("attention.output.dense", LayerBias::Learned),
        },
        perceptron: Perceptron {
            inner: config.intermediate_size(),
            first,
            last,
            activation,
            bias: LayerBias::Learned,
        },
        epsilon: config.layer_norm_eps,
        output_norm: if config.apply_layernorm {
            OutputNorm::Every
        } else {
            OutputNorm::Never
        },
        out_stages: &config.out_stages,
        neck: config.feature_pyramid.then_some(FEATURE_PYRAMID),
        names: NAMES,
    }
}
