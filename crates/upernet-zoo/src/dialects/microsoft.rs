//! Microsoft's own files of Swin and Swin V2: ImageNet's, and the `UPerNet`s of their segmentation
//! repository, which have a norm for each map.
//!
//! timm has the same names, but merges patches at the start of a stage; here it is at the end of the one
//! before, which the marks tell apart.
//!
//! And of BEiT, from its pretraining to its segmentation networks, whose neck is part of the backbone; timm
//! has the same names.
//!
//! Source: `models/swin_transformer.py` and `swin_transformer_v2.py` of microsoft/Swin-Transformer,
//! `mmseg/models/backbones/swin_transformer.py` of SwinTransformer/Swin-Transformer-Semantic-Segmentation,
//! `beit/modeling_finetune.py` and `beit/semantic_segmentation/backbone/beit.py` of microsoft/unilm.

use super::{
    CLASSIFIER, Change, DERIVED, FINAL_NORM, Leftover, Names, Row, changed, leftover, same,
};
use crate::report::Dialect;

pub(super) const SWIN: Names = Names {
    dialect: Dialect::Microsoft,
    marks: &[
        "layers.0.blocks.0.attn.qkv.weight",
        "layers.0.downsample.reduction.weight",
        "layers.0.blocks.0.attn.relative_position_bias_table",
    ],
    rows: &SWIN_ROWS,
    leftovers: &LEFTOVERS,
};

const SWIN_ROWS: [Row; 15] = [
    same(
        "patch_embed.proj.*",
        "embeddings.patch_embeddings.projection.*",
    ),
    same("patch_embed.norm.*", "embeddings.norm.*"),
    same("absolute_pos_embed", "embeddings.position_embeddings"),
    same(
        "layers.#.blocks.#.norm1.*",
        "encoder.layers.#.blocks.#.layernorm_before.*",
    ),
    changed(
        "layers.#.blocks.#.attn.qkv.*",
        "encoder.layers.#.blocks.#.attention.self.{}.*",
        Change::Thirds,
    ),
    same(
        "layers.#.blocks.#.attn.relative_position_bias_table",
        "encoder.layers.#.blocks.#.attention.self.relative_position_bias_table",
    ),
    same(
        "layers.#.blocks.#.attn.relative_position_index",
        "encoder.layers.#.blocks.#.attention.self.relative_position_index",
    ),
    same(
        "layers.#.blocks.#.attn.proj.*",
        "encoder.layers.#.blocks.#.attention.output.dense.*",
    ),
    same(
        "layers.#.blocks.#.norm2.*",
        "encoder.layers.#.blocks.#.layernorm_after.*",
    ),
    same(
        "layers.#.blocks.#.mlp.fc1.*",
        "encoder.layers.#.blocks.#.intermediate.dense.*",
    ),
    same(
        "layers.#.blocks.#.mlp.fc2.*",
        "encoder.layers.#.blocks.#.output.dense.*",
    ),
    same(
        "layers.#.downsample.norm.*",
        "encoder.layers.#.downsample.norm.*",
    ),
    same(
        "layers.#.downsample.reduction.*",
        "encoder.layers.#.downsample.reduction.*",
    ),
    same("norm#.weight", "hidden_states_norms.stage#+1.weight"),
    same("norm#.bias", "hidden_states_norms.stage#+1.bias"),
];

pub(super) const SWIN_V2: Names = Names {
    dialect: Dialect::Microsoft,
    marks: &[
        "layers.0.blocks.0.attn.qkv.weight",
        "layers.0.downsample.reduction.weight",
        "layers.0.blocks.0.attn.cpb_mlp.0.weight",
    ],
    rows: &SWIN_V2_ROWS,
    leftovers: &LEFTOVERS,
};

