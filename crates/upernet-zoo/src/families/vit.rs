//! Plain transformers: DINOv2, with registers and without, DINOv3, and ViT, with and without a neck of
//! ours.

mod shape;

use burn::tensor::Device;
use upernet_hf::config::{
    HfDinov2Config, HfDinov3VitConfig, HfGateActivation, HfNeck, HfVitConfig, HfVitOutputNorm,
};
use upernet_vit::{
    Biases, HiddenActivation, ImageBorder, MaskTokenShape, MlpKind, NeckKind, OutputNorm,
    Positions, RotaryAugmentation, VitConfig,
};

use super::{Family, from_zero, renamed};
use crate::{BuildOptions, ZooBackbone};
use shape::Shape;

/// Paths of modules to hub keys of DINOv2, applied in order.
const DINOV2: [(&str, &str); 8] = [
    (
        "backbone.embeddings.patch_embeddings.",
        "backbone.embeddings.patch_embeddings.projection.",
    ),
    (".mlp.layers.", ".mlp."),
    ("backbone.layers.", "backbone.encoder.layer."),
    ("backbone.norm.", "backbone.layernorm."),
    (".attention.query.", ".attention.attention.query."),
    (".attention.key.", ".attention.attention.key."),
    (".attention.value.", ".attention.attention.value."),
    (".attention.output.", ".attention.output.dense."),
];

/// The same of DINOv3.
const DINOV3: [(&str, &str); 11] = [
    (".mlp.layers.", ".mlp."),
    ("backbone.layers.", "backbone.layer."),
    (".attention.query.", ".attention.q_proj."),
    (".attention.key.", ".attention.k_proj."),
    (".attention.value.", ".attention.v_proj."),
    (".attention.output.", ".attention.o_proj."),
    (".mlp.gate.", ".mlp.gate_proj."),
    (".mlp.up.", ".mlp.up_proj."),
    (".mlp.down.", ".mlp.down_proj."),
    (".mlp.fc1.", ".mlp.up_proj."),
    (".mlp.fc2.", ".mlp.down_proj."),
];

/// The same of ViT.
const VIT: [(&str, &str); 12] = [
    (
        "backbone.embeddings.patch_embeddings.",
        "backbone.embeddings.patch_embeddings.projection.",
    ),
    ("backbone.layers.", "backbone.encoder.layer."),
    ("backbone.norm.", "backbone.layernorm."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".attention.query.", ".attention.attention.query."),
    (".attention.key.", ".attention.attention.key."),
    (".attention.value.", ".attention.attention.value."),
    (".attention.output.", ".attention.output.dense."),
    (".mlp.layers.", ".mlp."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
];

/// The token for hidden patches, which a ViT of masked images has in its file.
const MASK_TOKEN: &str = "backbone.embeddings.mask_token";

/// What the keys of a ViT's final norm begin with.
const FINAL_NORM: &str = "backbone.layernorm.";

/// The key of registers; files of a network without any hold a tensor without values.
const REGISTERS: &str = "backbone.embeddings.register_tokens";

impl Family for HfDinov2Config {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::Vit(dinov2_config(self, options).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        with_named_scale(renamed(path, &DINOV2))
    }

    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let shape = Shape {
            num_channels: self.num_channels,
            patch_size: self.patch_size,
            border: ImageBorder::LeftOut,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size(),
            matrices: if self.use_swiglu_ffn { 3 } else { 2 },
            prefix: 1 + self.num_register_tokens.unwrap_or(0),
            layers: self.num_hidden_layers,
            neck: self.neck,
            out_stages: &self.out_stages,
        };
        shape.macs(size)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        too_small(self.neck, ImageBorder::LeftOut, self.patch_size, size)
    }

    fn is_unused(&self, key: &str) -> bool {
        key == REGISTERS && self.num_register_tokens == Some(0)
    }
}

