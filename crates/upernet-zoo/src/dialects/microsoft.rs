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
    CLASSIFIER, Change, DERIVED, FINAL_NORM, Leftover, Names, Row, changed, leftover, same, swin,
};
use crate::report::Dialect;

pub(super) const SWIN: Names = Names {
    dialect: Dialect::Microsoft,
    marks: &[
        "layers.0.blocks.0.attn.qkv.weight",
        "layers.0.downsample.reduction.weight",
        "layers.0.blocks.0.attn.relative_position_bias_table",
    ],
    rows: &[
        &swin::EMBEDDINGS,
        &swin::ATTENTION,
        &swin::BLOCK,
        &POSITIONS,
        &MERGING,
        &NORMS,
    ],
    leftovers: &LEFTOVERS,
};

const POSITIONS: [Row; 1] = [same("absolute_pos_embed", "embeddings.position_embeddings")];

const MERGING: [Row; 2] = [
    same(
        "layers.#.downsample.norm.*",
        "encoder.layers.#.downsample.norm.*",
    ),
    same(
        "layers.#.downsample.reduction.*",
        "encoder.layers.#.downsample.reduction.*",
    ),
];

const NORMS: [Row; 2] = [
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
    rows: &[
        &swin::EMBEDDINGS,
        &swin::ATTENTION_V2,
        &swin::BLOCK,
        &POSITIONS,
        &MERGING,
    ],
    leftovers: &LEFTOVERS,
};

const LEFTOVERS: [Leftover; 3] = [
    leftover("layers.#.blocks.#.attn_mask", DERIVED),
    leftover("norm.", FINAL_NORM),
    leftover("head.", CLASSIFIER),
];

pub(super) const BEIT: Names = Names {
    dialect: Dialect::Microsoft,
    marks: &["blocks.0.attn.q_bias", "patch_embed.proj.weight"],
    rows: &[&BEIT_ROWS],
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
