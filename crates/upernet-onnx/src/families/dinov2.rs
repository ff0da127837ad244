//! DINOv2, without registers and with. Upstream: `Dinov2Backbone`, `Dinov2WithRegistersBackbone`.

use upernet_hf::config::HfDinov2Config;

use super::{
    linear::LayerBias,
    plain::{
        Activation, First, ImageBorder, LearnedPositions, Names, Network, OutputNorm, Perceptron,
        PlainTransformer, Positions, Projections,
    },
};
use crate::interpolation::Interpolation;

const NAMES: Names = Names {
    patches: "backbone.embeddings.patch_embeddings.projection",
    layers: "backbone.encoder.layer",
    norms: ["norm1", "norm2"],
    scales: Some(["layer_scale1.lambda1", "layer_scale2.lambda1"]),
    output_norm: "backbone.layernorm",
};

impl PlainTransformer for HfDinov2Config {
    fn network(&self) -> Network<'_> {
        let bias = self.qkv_bias.into();
        let perceptron = if self.use_swiglu_ffn {
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
            patch_size: self.patch_size,
            border: ImageBorder::LeftOut,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            registers: self.num_register_tokens.unwrap_or(0),
            positions: Positions::Learned(LearnedPositions {
                side: self.learned_side(),
                interpolation: match self.num_register_tokens {
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
                inner: self.intermediate_size(),
                first,
                last,
                activation,
                bias: LayerBias::Learned,
            },
            epsilon: self.layer_norm_eps,
            output_norm: if self.apply_layernorm {
                OutputNorm::Every
            } else {
                OutputNorm::Never
            },
            out_stages: &self.out_stages,
            neck: self.neck.map(Into::into),
            names: NAMES,
        }
    }
}
