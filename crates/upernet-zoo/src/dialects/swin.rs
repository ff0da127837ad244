//! What Swin's authors call its tensors, and timm after them: all but where patches are merged.

use super::{Change, Row, changed, same};

pub(super) const EMBEDDINGS: [Row; 2] = [
    same(
        "patch_embed.proj.*",
        "embeddings.patch_embeddings.projection.*",
    ),
    same("patch_embed.norm.*", "embeddings.norm.*"),
];

/// Of the first generation.
pub(super) const ATTENTION: [Row; 3] = [
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
];

/// Of the second, whose keys have no bias.
pub(super) const ATTENTION_V2: [Row; 7] = [
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
        "layers.#.blocks.#.attn.relative_coords_table",
        "encoder.layers.#.blocks.#.attention.self.relative_coords_table",
    ),
    same(
        "layers.#.blocks.#.attn.relative_position_index",
        "encoder.layers.#.blocks.#.attention.self.relative_position_index",
    ),
];

/// The rest of a block.
pub(super) const BLOCK: [Row; 5] = [
    same(
        "layers.#.blocks.#.norm1.*",
        "encoder.layers.#.blocks.#.layernorm_before.*",
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
];
