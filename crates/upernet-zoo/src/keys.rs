//! Names: paths of our modules to keys of the hub, and other dialects to the hub's.
//!
//! Field names follow the hub where Rust allows, so the tables are short; each row is one place
//! where they part.

mod backbone;

pub(crate) use backbone::{backbone_dialect, backbone_key, is_backbone, is_output_norm};

use crate::report::Dialect;

/// Paths of modules to hub keys, applied in order.
const PATH_TO_KEY: [(&str, &str); 14] = [
    // Upstream's `nn.Sequential` of pooling (0) and projection (1).
    (".psp_modules.blocks.", ".psp_modules."),
    (".conv_module.", ".1."),
    // Swin.
    (
        "backbone.patch_embedding.projection.",
        "backbone.embeddings.patch_embeddings.projection.",
    ),
    ("backbone.patch_embedding.", "backbone.embeddings."),
    (".attention.query.", ".attention.self.query."),
    (".attention.key.", ".attention.self.key."),
    (".attention.value.", ".attention.self.value."),
    (
        ".attention.relative_position_bias_table",
        ".attention.self.relative_position_bias_table",
    ),
    (".attention.projection.", ".attention.output.dense."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
    // ConvNeXt: `LayerNorm2d` holds burn's norm, and upstream numbers the downsampling layers.
    ("backbone.stem.", "backbone.embeddings."),
    (".downsampling_layer.norm.norm.", ".downsampling_layer.0."),
    (".downsampling_layer.conv.", ".downsampling_layer.1."),
];

/// Keys of a Swin in `transformers` 5's memory to hub keys, applied in order.
const V5_MEMORY_TO_HUB: [(&str, &str); 7] = [
    (".attention.q_proj.", ".attention.self.query."),
    (".attention.k_proj.", ".attention.self.key."),
    (".attention.v_proj.", ".attention.self.value."),
    (".attention.o_proj.", ".attention.output.dense."),
    (".attention.relative_position_bias.", ".attention.self."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
];

/// Upstream's final norm of a Swin, kept in files of `transformers` 5 and never used.
const UNUSED_NORM: &str = "backbone.swin.layernorm.";

/// The lookup table of the relative position bias, derived from the window size.
const POSITION_INDEX: &str = ".attention.self.relative_position_index";

/// How the stem of a backbone is called in checkpoints of other libraries.
const FOREIGN_BACKBONES: [(&str, &str); 4] = [
    ("patch_embed.proj.", "timm or Microsoft"),
    ("stem.0.", "timm"),
    ("features.0.0.", "torchvision"),
    ("downsample_layers.0.0.", "Meta"),
];

/// Hub key of a parameter at `path` (dotted, without enum variants).
///
/// `out_stages` are the backbone's returned stages, from 1; `is_swin` decides how stages are called.
pub(crate) fn hub_key(path: &str, out_stages: &[usize], is_swin: bool) -> String {
    let mut key = path.to_owned();
    for (from, to) in PATH_TO_KEY {
        key = key.replace(from, to);
    }
    let stages = if is_swin {
        "backbone.encoder.layers."
    } else {
        "backbone.encoder.stages."
    };
    key = key.replace("backbone.stages.", stages);
    key = key.replace(".layernorm.norm.", ".layernorm.");
    named_output_norm(&key, out_stages).unwrap_or(key)
}

/// Output norms are numbered here and named after their stage upstream.
fn named_output_norm(key: &str, out_stages: &[usize]) -> Option<String> {
    const NORMS: &str = "backbone.hidden_states_norms.";
    let (number, parameter) = key.strip_prefix(NORMS)?.split_once('.')?;
    let stage = out_stages.get(number.parse::<usize>().ok()?)?;
    let parameter = parameter.strip_prefix("norm.").unwrap_or(parameter);
    Some(format!("{NORMS}stage{stage}.{parameter}"))
}

/// Hub key of a key in `dialect`.
pub(crate) fn to_hub(key: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Hub => key.to_owned(),
        Dialect::V5Memory => {
            let inner = ["embeddings.", "encoder."];
            let key = match key.strip_prefix("backbone.swin.") {
                Some(rest) if inner.iter().any(|name| rest.starts_with(name)) => {
                    format!("backbone.{rest}")
                }
                _ => key.to_owned(),
            };
            V5_MEMORY_TO_HUB
                .iter()
                .fold(key, |key, (from, to)| key.replace(from, to))
        }
    }
}

/// The dialect of a checkpoint, told by its keys.
pub(crate) fn dialect<'a>(mut keys: impl Iterator<Item = &'a str>) -> Dialect {
    let in_memory = keys.any(|key| {
        key.starts_with("backbone.swin.encoder.") || key.starts_with("backbone.swin.embeddings.")
    });
    if in_memory {
        Dialect::V5Memory
    } else {
        Dialect::Hub
    }
}

/// Another library whose keys these are, if the keys say so.
pub(crate) fn foreign_library<'a>(mut keys: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    keys.find_map(|key| {
        let key = key.strip_prefix("module.").unwrap_or(key);
        if key.starts_with("decode_head.conv_seg.") || key.starts_with("auxiliary_head.conv_seg.") {
            Some("mmsegmentation")
        } else if key.starts_with("backbone._backbone.") {
            Some("timm")
        } else {
            let mut known = FOREIGN_BACKBONES.into_iter();
            known.find_map(|(stem, library)| key.starts_with(stem).then_some(library))
        }
    })
}

