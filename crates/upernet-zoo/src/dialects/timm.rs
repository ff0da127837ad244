//! timm: Swin, `ConvNeXt`, PVTv2 and plain transformers, whole models and those that give feature maps
//! alone.
//!
//! Its `ResNet` has torchvision's names but for a deep stem, its BEiT Microsoft's. Its names of a ViT are also those of Meta's
//! masked autoencoders, of `DeiT` and of the first DINO.
//!
//! Source: `timm/models/swin_transformer.py`, `swin_transformer_v2.py`, `convnext.py`, `resnet.py`, `pvt_v2.py`,
//! `vision_transformer.py` and `eva.py` of timm 1.0; `models_mae.py` of facebookresearch/mae.

use super::{
    CLASSIFIER, Change, DERIVED, FINAL_NORM, Leftover, Names, Row, changed, leftover, plain, same,
    swin, torchvision,
};
use crate::report::Dialect;

pub(super) const SWIN: Names = Names {
    dialect: Dialect::Timm,
    marks: &[
        "layers.0.blocks.0.attn.qkv.weight",
        "layers.0.blocks.0.attn.relative_position_bias_table",
        "layers.1.downsample.reduction.weight",
    ],
    rows: &[&swin::EMBEDDINGS, &swin::ATTENTION, &swin::BLOCK, &MERGING],
    leftovers: &SWIN_LEFTOVERS,
};

/// At the start of a stage; on the hub at the end of the one before.
const MERGING: [Row; 2] = [
    same(
        "layers.#.downsample.norm.*",
        "encoder.layers.#-1.downsample.norm.*",
    ),
    same(
        "layers.#.downsample.reduction.*",
        "encoder.layers.#-1.downsample.reduction.*",
    ),
];

pub(super) const SWIN_V2: Names = Names {
    dialect: Dialect::Timm,
    marks: &[
        "layers.0.blocks.0.attn.qkv.weight",
        "layers.0.blocks.0.attn.cpb_mlp.0.weight",
        "layers.1.downsample.reduction.weight",
    ],
    rows: &[
        &swin::EMBEDDINGS,
        &swin::ATTENTION_V2,
        &swin::BLOCK,
        &MERGING,
    ],
    leftovers: &SWIN_LEFTOVERS,
};

const SWIN_LEFTOVERS: [Leftover; 3] = [
    leftover("layers.#.blocks.#.attn_mask", DERIVED),
    leftover("norm.", FINAL_NORM),
    leftover("head.", CLASSIFIER),
];

pub(super) const CONVNEXT: Names = Names {
    dialect: Dialect::Timm,
    marks: &["stem.0.weight", "stages.0.blocks.0.conv_dw.weight"],
    rows: &[&CONVNEXT_ROWS],
    leftovers: &[
        leftover("norm_pre.", FINAL_NORM),
        leftover("head.", CLASSIFIER),
    ],
};

const CONVNEXT_ROWS: [Row; 10] = [
    same("stem.0.*", "embeddings.patch_embeddings.*"),
    same("stem.1.*", "embeddings.layernorm.*"),
    same(
        "stages.#.downsample.#.*",
        "encoder.stages.#.downsampling_layer.#.*",
    ),
    same(
        "stages.#.blocks.#.gamma",
        "encoder.stages.#.layers.#.layer_scale_parameter",
    ),
    same(
        "stages.#.blocks.#.conv_dw.*",
        "encoder.stages.#.layers.#.dwconv.*",
    ),
    same(
        "stages.#.blocks.#.norm.*",
        "encoder.stages.#.layers.#.layernorm.*",
    ),
    // The smaller models have convolutions of one cell there.
    changed(
        "stages.#.blocks.#.mlp.fc1.*",
        "encoder.stages.#.layers.#.pwconv1.*",
        Change::Matrix,
    ),
    changed(
        "stages.#.blocks.#.mlp.fc2.*",
        "encoder.stages.#.layers.#.pwconv2.*",
        Change::Matrix,
    ),
    changed(
        "stages.#.blocks.#.mlp.grn.weight",
        "encoder.stages.#.layers.#.grn.weight",
        Change::LastOfFour,
    ),
    changed(
        "stages.#.blocks.#.mlp.grn.bias",
        "encoder.stages.#.layers.#.grn.bias",
        Change::LastOfFour,
    ),
];

pub(super) const PVT_V2: Names = Names {
    dialect: Dialect::Timm,
    marks: &[
        "patch_embed.proj.weight",
        "stages.0.blocks.0.attn.kv.weight",
        "stages.0.blocks.0.mlp.dwconv.weight",
    ],
    rows: &[&PVT_V2_ROWS],
    leftovers: &[leftover("head.", CLASSIFIER)],
};

