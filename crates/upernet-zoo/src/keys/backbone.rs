//! Keys of backbones on their own: classifiers, bare models, and what is in a UPerNet.

use super::{V5_MEMORY_TO_HUB, beit};
use crate::report::Dialect;

/// What a backbone's keys have before them, in this order; each may be missing. Files of `transformers`
/// 5 may have some keys with and others without.
const PREFIXES: [&str; 9] = [
    "backbone.",
    "swin.",
    "swinv2.",
    "convnext.",
    "convnextv2.",
    "resnet.",
    "beit.",
    "pvt_v2.",
    "model.",
];

/// Keys that are not the backbone's: of heads before the prefix is off, of what follows the last stage
/// and of masks after it.
const HEADS: [&str; 5] = [
    "decode_head.",
    "auxiliary_head.",
    "classifier.",
    "decoder.",
    "lm_head.",
];
const OTHERS: [&str; 4] = [
    "layernorm.",
    "layer_norm.",
    "pooler.",
    "embeddings.mask_token",
];

const NORMS: &str = "backbone.hidden_states_norms.";

/// The key that a backbone's tensor has in a UPerNet on the hub; `None` if it is no backbone's.
pub(crate) fn backbone_key(key: &str) -> Option<String> {
    if HEADS.iter().any(|head| key.starts_with(head)) {
        return None;
    }
    let rest = PREFIXES
        .iter()
        .fold(key, |key, prefix| key.strip_prefix(prefix).unwrap_or(key));
    if OTHERS.iter().any(|other| rest.starts_with(other)) {
        return None;
    }
    if let Some(hub) = beit::to_hub(rest) {
        return Some(format!("backbone.{hub}"));
    }
    let key = V5_MEMORY_TO_HUB
        .iter()
        .fold(rest.to_owned(), |key, (from, to)| key.replace(from, to));
    Some(format!("backbone.{key}"))
}

/// The dialect of a backbone's keys.
pub(crate) fn backbone_dialect<'a>(mut keys: impl Iterator<Item = &'a str>) -> Dialect {
    if keys.any(|key| key.contains(".attention.q_proj.")) {
        Dialect::V5Memory
    } else {
        Dialect::Hub
    }
}

/// Whether a hub key is a backbone's.
pub(crate) fn is_backbone(key: &str) -> bool {
    key.starts_with(PREFIXES[0])
}

/// Whether a hub key is of the norm of a feature map.
pub(crate) fn is_output_norm(key: &str) -> bool {
    key.starts_with(NORMS)
}

/// Whether a hub key is of a count of batches, which old files lack and inference never reads.
pub(crate) fn is_count(key: &str) -> bool {
    key.ends_with(".num_batches_tracked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_leads_to_one_key() {
        let key = "backbone.encoder.layers.0.blocks.1.attention.self.key.weight";
        for other in [
            key,
            "encoder.layers.0.blocks.1.attention.self.key.weight",
            "swin.encoder.layers.0.blocks.1.attention.self.key.weight",
            "swin.encoder.layers.0.blocks.1.attention.k_proj.weight",
            "backbone.swin.encoder.layers.0.blocks.1.attention.k_proj.weight",
        ] {
            assert_eq!(backbone_key(other).as_deref(), Some(key), "{other}");
        }
        assert_eq!(
            backbone_key("swinv2.encoder.layers.0.blocks.1.attention.self.logit_scale").as_deref(),
            Some("backbone.encoder.layers.0.blocks.1.attention.self.logit_scale")
        );
        assert_eq!(
            backbone_key("convnext.encoder.stages.2.layers.0.pwconv1.bias").as_deref(),
            Some("backbone.encoder.stages.2.layers.0.pwconv1.bias")
        );
        assert_eq!(
            backbone_key("convnextv2.encoder.stages.2.layers.0.grn.bias").as_deref(),
            Some("backbone.encoder.stages.2.layers.0.grn.bias")
        );
        assert_eq!(
            backbone_key("resnet.embedder.embedder.convolution.weight").as_deref(),
            Some("backbone.embedder.embedder.convolution.weight")
        );
        assert_eq!(
            backbone_key("pvt_v2.encoder.layers.1.patch_embedding.layer_norm.bias").as_deref(),
            Some("backbone.encoder.layers.1.patch_embedding.layer_norm.bias")
        );
        // DINOv3's files have no prefix, its models in memory have one.
        for key in ["", "model.", "backbone.", "backbone.model."] {
            assert_eq!(
                backbone_key(&format!("{key}stages.2.layers.0.layer_norm.bias")).as_deref(),
                Some("backbone.stages.2.layers.0.layer_norm.bias")
            );
        }
    }

    #[test]
    fn what_stands_on_a_backbone_is_told_apart() {
        for other in [
            "classifier.weight",
            "classifier.1.weight",
            "layernorm.bias",
            "swin.layernorm.weight",
            "backbone.swin.layernorm.weight",
            "swinv2.layernorm.weight",
            "convnext.layernorm.bias",
            "convnextv2.layernorm.bias",
            "layer_norm.weight",
            "decoder.0.weight",
            "swin.embeddings.mask_token",
            "decode_head.classifier.bias",
            "auxiliary_head.convs.0.conv.weight",
        ] {
            assert_eq!(backbone_key(other), None, "{other}");
        }
        assert!(backbone_key("embeddings.layernorm.weight").is_some());
    }

    #[test]
    fn dialects_are_told_by_the_projections() {
        let memory = ["swin.encoder.layers.0.blocks.0.attention.q_proj.weight"];
        assert_eq!(backbone_dialect(memory.into_iter()), Dialect::V5Memory);
        let hub = ["swin.encoder.layers.0.blocks.0.attention.self.query.weight"];
        assert_eq!(backbone_dialect(hub.into_iter()), Dialect::Hub);
    }
}
