//! mmsegmentation: Swin, `ConvNeXt`, BEiT, MAE and ViT as it writes them; its `ResNet` has torchvision's
//! names, but for a deep stem.
//!
//! Source: `swin.py`, `beit.py`, `mae.py`, `vit.py` and `resnet.py` of `mmseg/models/backbones`,
//! `necks/featurepyramid.py` and `necks/multilevel_neck.py` of mmsegmentation 1.2, `convnext.py` of
//! mmpretrain 1.2, and the conversion scripts of `transformers`.

use super::{CLASSIFIER, Change, DERIVED, Names, Row, changed, leftover, same, torchvision};
use crate::report::Dialect;

pub(super) const SWIN: Names = Names {
    dialect: Dialect::MmSegmentation,
    marks: &[
        "stages.0.blocks.0.attn.w_msa.qkv.weight",
        "patch_embed.projection.weight",
    ],
    rows: &[&SWIN_ROWS],
    leftovers: &[leftover("stages.#.blocks.#.attn.attn_mask", DERIVED)],
};

const SWIN_ROWS: [Row; 15] = [
    same(
        "patch_embed.projection.*",
        "embeddings.patch_embeddings.projection.*",
    ),
    same("patch_embed.norm.*", "embeddings.norm.*"),
    same("absolute_pos_embed", "embeddings.position_embeddings"),
    same(
        "stages.#.blocks.#.norm1.*",
        "encoder.layers.#.blocks.#.layernorm_before.*",
    ),
    changed(
        "stages.#.blocks.#.attn.w_msa.qkv.*",
        "encoder.layers.#.blocks.#.attention.self.{}.*",
        Change::Thirds,
    ),
    same(
        "stages.#.blocks.#.attn.w_msa.relative_position_bias_table",
        "encoder.layers.#.blocks.#.attention.self.relative_position_bias_table",
    ),
    same(
        "stages.#.blocks.#.attn.w_msa.relative_position_index",
        "encoder.layers.#.blocks.#.attention.self.relative_position_index",
    ),
    same(
        "stages.#.blocks.#.attn.w_msa.proj.*",
        "encoder.layers.#.blocks.#.attention.output.dense.*",
    ),
    same(
        "stages.#.blocks.#.norm2.*",
        "encoder.layers.#.blocks.#.layernorm_after.*",
    ),
    same(
        "stages.#.blocks.#.ffn.layers.0.0.*",
        "encoder.layers.#.blocks.#.intermediate.dense.*",
    ),
    same(
        "stages.#.blocks.#.ffn.layers.1.*",
        "encoder.layers.#.blocks.#.output.dense.*",
    ),
    changed(
        "stages.#.downsample.norm.*",
        "encoder.layers.#.downsample.norm.*",
        Change::Unfolded,
    ),
    changed(
        "stages.#.downsample.reduction.weight",
        "encoder.layers.#.downsample.reduction.weight",
        Change::Unfolded,
    ),
    same("norm#.weight", "hidden_states_norms.stage#+1.weight"),
    same("norm#.bias", "hidden_states_norms.stage#+1.bias"),
];

pub(super) const CONVNEXT: Names = Names {
    dialect: Dialect::MmSegmentation,
    marks: &[
        "downsample_layers.0.0.weight",
        "stages.0.0.depthwise_conv.weight",
    ],
    rows: &[&CONVNEXT_ROWS],
    leftovers: &[],
};

