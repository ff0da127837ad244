//! What timm calls the tensors of plain transformers, and Meta after it: what both have in common.

use super::{Change, Row, changed, same};

/// Of ViT and DINOv2.
pub(super) const CLASS_TOKEN: Row = same("cls_token", "embeddings.cls_token");

pub(super) const PATCHES: [Row; 2] = [
    CLASS_TOKEN,
    same(
        "patch_embed.proj.*",
        "embeddings.patch_embeddings.projection.*",
    ),
];

/// Positions of the class token and of the patches.
pub(super) const POSITIONS: [Row; 1] = [same("pos_embed", "embeddings.position_embeddings")];

pub(super) const ATTENTION: [Row; 3] = [
    changed(
        "blocks.#.attn.qkv.*",
        "encoder.layer.#.attention.attention.{}.*",
        Change::Thirds,
    ),
    same(
        "blocks.#.attn.proj.*",
        "encoder.layer.#.attention.output.dense.*",
    ),
    same("norm.*", "layernorm.*"),
];

/// What is DINOv2's in a layer.
pub(super) const DINOV2: [Row; 6] = [
    same("blocks.#.norm1.*", "encoder.layer.#.norm1.*"),
    same("blocks.#.ls1.gamma", "encoder.layer.#.layer_scale1.lambda1"),
    same("blocks.#.norm2.*", "encoder.layer.#.norm2.*"),
    same("blocks.#.mlp.fc1.*", "encoder.layer.#.mlp.fc1.*"),
    same("blocks.#.mlp.fc2.*", "encoder.layer.#.mlp.fc2.*"),
    same("blocks.#.ls2.gamma", "encoder.layer.#.layer_scale2.lambda1"),
];

/// DINOv3, whose names on the hub are others; its positions have no tensor.
pub(super) const DINOV3: [Row; 9] = [
    CLASS_TOKEN,
    same("patch_embed.proj.*", "embeddings.patch_embeddings.*"),
    same("blocks.#.norm1.*", "layer.#.norm1.*"),
    changed(
        "blocks.#.attn.qkv.weight",
        "layer.#.attention.{:.1}_proj.weight",
        Change::Thirds,
    ),
    same("blocks.#.attn.proj.*", "layer.#.attention.o_proj.*"),
    same("blocks.#.norm2.*", "layer.#.norm2.*"),
    same("blocks.#.mlp.fc1.*", "layer.#.mlp.up_proj.*"),
    same("blocks.#.mlp.fc2.*", "layer.#.mlp.down_proj.*"),
    same("norm.*", "norm.*"),
];