const PVT_V2_ROWS: [Row; 15] = [
    same(
        "patch_embed.proj.*",
        "encoder.layers.0.patch_embedding.proj.*",
    ),
    same(
        "patch_embed.norm.*",
        "encoder.layers.0.patch_embedding.layer_norm.*",
    ),
    same(
        "stages.#.downsample.proj.*",
        "encoder.layers.#.patch_embedding.proj.*",
    ),
    same(
        "stages.#.downsample.norm.*",
        "encoder.layers.#.patch_embedding.layer_norm.*",
    ),
    same(
        "stages.#.blocks.#.norm1.*",
        "encoder.layers.#.blocks.#.layer_norm_1.*",
    ),
    same(
        "stages.#.blocks.#.attn.q.*",
        "encoder.layers.#.blocks.#.attention.query.*",
    ),
    changed(
        "stages.#.blocks.#.attn.kv.*",
        "encoder.layers.#.blocks.#.attention.{}.*",
        Change::Halves,
    ),
    same(
        "stages.#.blocks.#.attn.proj.*",
        "encoder.layers.#.blocks.#.attention.proj.*",
    ),
    same(
        "stages.#.blocks.#.attn.sr.*",
        "encoder.layers.#.blocks.#.attention.spatial_reduction.*",
    ),
    same(
        "stages.#.blocks.#.attn.norm.*",
        "encoder.layers.#.blocks.#.attention.layer_norm.*",
    ),
    same(
        "stages.#.blocks.#.norm2.*",
        "encoder.layers.#.blocks.#.layer_norm_2.*",
    ),
    same(
        "stages.#.blocks.#.mlp.fc1.*",
        "encoder.layers.#.blocks.#.mlp.dense1.*",
    ),
    same(
        "stages.#.blocks.#.mlp.dwconv.*",
        "encoder.layers.#.blocks.#.mlp.dwconv.dwconv.*",
    ),
    same(
        "stages.#.blocks.#.mlp.fc2.*",
        "encoder.layers.#.blocks.#.mlp.dense2.*",
    ),
    same("stages.#.norm.*", "encoder.layers.#.layer_norm.*"),
];

/// Its `resnet50c` and others of the kind; its plain ones have torchvision's names.
pub(super) const RESNET_WITH_DEEP_STEM: Names = Names {
    dialect: Dialect::Timm,
    marks: &["conv1.0.weight", "conv1.6.weight", "layer1.0.conv1.weight"],
    rows: &[&DEEP_STEM_ROWS, &torchvision::RESNET_STAGE_ROWS],
    leftovers: &[leftover("fc.", CLASSIFIER)],
};

const DEEP_STEM_ROWS: [Row; 6] = [
    same("conv1.0.*", "embedder.stem.0.convolution.*"),
    same("conv1.1.*", "embedder.stem.0.normalization.*"),
    same("conv1.3.*", "embedder.stem.1.convolution.*"),
    same("conv1.4.*", "embedder.stem.1.normalization.*"),
    same("conv1.6.*", "embedder.embedder.convolution.*"),
    same("bn1.*", "embedder.embedder.normalization.*"),
];

/// Its DINOv2 without registers.
pub(super) const DINOV2: Names = Names {
    dialect: Dialect::Timm,
    marks: &[
        "blocks.0.attn.qkv.weight",
        "blocks.0.ls1.gamma",
        "pos_embed",
        "cls_token",
    ],
    rows: &[
        &plain::PATCHES,
        &plain::POSITIONS,
        &plain::ATTENTION,
        &plain::DINOV2,
    ],
    leftovers: &[leftover("head.", CLASSIFIER)],
};

/// With registers, the class token already has its position.
pub(super) const DINOV2_WITH_REGISTERS: Names = Names {
    dialect: Dialect::Timm,
    marks: &[
        "blocks.0.attn.qkv.weight",
        "blocks.0.ls1.gamma",
        "pos_embed",
        "reg_token",
    ],
    rows: &[
        &plain::PATCHES,
        &PATCH_POSITIONS,
        &plain::ATTENTION,
        &plain::DINOV2,
    ],
    leftovers: &[leftover("head.", CLASSIFIER)],
};

const PATCH_POSITIONS: [Row; 2] = [
    changed(
        "pos_embed",
        "embeddings.position_embeddings",
        Change::AfterZeros,
    ),
    same("reg_token", "embeddings.register_tokens"),
];

pub(super) const DINOV3: Names = Names {
    dialect: Dialect::Timm,
    marks: &["blocks.0.attn.qkv.weight", "blocks.0.gamma_1", "reg_token"],
    rows: &[&plain::DINOV3, &DINOV3_ROWS],
    leftovers: &[leftover("head.", CLASSIFIER)],
};

const DINOV3_ROWS: [Row; 7] = [
    same("reg_token", "embeddings.register_tokens"),
    same("blocks.#.attn.q_bias", "layer.#.attention.q_proj.bias"),
    same("blocks.#.attn.v_bias", "layer.#.attention.v_proj.bias"),
    same("blocks.#.gamma_1", "layer.#.layer_scale1.lambda1"),
    same("blocks.#.gamma_2", "layer.#.layer_scale2.lambda1"),
    same("blocks.#.mlp.fc1_g.*", "layer.#.mlp.gate_proj.*"),
    same("blocks.#.mlp.fc1_x.*", "layer.#.mlp.up_proj.*"),
];

pub(super) const VIT: Names = Names {
    dialect: Dialect::Timm,
    marks: &[
        "blocks.0.attn.qkv.weight",
        "blocks.0.norm1.weight",
        "pos_embed",
        "cls_token",
    ],
    rows: &[
        &plain::PATCHES,
        &plain::POSITIONS,
        &plain::ATTENTION,
        &VIT_ROWS,
    ],
    leftovers: &[
        leftover("head.", CLASSIFIER),
        leftover("fc_norm.", FINAL_NORM),
        leftover("mask_token", DECODER),
        leftover("decoder_pos_embed", DECODER),
        leftover("decoder_embed.", DECODER),
        leftover("decoder_blocks.", DECODER),
        leftover("decoder_norm.", DECODER),
        leftover("decoder_pred.", DECODER),
    ],
};

const DECODER: &str = "of the decoder of hidden patches, which only pretraining has";

const VIT_ROWS: [Row; 4] = [
    same("blocks.#.norm1.*", "encoder.layer.#.layernorm_before.*"),
    same("blocks.#.norm2.*", "encoder.layer.#.layernorm_after.*"),
    same("blocks.#.mlp.fc1.*", "encoder.layer.#.intermediate.dense.*"),
    same("blocks.#.mlp.fc2.*", "encoder.layer.#.output.dense.*"),
];
