//! torchvision: Swin, `ConvNeXt` and `ResNet`.
//!
//! Swin and `ConvNeXt` are a list `features`: the stem is 0, stages have odd numbers, and what is
//! between two stages has the even one.
//!
//! Source: `torchvision/models/swin_transformer.py`, `convnext.py` and `resnet.py` of torchvision 0.29.

use super::{CLASSIFIER, Change, FINAL_NORM, Leftover, Names, Row, changed, leftover, same};
use crate::report::Dialect;

pub(super) const SWIN: Names = Names {
    dialect: Dialect::Torchvision,
    marks: &[
        "features.0.0.weight",
        "features.1.0.attn.relative_position_bias_table",
    ],
    rows: &[&SWIN_ROWS],
    leftovers: &SWIN_LEFTOVERS,
};

const SWIN_ROWS: [Row; 12] = [
    same("features.0.0.*", "embeddings.patch_embeddings.projection.*"),
    same("features.0.2.*", "embeddings.norm.*"),
    same(
        "features.#odd.#.norm1.*",
        "encoder.layers.#/2.blocks.#.layernorm_before.*",
    ),
    changed(
        "features.#odd.#.attn.qkv.*",
        "encoder.layers.#/2.blocks.#.attention.self.{}.*",
        Change::Thirds,
    ),
    same(
        "features.#odd.#.attn.relative_position_bias_table",
        "encoder.layers.#/2.blocks.#.attention.self.relative_position_bias_table",
    ),
    same(
        "features.#odd.#.attn.relative_position_index",
        "encoder.layers.#/2.blocks.#.attention.self.relative_position_index",
    ),
    same(
        "features.#odd.#.attn.proj.*",
        "encoder.layers.#/2.blocks.#.attention.output.dense.*",
    ),
    same(
        "features.#odd.#.norm2.*",
        "encoder.layers.#/2.blocks.#.layernorm_after.*",
    ),
    same(
        "features.#odd.#.mlp.0.*",
        "encoder.layers.#/2.blocks.#.intermediate.dense.*",
    ),
    same(
        "features.#odd.#.mlp.3.*",
        "encoder.layers.#/2.blocks.#.output.dense.*",
    ),
    same(
        "features.#even.norm.*",
        "encoder.layers.#/2-1.downsample.norm.*",
    ),
    same(
        "features.#even.reduction.*",
        "encoder.layers.#/2-1.downsample.reduction.*",
    ),
];

pub(super) const SWIN_V2: Names = Names {
    dialect: Dialect::Torchvision,
    marks: &["features.0.0.weight", "features.1.0.attn.cpb_mlp.0.weight"],
    rows: &[&SWIN_V2_ROWS],
    leftovers: &SWIN_LEFTOVERS,
};

const SWIN_V2_ROWS: [Row; 15] = [
    same("features.0.0.*", "embeddings.patch_embeddings.projection.*"),
    same("features.0.2.*", "embeddings.norm.*"),
    same(
        "features.#odd.#.norm1.*",
        "encoder.layers.#/2.blocks.#.layernorm_before.*",
    ),
    changed(
        "features.#odd.#.attn.qkv.weight",
        "encoder.layers.#/2.blocks.#.attention.self.{}.weight",
        Change::Thirds,
    ),
    // The key's third is zeroed before each use.
    changed(
        "features.#odd.#.attn.qkv.bias",
        "encoder.layers.#/2.blocks.#.attention.self.{}.bias",
        Change::OuterThirds,
    ),
    same(
        "features.#odd.#.attn.logit_scale",
        "encoder.layers.#/2.blocks.#.attention.self.logit_scale",
    ),
    same(
        "features.#odd.#.attn.cpb_mlp.#.*",
        "encoder.layers.#/2.blocks.#.attention.self.continuous_position_bias_mlp.#.*",
    ),
    same(
        "features.#odd.#.attn.relative_coords_table",
        "encoder.layers.#/2.blocks.#.attention.self.relative_coords_table",
    ),
    same(
        "features.#odd.#.attn.relative_position_index",
        "encoder.layers.#/2.blocks.#.attention.self.relative_position_index",
    ),
    same(
        "features.#odd.#.attn.proj.*",
        "encoder.layers.#/2.blocks.#.attention.output.dense.*",
    ),
    same(
        "features.#odd.#.norm2.*",
        "encoder.layers.#/2.blocks.#.layernorm_after.*",
    ),
    same(
        "features.#odd.#.mlp.0.*",
        "encoder.layers.#/2.blocks.#.intermediate.dense.*",
    ),
    same(
        "features.#odd.#.mlp.3.*",
        "encoder.layers.#/2.blocks.#.output.dense.*",
    ),
    same(
        "features.#even.norm.*",
        "encoder.layers.#/2-1.downsample.norm.*",
    ),
    same(
        "features.#even.reduction.*",
        "encoder.layers.#/2-1.downsample.reduction.*",
    ),
];

const SWIN_LEFTOVERS: [Leftover; 2] =
    [leftover("norm.", FINAL_NORM), leftover("head.", CLASSIFIER)];

pub(super) const CONVNEXT: Names = Names {
    dialect: Dialect::Torchvision,
    marks: &["features.0.0.weight", "features.1.0.block.0.weight"],
    rows: &[&CONVNEXT_ROWS],
    leftovers: &[leftover("classifier.", CLASSIFIER)],
};

const CONVNEXT_ROWS: [Row; 8] = [
    same("features.0.0.*", "embeddings.patch_embeddings.*"),
    same("features.0.1.*", "embeddings.layernorm.*"),
    changed(
        "features.#odd.#.layer_scale",
        "encoder.stages.#/2.layers.#.layer_scale_parameter",
        Change::Vector,
    ),
    same(
        "features.#odd.#.block.0.*",
        "encoder.stages.#/2.layers.#.dwconv.*",
    ),
    same(
        "features.#odd.#.block.2.*",
        "encoder.stages.#/2.layers.#.layernorm.*",
    ),
    same(
        "features.#odd.#.block.3.*",
        "encoder.stages.#/2.layers.#.pwconv1.*",
    ),
    same(
        "features.#odd.#.block.5.*",
        "encoder.stages.#/2.layers.#.pwconv2.*",
    ),
    same(
        "features.#even.#.*",
        "encoder.stages.#/2.downsampling_layer.#.*",
    ),
];

/// timm and mmsegmentation name theirs alike.
pub(super) const RESNET: Names = Names {
    dialect: Dialect::Torchvision,
    marks: &["conv1.weight", "bn1.weight", "layer1.0.conv1.weight"],
    rows: &[&RESNET_STEM_ROWS, &RESNET_STAGE_ROWS],
    leftovers: &[leftover("fc.", CLASSIFIER)],
};

const RESNET_STEM_ROWS: [Row; 2] = [
    same("conv1.*", "embedder.embedder.convolution.*"),
    same("bn1.*", "embedder.embedder.normalization.*"),
];

pub(super) const RESNET_STAGE_ROWS: [Row; 4] = [
    same(
        "layer#.#.conv#.*",
        "encoder.stages.#-1.layers.#.layer.#-1.convolution.*",
    ),
    same(
        "layer#.#.bn#.*",
        "encoder.stages.#-1.layers.#.layer.#-1.normalization.*",
    ),
    same(
        "layer#.#.downsample.0.*",
        "encoder.stages.#-1.layers.#.shortcut.convolution.*",
    ),
    same(
        "layer#.#.downsample.1.*",
        "encoder.stages.#-1.layers.#.shortcut.normalization.*",
    ),
];