impl Family for HfDinov3VitConfig {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::Vit(dinov3_config(self, options).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        with_named_scale(renamed(path, &DINOV3))
    }

    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let shape = Shape {
            num_channels: self.num_channels,
            patch_size: self.patch_size,
            border: ImageBorder::LeftOut,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            matrices: if self.use_gated_mlp { 3 } else { 2 },
            prefix: 1 + self.num_register_tokens,
            layers: self.num_hidden_layers,
            neck: self.neck,
            out_stages: &self.out_stages,
        };
        shape.macs(size)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        too_small(self.neck, ImageBorder::LeftOut, self.patch_size, size)
    }

    fn is_unused(&self, key: &str) -> bool {
        key == REGISTERS && self.num_register_tokens == 0
    }
}

impl Family for HfVitConfig {
    /// There is no drop path in Hugging Face's; an option may ask for one.
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::Vit(vit_config(self, options).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        renamed(path, &VIT)
    }

    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let shape = Shape {
            num_channels: self.num_channels,
            patch_size: self.patch_size,
            border: border(self),
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            matrices: 2,
            prefix: 1,
            layers: self.num_hidden_layers,
            neck: self.neck,
            out_stages: &self.out_stages,
        };
        shape.macs(size)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        too_small(self.neck, border(self), self.patch_size, size)
    }

    fn is_unused(&self, key: &str) -> bool {
        let is_norm = self.apply_layernorm == HfVitOutputNorm::Never && key.starts_with(FINAL_NORM);
        key == MASK_TOKEN || is_norm
    }
}

/// Upstream's layer scale is a module of one parameter.
fn with_named_scale(key: String) -> String {
    let last = key.rsplit('.').next().unwrap_or_default();
    if last == "layer_scale1" || last == "layer_scale2" {
        key + ".lambda1"
    } else {
        key
    }
}

/// What the network needs instead, if it takes no image of that size.
fn too_small(
    neck: Option<HfNeck>,
    border: ImageBorder,
    patch_size: usize,
    size: [usize; 2],
) -> Option<String> {
    let (patches, why) = match neck {
        Some(_) => (2, ": two patches, for its neck"),
        None => (1, ", one patch"),
    };
    let least = match border {
        ImageBorder::LeftOut => patches * patch_size,
        ImageBorder::Padded => (patches - 1) * patch_size + 1,
    };
    let is_small = size.iter().any(|&side| side < least);
    is_small.then(|| format!("at least {least} x {least} pixels{why}"))
}

fn border(config: &HfVitConfig) -> ImageBorder {
    if config.pad_to_patches {
        ImageBorder::Padded
    } else {
        ImageBorder::LeftOut
    }
}

fn neck_kind(neck: HfNeck) -> NeckKind {
    match neck {
        HfNeck::FeaturePyramid => NeckKind::FeaturePyramid,
        HfNeck::MultiLevel { channels } => NeckKind::MultiLevel(channels),
    }
}

fn vit_config(config: &HfVitConfig, options: &BuildOptions) -> VitConfig {
    VitConfig::new()
        .with_num_channels(config.num_channels)
        .with_patch_size(config.patch_size)
        .with_border(border(config))
        .with_hidden_size(config.hidden_size)
        .with_num_layers(config.num_hidden_layers)
        .with_num_heads(config.num_attention_heads)
        .with_intermediate_size(config.intermediate_size)
        .with_biases(Biases {
            query: config.qkv_bias,
            key: config.qkv_bias,
            value: config.qkv_bias,
            ..Biases::all()
        })
        .with_layer_scale(None)
        .with_positions(Positions::Bicubic(config.learned_side()))
        .with_mask_token(MaskTokenShape::Absent)
        .with_embedding_dropout(config.hidden_dropout_prob)
        .with_branch_dropout(config.hidden_dropout_prob)
        .with_attention_dropout(config.attention_probs_dropout_prob)
        .with_drop_path_rate(options.drop_path_rate.unwrap_or(0.0))
        .with_output_norm(match config.apply_layernorm {
            HfVitOutputNorm::Every => OutputNorm::Every,
            HfVitOutputNorm::Last => OutputNorm::Last,
            HfVitOutputNorm::Never => OutputNorm::Absent,
        })
        .with_neck(config.neck.map(neck_kind))
        .with_layer_norm_eps(config.layer_norm_eps)
        .with_initializer_range(config.initializer_range)
        .with_out_layers(from_zero(&config.out_stages))
}