/// Whether a hub key is of the layer of a head that tells classes apart.
pub(crate) fn is_classifier(key: &str) -> bool {
    let heads = ["decode_head.classifier.", "auxiliary_head.classifier."];
    heads.iter().any(|head| key.starts_with(head))
}

/// Whether a hub key is of the auxiliary head.
pub(crate) fn is_auxiliary(key: &str) -> bool {
    key.starts_with("auxiliary_head.")
}

/// Whether a hub key carries nothing that the network needs.
pub(crate) fn is_expected_leftover(key: &str) -> bool {
    key.starts_with(UNUSED_NORM) || is_position_index(key)
}

/// Whether a hub key is the derived lookup table of the relative position bias.
pub(crate) fn is_position_index(key: &str) -> bool {
    key.ends_with(POSITION_INDEX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [usize; 3] = [2, 3, 4];

    #[test]
    fn swin_paths() {
        let cases = [
            (
                "backbone.patch_embedding.projection.weight",
                "backbone.embeddings.patch_embeddings.projection.weight",
            ),
            (
                "backbone.patch_embedding.norm.bias",
                "backbone.embeddings.norm.bias",
            ),
            (
                "backbone.stages.1.blocks.0.attention.query.bias",
                "backbone.encoder.layers.1.blocks.0.attention.self.query.bias",
            ),
            (
                "backbone.stages.1.blocks.0.attention.relative_position_bias_table",
                "backbone.encoder.layers.1.blocks.0.attention.self.relative_position_bias_table",
            ),
            (
                "backbone.stages.1.blocks.0.attention.projection.weight",
                "backbone.encoder.layers.1.blocks.0.attention.output.dense.weight",
            ),
            (
                "backbone.stages.0.blocks.1.mlp.fc2.weight",
                "backbone.encoder.layers.0.blocks.1.output.dense.weight",
            ),
            (
                "backbone.stages.0.downsample.reduction.weight",
                "backbone.encoder.layers.0.downsample.reduction.weight",
            ),
            (
                "backbone.hidden_states_norms.0.weight",
                "backbone.hidden_states_norms.stage2.weight",
            ),
        ];
        for (path, key) in cases {
            assert_eq!(hub_key(path, &STAGES, true), key);
        }
    }

    #[test]
    fn convnext_paths() {
        let cases = [
            (
                "backbone.stem.patch_embeddings.bias",
                "backbone.embeddings.patch_embeddings.bias",
            ),
            (
                "backbone.stem.layernorm.norm.weight",
                "backbone.embeddings.layernorm.weight",
            ),
            (
                "backbone.stages.2.downsampling_layer.norm.norm.bias",
                "backbone.encoder.stages.2.downsampling_layer.0.bias",
            ),
            (
                "backbone.stages.2.downsampling_layer.conv.weight",
                "backbone.encoder.stages.2.downsampling_layer.1.weight",
            ),
            (
                "backbone.stages.2.layers.5.layernorm.weight",
                "backbone.encoder.stages.2.layers.5.layernorm.weight",
            ),
            (
                "backbone.hidden_states_norms.2.norm.bias",
                "backbone.hidden_states_norms.stage4.bias",
            ),
        ];
        for (path, key) in cases {
            assert_eq!(hub_key(path, &STAGES, false), key);
        }
    }

    #[test]
    fn head_paths() {
        let path = "decode_head.psp_modules.blocks.3.conv_module.batch_norm.running_var";
        let key = "decode_head.psp_modules.3.1.batch_norm.running_var";
        assert_eq!(hub_key(path, &STAGES, true), key);
        let same = "auxiliary_head.convs.0.conv.weight";
        assert_eq!(hub_key(same, &STAGES, false), same);
    }

    #[test]
    fn v5_memory_names_become_hub_names() {
        let keys = ["backbone.swin.encoder.layers.0.blocks.1.attention.k_proj.weight"];
        assert_eq!(dialect(keys.into_iter()), Dialect::V5Memory);
        assert_eq!(
            to_hub(keys[0], Dialect::V5Memory),
            "backbone.encoder.layers.0.blocks.1.attention.self.key.weight"
        );
        assert_eq!(
            to_hub("backbone.swin.layernorm.weight", Dialect::V5Memory),
            "backbone.swin.layernorm.weight"
        );
    }

    #[test]
    fn other_libraries_are_told_by_their_keys() {
        let mmseg = ["backbone.norm0.weight", "decode_head.conv_seg.weight"];
        assert_eq!(foreign_library(mmseg.into_iter()), Some("mmsegmentation"));
        for (key, library) in [
            ("patch_embed.proj.weight", "timm or Microsoft"),
            ("stem.0.bias", "timm"),
            ("features.0.0.weight", "torchvision"),
            ("downsample_layers.0.0.bias", "Meta"),
        ] {
            assert_eq!(foreign_library([key].into_iter()), Some(library), "{key}");
        }
        assert_eq!(
            foreign_library(["decode_head.classifier.weight"].into_iter()),
            None
        );
    }
}