const CONVNEXT_ROWS: [Row; 12] = [
    same("downsample_layers.0.0.*", "embeddings.patch_embeddings.*"),
    same("downsample_layers.0.1.*", "embeddings.layernorm.*"),
    same(
        "downsample_layers.#.#.*",
        "encoder.stages.#.downsampling_layer.#.*",
    ),
    changed(
        "stages.#.#.gamma",
        "encoder.stages.#.layers.#.layer_scale_parameter",
        Change::Vector,
    ),
    same(
        "stages.#.#.depthwise_conv.*",
        "encoder.stages.#.layers.#.dwconv.*",
    ),
    same("stages.#.#.norm.*", "encoder.stages.#.layers.#.layernorm.*"),
    changed(
        "stages.#.#.pointwise_conv1.*",
        "encoder.stages.#.layers.#.pwconv1.*",
        Change::Matrix,
    ),
    changed(
        "stages.#.#.pointwise_conv2.*",
        "encoder.stages.#.layers.#.pwconv2.*",
        Change::Matrix,
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

/// `ResNetV1c`, on which all its UPerNets on a `ResNet` are built.
pub(super) const RESNET_WITH_DEEP_STEM: Names = Names {
    dialect: Dialect::MmSegmentation,
    marks: &["stem.0.weight", "stem.6.weight", "layer1.0.conv1.weight"],
    rows: &[&DEEP_STEM_ROWS, &torchvision::RESNET_STAGE_ROWS],
    leftovers: &[leftover("fc.", CLASSIFIER)],
};

const DEEP_STEM_ROWS: [Row; 6] = [
    same("stem.0.*", "embedder.stem.0.convolution.*"),
    same("stem.1.*", "embedder.stem.0.normalization.*"),
    same("stem.3.*", "embedder.stem.1.convolution.*"),
    same("stem.4.*", "embedder.stem.1.normalization.*"),
    same("stem.6.*", "embedder.embedder.convolution.*"),
    same("stem.7.*", "embedder.embedder.normalization.*"),
];

/// Its neck stands beside the backbone.
pub(super) const BEIT: Names = Names {
    dialect: Dialect::MmSegmentation,
    marks: &["layers.0.attn.q_bias", "patch_embed.projection.weight"],
    rows: &[&PLAIN_ROWS, &BEIT_ROWS],
    leftovers: &[leftover("layers.#.attn.relative_position_index", DERIVED)],
};

/// Its MAE is a BEiT whose keys have a bias. That adds one number to all scores of a query, which a
/// softmax does not see, and a BEiT of the hub has none.
pub(super) const MAE: Names = Names {
    dialect: Dialect::MmSegmentation,
    marks: &[
        "layers.0.attn.qkv.bias",
        "layers.0.gamma_1",
        "patch_embed.projection.weight",
    ],
    rows: &[&PLAIN_ROWS, &BEIT_ROWS, &MAE_ROWS],
    leftovers: &[leftover("layers.#.attn.relative_position_index", DERIVED)],
};

const MAE_ROWS: [Row; 2] = [
    same("pos_embed", "embeddings.position_embeddings"),
    changed(
        "layers.#.attn.qkv.bias",
        "encoder.layer.#.attention.attention.{}.bias",
        Change::OuterThirds,
    ),
];

/// ViT and `DeiT`; the neck, if there is one, stands beside the backbone.
pub(super) const VIT: Names = Names {
    dialect: Dialect::MmSegmentation,
    marks: &[
        "layers.0.attn.attn.in_proj_weight",
        "patch_embed.projection.weight",
        "pos_embed",
    ],
    rows: &[&PLAIN_ROWS, &VIT_ROWS],
    leftovers: &[],
};

const VIT_ROWS: [Row; 7] = [
    same("pos_embed", "embeddings.position_embeddings"),
    changed(
        "layers.#.attn.attn.in_proj_weight",
        "encoder.layer.#.attention.attention.{}.weight",
        Change::Thirds,
    ),
    changed(
        "layers.#.attn.attn.in_proj_bias",
        "encoder.layer.#.attention.attention.{}.bias",
        Change::Thirds,
    ),
    same(
        "layers.#.attn.attn.out_proj.*",
        "encoder.layer.#.attention.output.dense.*",
    ),
    same("ln1.*", "layernorm.*"),
    same("neck.lateral_convs.#.conv.*", "neck.lateral_convs.#.*"),
    same("neck.convs.#.conv.*", "neck.convs.#.*"),
];

/// Of all its plain transformers.
const PLAIN_ROWS: [Row; 6] = [
    same("cls_token", "embeddings.cls_token"),
    same(
        "patch_embed.projection.*",
        "embeddings.patch_embeddings.projection.*",
    ),
    same("layers.#.ln1.*", "encoder.layer.#.layernorm_before.*"),
    same("layers.#.ln2.*", "encoder.layer.#.layernorm_after.*"),
    same(
        "layers.#.ffn.layers.0.0.*",
        "encoder.layer.#.intermediate.dense.*",
    ),
    same("layers.#.ffn.layers.1.*", "encoder.layer.#.output.dense.*"),
];

const BEIT_ROWS: [Row; 9] = [
    same("layers.#.gamma_1", "encoder.layer.#.lambda_1"),
    same("layers.#.gamma_2", "encoder.layer.#.lambda_2"),
    changed(
        "layers.#.attn.qkv.weight",
        "encoder.layer.#.attention.attention.{}.weight",
        Change::Thirds,
    ),
    same(
        "layers.#.attn.q_bias",
        "encoder.layer.#.attention.attention.query.bias",
    ),
    same(
        "layers.#.attn.v_bias",
        "encoder.layer.#.attention.attention.value.bias",
    ),
    same(
        "layers.#.attn.relative_position_bias_table",
        "encoder.layer.#.attention.attention.relative_position_bias.relative_position_bias_table",
    ),
    same(
        "layers.#.attn.proj.*",
        "encoder.layer.#.attention.output.dense.*",
    ),
    same("neck.upsample_4x.#.*", "fpn1.#.*"),
    same("neck.upsample_2x.#.*", "fpn2.#.*"),
];
