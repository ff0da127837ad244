//! Names: paths of our modules to keys of the hub, of either generation of `transformers`.
//!
//! Those of other libraries are in `dialects`.
//!
//! Field names follow the hub where Rust allows, so the tables are short; each row is one place
//! where they part.

mod backbone;
mod beit;
mod plain;
mod wrapper;

pub(crate) use backbone::{backbone_dialect, backbone_key, is_backbone, is_count, is_output_norm};
pub use beit::is_neck;
pub(crate) use plain::{is_mask_token, is_plain, plain_dialect, plain_key};
pub(crate) use wrapper::{backbone_wrapper, network_wrapper};

use crate::report::Dialect;

/// Paths of the heads' modules to hub keys, applied in order; each backbone family has its own.
const PATH_TO_KEY: [(&str, &str); 2] = [
    // Upstream's `nn.Sequential` of pooling (0) and projection (1).
    (".psp_modules.blocks.", ".psp_modules."),
    (".conv_module.", ".1."),
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

/// What DINOv3's ConvNeXt has before its stages in `transformers` 5's memory, and not in files.
const DINOV3_MEMORY: &str = "backbone.model.stages.";

/// Hub key of a parameter of a head at `path` (dotted, without enum variants).
pub(crate) fn head_key(path: &str) -> String {
    let replace = |key: String, (from, to): &(&str, &str)| key.replace(from, to);
    PATH_TO_KEY.iter().fold(path.to_owned(), replace)
}

/// Hub key of a key in Hugging Face's `dialect`.
pub(crate) fn to_hub(key: &str, dialect: Dialect) -> String {
    if let Some(hub) = key.strip_prefix("backbone.").and_then(beit::to_hub) {
        return format!("backbone.{hub}");
    }
    if dialect != Dialect::V5Memory {
        return key.to_owned();
    }
    let inner = ["embeddings.", "encoder."];
    let key = match key.strip_prefix("backbone.swin.") {
        Some(rest) if inner.iter().any(|name| rest.starts_with(name)) => format!("backbone.{rest}"),
        _ => key.replace(DINOV3_MEMORY, "backbone.stages."),
    };
    let replace = |key: String, (from, to): &(&str, &str)| key.replace(from, to);
    V5_MEMORY_TO_HUB.iter().fold(key, replace)
}

/// The dialect of a checkpoint, told by its keys.
pub(crate) fn dialect<'a>(mut keys: impl Iterator<Item = &'a str>) -> Dialect {
    const IN_MEMORY: [&str; 6] = [
        "backbone.swin.encoder.",
        "backbone.swin.embeddings.",
        DINOV3_MEMORY,
        "backbone.beit.layers.",
        "backbone.beit.embeddings.",
        "backbone.fpn.",
    ];
    let in_memory = keys.any(|key| IN_MEMORY.iter().any(|name| key.starts_with(name)));
    if in_memory {
        Dialect::V5Memory
    } else {
        Dialect::Hub
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_paths() {
        let path = "decode_head.psp_modules.blocks.3.conv_module.batch_norm.running_var";
        let key = "decode_head.psp_modules.3.1.batch_norm.running_var";
        assert_eq!(head_key(path), key);
        let same = "auxiliary_head.convs.0.conv.weight";
        assert_eq!(head_key(same), same);
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
        let keys = ["backbone.model.stages.2.layers.0.gamma"];
        assert_eq!(dialect(keys.into_iter()), Dialect::V5Memory);
        assert_eq!(
            to_hub(keys[0], Dialect::V5Memory),
            "backbone.stages.2.layers.0.gamma"
        );
    }
}
