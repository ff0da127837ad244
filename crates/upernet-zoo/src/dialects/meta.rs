//! Meta's own files of `ConvNeXt` and `ConvNeXt` V2: ImageNet's, and the `UPerNet`s of their
//! segmentation folder, which have a norm for each map.
//!
//! Source: `models/convnext.py`, `semantic_segmentation/backbone/convnext.py` of
//! facebookresearch/ConvNeXt, `models/convnextv2.py` and `utils.py` of facebookresearch/ConvNeXt-V2.

use super::{CLASSIFIER, Change, FINAL_NORM, Names, Row, changed, leftover, same};
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
