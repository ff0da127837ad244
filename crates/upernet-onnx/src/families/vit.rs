//! ViT, pretrained as a classifier or as a masked autoencoder, under a neck of ours or none. Upstream:
//! `ViTModel`; Hugging Face has no backbone of it.

use upernet_hf::config::{HfVitConfig, HfVitOutputNorm};

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
    norms: ["layernorm_before", "layernorm_after"],
    scales: None,
    output_norm: "backbone.layernorm",
};

impl PlainTransformer for HfVitConfig {
    fn network(&self) -> Network<'_> {
        let bias = self.qkv_bias.into();
        Network {
            patch_size: self.patch_size,
            border: if self.pad_to_patches {
                ImageBorder::Padded
            } else {
                ImageBorder::LeftOut
            },
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            registers: 0,
            positions: Positions::Learned(LearnedPositions {
                side: self.learned_side(),
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
                inner: self.intermediate_size,
                first: First::Plain("intermediate.dense"),
                last: "output.dense",
                activation: Activation::Gelu,
                bias: LayerBias::Learned,
            },
            epsilon: self.layer_norm_eps,
            output_norm: match self.apply_layernorm {
                HfVitOutputNorm::Every => OutputNorm::Every,
                HfVitOutputNorm::Last => OutputNorm::Last,
                HfVitOutputNorm::Never => OutputNorm::Never,
            },
            out_stages: &self.out_stages,
            neck: self.neck.map(Into::into),
            names: NAMES,
        }
    }
}
