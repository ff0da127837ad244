//! DINOv3's plain transformer. Upstream: `DINOv3ViTBackbone`.

use upernet_hf::config::{HfDinov3VitConfig, HfGateActivation};

use super::{
    Family,
    plain::{
        Activation, FEATURE_PYRAMID, First, Names, Network, OutputNorm, Perceptron, Positions,
        Projections,
    },
};
use crate::{Error, graph::Graph, layers::Map};

const NAMES: Names = Names {
    patches: "backbone.embeddings.patch_embeddings",
    layers: "backbone.layer",
    norms: ["norm1", "norm2"],
    scales: Some(["layer_scale1.lambda1", "layer_scale2.lambda1"]),
    output_norm: "backbone.norm",
};

impl Family for HfDinov3VitConfig {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        network(self).lower(graph, pixel_values)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        network(self).refusal(size)
    }
}

fn network(config: &HfDinov3VitConfig) -> Network<'_> {
    Network {
        patch_size: config.patch_size,
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        registers: config.num_register_tokens,
        positions: Positions::Rotary(config.rope_theta),
        biases: None,
        projections: Projections {
            query: ("attention.q_proj", config.query_bias.into()),
            key: ("attention.k_proj", config.key_bias.into()),
            value: ("attention.v_proj", config.value_bias.into()),
            output: ("attention.o_proj", config.proj_bias.into()),
        },
        perceptron: Perceptron {
            inner: config.intermediate_size,
            first: if config.use_gated_mlp {
                First::Gate {
                    gate: "mlp.gate_proj",
                    values: "mlp.up_proj",
                }
            } else {
                First::Plain("mlp.up_proj")
            },
            last: "mlp.down_proj",
            activation: match config.hidden_act {
                HfGateActivation::Gelu => Activation::Gelu,
                HfGateActivation::Silu => Activation::Silu,
            },
            bias: config.mlp_bias.into(),
        },
        epsilon: config.layer_norm_eps,
        output_norm: if config.apply_layernorm {
            OutputNorm::Every
        } else {
            OutputNorm::Last
        },
        out_stages: &config.out_stages,
        neck: config.feature_pyramid.then_some(FEATURE_PYRAMID),
        names: NAMES,
    }
}
