//! Meta's own files of `ConvNeXt` and `ConvNeXt` V2: ImageNet's, and the `UPerNet`s of their
//! segmentation folder, which have a norm for each map; and of DINOv2 and DINOv3.
//!
//! Its masked autoencoders and the first DINO have timm's names of a ViT.
//!
//! Source: `models/convnext.py`, `semantic_segmentation/backbone/convnext.py` of
//! facebookresearch/ConvNeXt, `models/convnextv2.py` and `utils.py` of facebookresearch/ConvNeXt-V2,
//! `dinov2/models/vision_transformer.py` of facebookresearch/dinov2 and
//! `dinov3/models/vision_transformer.py` of facebookresearch/dinov3.

use super::{CLASSIFIER, Change, FINAL_NORM, Names, Row, changed, leftover, plain, same};
use crate::report::Dialect;

pub(super) const CONVNEXT: Names = Names {
    dialect: Dialect::Meta,
    marks: &["downsample_layers.0.0.weight", "stages.0.0.dwconv.weight"],
    rows: &[&CONVNEXT_ROWS],
    leftovers: &[leftover("norm.", FINAL_NORM), leftover("head.", CLASSIFIER)],
};

const CONVNEXT_ROWS: [Row; 12] = [
    same("downsample_layers.0.0.*", "embeddings.patch_embeddings.*"),
    same("downsample_layers.0.1.*", "embeddings.layernorm.*"),
    same(
        "downsample_layers.#.#.*",
        "encoder.stages.#.downsampling_layer.#.*",
    ),
    same(
        "stages.#.#.gamma",
        "encoder.stages.#.layers.#.layer_scale_parameter",
    ),
    same("stages.#.#.dwconv.*", "encoder.stages.#.layers.#.dwconv.*"),
    same("stages.#.#.norm.*", "encoder.stages.#.layers.#.layernorm.*"),
    same(
        "stages.#.#.pwconv1.*",
        "encoder.stages.#.layers.#.pwconv1.*",
    ),
    same(
        "stages.#.#.pwconv2.*",
        "encoder.stages.#.layers.#.pwconv2.*",
    ),
    changed(
        "stages.#.#.grn.gamma",
        "encoder.stages.#.layers.#.grn.weight",
        Change::LastOfFour,
    ),
    changed(
        "stages.#.#.grn.beta",
        "encoder.stages.#.layers.#.grn.bias",
        Change::LastOfFour,
    ),
    same("norm#.weight", "hidden_states_norms.stage#+1.weight"),
    same("norm#.bias", "hidden_states_norms.stage#+1.bias"),
];

/// The mask token tells it from timm's.
pub(super) const DINOV2: Names = Names {
    dialect: Dialect::Meta,
    marks: &[
        "blocks.0.attn.qkv.weight",
        "blocks.0.ls1.gamma",
        "pos_embed",
        "mask_token",
    ],
    rows: &[
        &plain::PATCHES,
        &plain::POSITIONS,
        &plain::ATTENTION,
        &plain::DINOV2,
        &DINOV2_ROWS,
    ],
    leftovers: &[leftover("head.", CLASSIFIER)],
};

/// Pretraining's token, registers, and gated perceptrons.
const DINOV2_ROWS: [Row; 4] = [
    same("mask_token", "embeddings.mask_token"),
    same("register_tokens", "embeddings.register_tokens"),
    same("blocks.#.mlp.w12.*", "encoder.layer.#.mlp.weights_in.*"),
    same("blocks.#.mlp.w3.*", "encoder.layer.#.mlp.weights_out.*"),
];

pub(super) const DINOV3: Names = Names {
    dialect: Dialect::Meta,
    marks: &[
        "blocks.0.attn.qkv.weight",
        "blocks.0.ls1.gamma",
        "storage_tokens",
    ],
    rows: &[&plain::DINOV3, &DINOV3_ROWS],
    leftovers: &[
        leftover("rope_embed.periods", "follows from the width of a head"),
        leftover(
            "blocks.#.attn.qkv.bias_mask",
            "takes out the bias of the key, which the network has not",
        ),
        leftover("projectors.", "of distillation, which only pretraining has"),
        leftover(
            "local_cls_norm.",
            "of the class token of small crops, which only pretraining has",
        ),
        leftover("head.", CLASSIFIER),
    ],
};

const DINOV3_ROWS: [Row; 8] = [
    changed("mask_token", "embeddings.mask_token", Change::Token),
    same("storage_tokens", "embeddings.register_tokens"),
    changed(
        "blocks.#.attn.qkv.bias",
        "layer.#.attention.{:.1}_proj.bias",
        Change::OuterThirds,
    ),
    same("blocks.#.ls1.gamma", "layer.#.layer_scale1.lambda1"),
    same("blocks.#.ls2.gamma", "layer.#.layer_scale2.lambda1"),
    same("blocks.#.mlp.w1.*", "layer.#.mlp.gate_proj.*"),
    same("blocks.#.mlp.w2.*", "layer.#.mlp.up_proj.*"),
    same("blocks.#.mlp.w3.*", "layer.#.mlp.down_proj.*"),
];
