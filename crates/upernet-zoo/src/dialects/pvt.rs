//! The authors of PVT: PVTv2, classifiers and the backbones of their segmentation and detection networks.
//!
//! Source: `classification/pvt_v2.py` of whai362/PVT.

use super::{CLASSIFIER, Change, Names, Row, changed, leftover, same};
use crate::report::Dialect;

/// Stages are counted from 1.
pub(super) const PVT_V2: Names = Names {
    dialect: Dialect::Pvt,
    marks: &[
        "patch_embed1.proj.weight",
        "block1.0.attn.kv.weight",
        "block1.0.mlp.dwconv.dwconv.weight",
    ],
    rows: &[&ROWS],
    leftovers: &[leftover("head.", CLASSIFIER)],
};

const ROWS: [Row; 13] = [
    same(
        "patch_embed#.proj.*",
        "encoder.layers.#-1.patch_embedding.proj.*",
    ),
    same(
        "patch_embed#.norm.*",
        "encoder.layers.#-1.patch_embedding.layer_norm.*",
    ),
    same(
        "block#.#.norm1.*",
        "encoder.layers.#-1.blocks.#.layer_norm_1.*",
    ),
    same(
        "block#.#.attn.q.*",
        "encoder.layers.#-1.blocks.#.attention.query.*",
    ),
    changed(
        "block#.#.attn.kv.*",
        "encoder.layers.#-1.blocks.#.attention.{}.*",
        Change::Halves,
    ),
    same(
        "block#.#.attn.proj.*",
        "encoder.layers.#-1.blocks.#.attention.proj.*",
    ),
    same(
        "block#.#.attn.sr.*",
        "encoder.layers.#-1.blocks.#.attention.spatial_reduction.*",
    ),
    same(
        "block#.#.attn.norm.*",
        "encoder.layers.#-1.blocks.#.attention.layer_norm.*",
    ),
    same(
        "block#.#.norm2.*",
        "encoder.layers.#-1.blocks.#.layer_norm_2.*",
    ),
    same(
        "block#.#.mlp.fc1.*",
        "encoder.layers.#-1.blocks.#.mlp.dense1.*",
    ),
    same(
        "block#.#.mlp.dwconv.dwconv.*",
        "encoder.layers.#-1.blocks.#.mlp.dwconv.dwconv.*",
    ),
    same(
        "block#.#.mlp.fc2.*",
        "encoder.layers.#-1.blocks.#.mlp.dense2.*",
    ),
    same("norm#.*", "encoder.layers.#-1.layer_norm.*"),
];
