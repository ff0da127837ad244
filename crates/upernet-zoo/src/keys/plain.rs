//! Keys of plain transformers on their own and in a UPerNet, of either generation of `transformers`.
//!
//! They have a table apart: DINOv3's files hold the names that other families have in memory alone, and
//! the final norm, which others leave behind, is that of the maps.

use crate::report::Dialect;

/// What the keys have before them, in this order; each may be missing.
const PREFIXES: [&str; 5] = [
    "backbone.",
    "dinov2.",
    "dinov2_with_registers.",
    "vit.",
    "model.",
];

/// Keys of what stands on the backbone: before the prefix is off, and after it.
const HEADS: [&str; 4] = ["decode_head.", "auxiliary_head.", "classifier.", "decoder."];
const OTHERS: [&str; 1] = ["pooler."];

/// Names in memory of what `encoder.layer` has, to those of files.
const MEMORY_TO_HUB: [(&str, &str); 4] = [
    (".attention.q_proj.", ".attention.attention.query."),
    (".attention.k_proj.", ".attention.attention.key."),
    (".attention.v_proj.", ".attention.attention.value."),
    (".attention.o_proj.", ".attention.output.dense."),
];

/// Whether a hub key is of the token for hidden patches, which pretraining alone reads.
pub(crate) fn is_mask_token(key: &str) -> bool {
    key == "backbone.embeddings.mask_token"
}

/// Whether these are the keys of a backbone of this kind.
pub(crate) fn is_plain(keys: &[&str]) -> bool {
    let any = |is: fn(&str) -> bool| keys.iter().any(|key| is(key));
    let is_dino = any(|key| key.ends_with(".layer_scale1.lambda1"));
    // BEiT's layers have the same names, and marks of their own.
    let is_vit = any(|key| key.contains("encoder.layer.0.layernorm_before."))
        && any(|key| key.ends_with("embeddings.position_embeddings"))
        && !any(|key| key.contains("lambda_") || key.contains("relative_position"));
    is_dino || is_vit
}

/// The key that a tensor has in a UPerNet on the hub; `None` if it is not the backbone's.
pub(crate) fn plain_key(key: &str) -> Option<String> {
    if HEADS.iter().any(|head| key.starts_with(head)) {
        return None;
    }
    let rest = PREFIXES
        .iter()
        .fold(key, |key, prefix| key.strip_prefix(prefix).unwrap_or(key));
    if OTHERS.iter().any(|other| rest.starts_with(other)) {
        return None;
    }
    let replace = |key: String, (from, to): &(&str, &str)| key.replace(from, to);
    let key = if rest.starts_with("encoder.layer.") {
        MEMORY_TO_HUB.iter().fold(rest.to_owned(), replace)
    } else {
        rest.to_owned()
    };
    Some(format!("backbone.{key}"))
}

/// The dialect of such keys.
pub(crate) fn plain_dialect<'a>(mut keys: impl Iterator<Item = &'a str>) -> Dialect {
    let in_memory = |key: &str| {
        let is_dinov2s = key.contains("encoder.layer.") && key.contains(".attention.q_proj.");
        is_dinov2s || key.contains("model.layer.")
    };
    if keys.any(in_memory) {
        Dialect::V5Memory
    } else {
        Dialect::Hub
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_leads_to_one_key() {
        let key = "backbone.encoder.layer.0.attention.attention.key.weight";
        for other in [
            key,
            "encoder.layer.0.attention.attention.key.weight",
            "dinov2.encoder.layer.0.attention.attention.key.weight",
            "dinov2_with_registers.encoder.layer.0.attention.k_proj.weight",
            "backbone.encoder.layer.0.attention.k_proj.weight",
        ] {
            assert_eq!(plain_key(other).as_deref(), Some(key), "{other}");
        }
        let key = "backbone.layer.7.attention.k_proj.weight";
        for other in [
            key,
            "layer.7.attention.k_proj.weight",
            "backbone.model.layer.7.attention.k_proj.weight",
            "model.layer.7.attention.k_proj.weight",
        ] {
            assert_eq!(plain_key(other).as_deref(), Some(key), "{other}");
        }
    }

    #[test]
    fn the_final_norm_is_the_backbones() {
        for (key, expected) in [
            ("dinov2.layernorm.weight", Some("backbone.layernorm.weight")),
            ("norm.bias", Some("backbone.norm.bias")),
            (
                "embeddings.mask_token",
                Some("backbone.embeddings.mask_token"),
            ),
            ("classifier.weight", None),
            ("decode_head.classifier.weight", None),
        ] {
            assert_eq!(plain_key(key).as_deref(), expected);
        }
    }

    #[test]
    fn a_vit_is_told_from_a_beit() {
        let vit = [
            "vit.embeddings.position_embeddings",
            "vit.encoder.layer.0.layernorm_before.weight",
        ];
        assert!(is_plain(&vit));
        let beit = [
            "beit.embeddings.position_embeddings",
            "beit.encoder.layer.0.layernorm_before.weight",
            "beit.encoder.layer.0.lambda_1",
        ];
        assert!(!is_plain(&beit));
        assert_eq!(
            plain_key(vit[1]).as_deref(),
            Some("backbone.encoder.layer.0.layernorm_before.weight")
        );
        assert_eq!(plain_key("decoder.decoder_embed.weight"), None);
    }

    #[test]
    fn dialects_are_told_by_the_names_of_layers() {
        let dialect = |key: &str| plain_dialect(std::iter::once(key));
        let memory = "backbone.encoder.layer.0.attention.q_proj.bias";
        assert_eq!(dialect(memory), Dialect::V5Memory);
        let hub = "backbone.encoder.layer.0.attention.attention.query.bias";
        assert_eq!(dialect(hub), Dialect::Hub);
        let memory = "backbone.model.layer.0.attention.q_proj.bias";
        assert_eq!(dialect(memory), Dialect::V5Memory);
        let hub = "backbone.layer.0.attention.q_proj.bias";
        assert_eq!(dialect(hub), Dialect::Hub);
    }
}