fn dinov2_config(config: &HfDinov2Config, options: &BuildOptions) -> VitConfig {
    let side = config.learned_side();
    VitConfig::new()
        .with_num_channels(config.num_channels)
        .with_patch_size(config.patch_size)
        .with_hidden_size(config.hidden_size)
        .with_num_layers(config.num_hidden_layers)
        .with_num_heads(config.num_attention_heads)
        .with_intermediate_size(config.intermediate_size())
        .with_mlp(if config.use_swiglu_ffn {
            MlpKind::JoinedGate
        } else {
            MlpKind::Plain
        })
        .with_hidden_act(if config.use_swiglu_ffn {
            HiddenActivation::Silu
        } else {
            HiddenActivation::Gelu
        })
        .with_biases(Biases {
            query: config.qkv_bias,
            key: config.qkv_bias,
            value: config.qkv_bias,
            ..Biases::all()
        })
        .with_layer_scale(Some(config.layerscale_value))
        .with_positions(match config.num_register_tokens {
            None => Positions::Bicubic(side),
            Some(_) => Positions::AntialiasedBicubic(side),
        })
        .with_num_register_tokens(config.num_register_tokens.unwrap_or(0))
        .with_mask_token(if config.use_mask_token {
            MaskTokenShape::Row
        } else {
            MaskTokenShape::Absent
        })
        .with_embedding_dropout(config.hidden_dropout_prob)
        .with_attention_dropout(config.attention_probs_dropout_prob)
        .with_drop_path_rate(options.drop_path_rate.unwrap_or(config.drop_path_rate))
        .with_output_norm(if config.apply_layernorm {
            OutputNorm::Every
        } else {
            OutputNorm::Never
        })
        .with_neck(config.neck.map(neck_kind))
        .with_layer_norm_eps(config.layer_norm_eps)
        .with_initializer_range(config.initializer_range)
        .with_out_layers(from_zero(&config.out_stages))
}