const SWIN_V2_ROWS: [Row; 15] = [
    same(
        "patch_embed.proj.*",
        "embeddings.patch_embeddings.projection.*",
    ),
    same("patch_embed.norm.*", "embeddings.norm.*"),
    same("absolute_pos_embed", "embeddings.position_embeddings"),
    same(
        "layers.#.blocks.#.norm1.*",
        "encoder.layers.#.blocks.#.layernorm_before.*",
    ),
    changed(
        "layers.#.blocks.#.attn.qkv.weight",
        "encoder.layers.#.blocks.#.attention.self.{}.weight",
        Change::Thirds,
    ),
    same(
        "layers.#.blocks.#.attn.q_bias",
        "encoder.layers.#.blocks.#.attention.self.query.bias",
    ),
    same(
        "layers.#.blocks.#.attn.v_bias",
        "encoder.layers.#.blocks.#.attention.self.value.bias",
    ),
    same(
        "layers.#.blocks.#.attn.logit_scale",
        "encoder.layers.#.blocks.#.attention.self.logit_scale",
    ),
    same(
        "layers.#.blocks.#.attn.cpb_mlp.#.*",
        "encoder.layers.#.blocks.#.attention.self.continuous_position_bias_mlp.#.*",
    ),
    same(
        "layers.#.blocks.#.attn.proj.*",
        "encoder.layers.#.blocks.#.attention.output.dense.*",
    ),
    same(
        "layers.#.blocks.#.norm2.*",
        "encoder.layers.#.blocks.#.layernorm_after.*",
    ),
    same(
        "layers.#.blocks.#.mlp.fc1.*",
        "encoder.layers.#.blocks.#.intermediate.dense.*",
    ),
    same(
        "layers.#.blocks.#.mlp.fc2.*",
        "encoder.layers.#.blocks.#.output.dense.*",
    ),
    same(
        "layers.#.downsample.norm.*",
        "encoder.layers.#.downsample.norm.*",
    ),
    same(
        "layers.#.downsample.reduction.*",
        "encoder.layers.#.downsample.reduction.*",
    ),
];

const LEFTOVERS: [Leftover; 5] = [
    leftover("layers.#.blocks.#.attn_mask", DERIVED),
    leftover("layers.#.blocks.#.attn.relative_coords_table", DERIVED),
    leftover("layers.#.blocks.#.attn.relative_position_index", DERIVED),
    leftover("norm.", FINAL_NORM),
    leftover("head.", CLASSIFIER),
];

pub(super) const BEIT: Names = Names {
    dialect: Dialect::Microsoft,
    marks: &["blocks.0.attn.q_bias", "patch_embed.proj.weight"],
    rows: &BEIT_ROWS,
    leftovers: &[
        leftover("blocks.#.attn.relative_position_index", DERIVED),
        leftover("rel_pos_bias.relative_position_index", DERIVED),
        leftover(
            "mask_token",
            "of masked patches, which only pretraining has",
        ),
        leftover("norm.", FINAL_NORM),
        leftover("fc_norm.", FINAL_NORM),
        leftover("head.", CLASSIFIER),
        leftover(
            "lm_head.",
            "of pretraining, which a segmentation network has not",
        ),
    ],
};

const BEIT_ROWS: [Row; 17] = [
    same("cls_token", "embeddings.cls_token"),
    same("pos_embed", "embeddings.position_embeddings"),
    same(
        "patch_embed.proj.*",
        "embeddings.patch_embeddings.projection.*",
    ),
    same(
        "rel_pos_bias.relative_position_bias_table",
        "beit.encoder.relative_position_bias.relative_position_bias_table",
    ),
    same("blocks.#.gamma_1", "encoder.layer.#.lambda_1"),
    same("blocks.#.gamma_2", "encoder.layer.#.lambda_2"),
    same("blocks.#.norm1.*", "encoder.layer.#.layernorm_before.*"),
    changed(
        "blocks.#.attn.qkv.weight",
        "encoder.layer.#.attention.attention.{}.weight",
        Change::Thirds,
    ),
    same(
        "blocks.#.attn.q_bias",
        "encoder.layer.#.attention.attention.query.bias",
    ),
    same(
        "blocks.#.attn.v_bias",
        "encoder.layer.#.attention.attention.value.bias",
    ),
    same(
        "blocks.#.attn.relative_position_bias_table",
        "encoder.layer.#.attention.attention.relative_position_bias.relative_position_bias_table",
    ),
    same(
        "blocks.#.attn.proj.*",
        "encoder.layer.#.attention.output.dense.*",
    ),
    same("blocks.#.norm2.*", "encoder.layer.#.layernorm_after.*"),
    same("blocks.#.mlp.fc1.*", "encoder.layer.#.intermediate.dense.*"),
    same("blocks.#.mlp.fc2.*", "encoder.layer.#.output.dense.*"),
    same("fpn1.#.*", "fpn1.#.*"),
    same("fpn2.#.*", "fpn2.#.*"),
];
