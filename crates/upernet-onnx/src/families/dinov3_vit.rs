//! DINOv3's plain transformer. Upstream: `DINOv3ViTBackbone`.

use upernet_hf::config::{HfDinov3VitConfig, HfGateActivation};

use super::plain::{
    Activation, First, ImageBorder, Names, Network, OutputNorm, Perceptron, PlainTransformer,
    Positions, Projections,
};

const NAMES: Names = Names {
    patches: "backbone.embeddings.patch_embeddings",
    layers: "backbone.layer",
    norms: ["norm1", "norm2"],
    scales: Some(["layer_scale1.lambda1", "layer_scale2.lambda1"]),
    output_norm: "backbone.norm",
};

impl PlainTransformer for HfDinov3VitConfig {
    fn network(&self) -> Network<'_> {
        Network {
            patch_size: self.patch_size,
            border: ImageBorder::LeftOut,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            registers: self.num_register_tokens,
            positions: Positions::Rotary(self.rope_theta),
            biases: None,
            projections: Projections {
                query: ("attention.q_proj", self.query_bias.into()),
                key: ("attention.k_proj", self.key_bias.into()),
                value: ("attention.v_proj", self.value_bias.into()),
                output: ("attention.o_proj", self.proj_bias.into()),
            },
            perceptron: Perceptron {
                inner: self.intermediate_size,
                first: if self.use_gated_mlp {
                    First::Gate {
                        gate: "mlp.gate_proj",
                        values: "mlp.up_proj",
                    }
                } else {
                    First::Plain("mlp.up_proj")
                },
                last: "mlp.down_proj",
                activation: match self.hidden_act {
                    HfGateActivation::Gelu => Activation::Gelu,
                    HfGateActivation::Silu => Activation::Silu,
                },
                bias: self.mlp_bias.into(),
            },
            epsilon: self.layer_norm_eps,
            output_norm: if self.apply_layernorm {
                OutputNorm::Every
            } else {
                OutputNorm::Last
            },
            out_stages: &self.out_stages,
            neck: self.neck.map(Into::into),
            names: NAMES,
        }
    }
}