fn dinov3_config(config: &HfDinov3VitConfig, options: &BuildOptions) -> VitConfig {
    VitConfig::new()
        .with_num_channels(config.num_channels)
        .with_patch_size(config.patch_size)
        .with_hidden_size(config.hidden_size)
        .with_num_layers(config.num_hidden_layers)
        .with_num_heads(config.num_attention_heads)
        .with_intermediate_size(config.intermediate_size)
        .with_mlp(if config.use_gated_mlp {
            MlpKind::Gate
        } else {
            MlpKind::Plain
        })
        .with_hidden_act(match config.hidden_act {
            HfGateActivation::Gelu => HiddenActivation::Gelu,
            HfGateActivation::Silu => HiddenActivation::Silu,
        })
        .with_biases(Biases {
            query: config.query_bias,
            key: config.key_bias,
            value: config.value_bias,
            projection: config.proj_bias,
            mlp: config.mlp_bias,
        })
        .with_layer_scale(Some(config.layerscale_value))
        .with_positions(Positions::Rotary(config.rope_theta))
        .with_rotary_augmentation(RotaryAugmentation {
            shift: config.pos_embed_shift,
            jitter: config.pos_embed_jitter,
            rescale: config.pos_embed_rescale,
        })
        .with_num_register_tokens(config.num_register_tokens)
        .with_mask_token(MaskTokenShape::Token)
        .with_attention_dropout(config.attention_dropout)
        .with_drop_path_rate(options.drop_path_rate.unwrap_or(config.drop_path_rate))
        .with_output_norm(if config.apply_layernorm {
            OutputNorm::Every
        } else {
            OutputNorm::Last
        })
        .with_neck(config.neck.map(neck_kind))
        .with_layer_norm_eps(config.layer_norm_eps)
        .with_initializer_range(config.initializer_range)
        .with_out_layers(from_zero(&config.out_stages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dinov2_paths() {
        let family = HfDinov2Config::default();
        for (path, key) in [
            (
                "backbone.embeddings.patch_embeddings.weight",
                "backbone.embeddings.patch_embeddings.projection.weight",
            ),
            (
                "backbone.embeddings.mask_token",
                "backbone.embeddings.mask_token",
            ),
            (
                "backbone.layers.3.attention.query.bias",
                "backbone.encoder.layer.3.attention.attention.query.bias",
            ),
            (
                "backbone.layers.3.attention.output.weight",
                "backbone.encoder.layer.3.attention.output.dense.weight",
            ),
            (
                "backbone.layers.0.layer_scale2",
                "backbone.encoder.layer.0.layer_scale2.lambda1",
            ),
            (
                "backbone.layers.11.mlp.layers.weights_in.weight",
                "backbone.encoder.layer.11.mlp.weights_in.weight",
            ),
            ("backbone.norm.bias", "backbone.layernorm.bias"),
        ] {
            assert_eq!(family.hub_key(path), key);
        }
    }

    #[test]
    fn dinov3_paths() {
        let family = HfDinov3VitConfig::default();
        for (path, key) in [
            (
                "backbone.embeddings.patch_embeddings.weight",
                "backbone.embeddings.patch_embeddings.weight",
            ),
            (
                "backbone.layers.3.attention.value.bias",
                "backbone.layer.3.attention.v_proj.bias",
            ),
            (
                "backbone.layers.0.mlp.layers.fc1.weight",
                "backbone.layer.0.mlp.up_proj.weight",
            ),
            (
                "backbone.layers.0.mlp.layers.gate.weight",
                "backbone.layer.0.mlp.gate_proj.weight",
            ),
            (
                "backbone.layers.0.layer_scale1",
                "backbone.layer.0.layer_scale1.lambda1",
            ),
            ("backbone.norm.bias", "backbone.norm.bias"),
        ] {
            assert_eq!(family.hub_key(path), key);
        }
    }

    #[test]
    fn vit_paths() {
        let family = HfVitConfig::default();
        for (path, key) in [
            (
                "backbone.layers.3.attention.output.bias",
                "backbone.encoder.layer.3.attention.output.dense.bias",
            ),
            (
                "backbone.layers.0.mlp.layers.fc1.weight",
                "backbone.encoder.layer.0.intermediate.dense.weight",
            ),
            (
                "backbone.layers.11.mlp.layers.fc2.bias",
                "backbone.encoder.layer.11.output.dense.bias",
            ),
            (
                "backbone.layers.0.norm2.weight",
                "backbone.encoder.layer.0.layernorm_after.weight",
            ),
            (
                "backbone.neck.fpn1.conv_transpose1.weight",
                "backbone.neck.fpn1.conv_transpose1.weight",
            ),
            (
                "backbone.neck.lateral_convs.3.bias",
                "backbone.neck.lateral_convs.3.bias",
            ),
        ] {
            assert_eq!(family.hub_key(path), key);
        }
    }

    #[test]
    fn an_image_needs_one_patch() {
        let family = HfDinov2Config::default();
        assert_eq!(family.refusal([14, 14]), None);
        assert_eq!(
            family.refusal([200, 13]).as_deref(),
            Some("at least 14 x 14 pixels, one patch")
        );
        let with_neck = HfDinov2Config {
            neck: Some(HfNeck::FeaturePyramid),
            ..family
        };
        assert_eq!(
            with_neck.refusal([200, 27]).as_deref(),
            Some("at least 28 x 28 pixels: two patches, for its neck")
        );
        let padded = HfVitConfig {
            pad_to_patches: true,
            ..HfVitConfig::default()
        };
        assert_eq!(padded.refusal([17, 200]), None);
        assert_eq!(
            padded.refusal([16, 200]).as_deref(),
            Some("at least 17 x 17 pixels: two patches, for its neck")
        );
    }
}
