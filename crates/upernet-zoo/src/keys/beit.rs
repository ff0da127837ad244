//! BEiT's keys where they part from those of its files in `transformers` 5.
//!
//! Those files keep the names of `transformers` 4, but for the bias that all layers share, which version
//! 5 does not find under its old name.

/// Keys in `transformers` 5's memory to those of its files, without what both have before them; each
/// key has one.
const MEMORY_TO_HUB: [(&str, &str); 6] = [
    ("fpn.fpn1.conv_transpose1.", "fpn1.0."),
    ("fpn.fpn1.normalization.", "fpn1.1."),
    ("fpn.fpn1.conv_transpose2.", "fpn1.3."),
    ("fpn.fpn2.", "fpn2.0."),
    ("shared_position_bias.", SHARED_BIAS),
    // Of `transformers` 4's files.
    ("encoder.relative_position_bias.", SHARED_BIAS),
];

const SHARED_BIAS: &str = "beit.encoder.relative_position_bias.";

/// Layers in `transformers` 5's memory, and in files.
const LAYERS: [&str; 2] = ["layers.", "encoder.layer."];

/// Names inside of a layer in `transformers` 5's memory to those in files.
const LAYER_TO_HUB: [(&str, &str); 7] = [
    (".attention.q_proj.", ".attention.attention.query."),
    (".attention.k_proj.", ".attention.attention.key."),
    (".attention.v_proj.", ".attention.attention.value."),
    (".attention.o_proj.", ".attention.output.dense."),
    (
        ".relative_position_bias.",
        ".attention.attention.relative_position_bias.",
    ),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
];

/// BEiT's, and ours.
const NECK: [&str; 3] = ["backbone.fpn1.", "backbone.fpn2.", "backbone.neck."];

/// Whether a hub key is of a neck: layers that are part of a backbone by their names, and that nobody
/// pretrains with it. BEiT has one, and every plain transformer under one of ours.
#[must_use]
pub fn is_neck(key: &str) -> bool {
    NECK.iter().any(|neck| key.starts_with(neck))
}

/// The hub key of a key of a BEiT, both without `backbone.`; `None` if it has no other name there, or is
/// no BEiT's.
pub(super) fn to_hub(key: &str) -> Option<String> {
    // Of these `transformers` 5's memory has the name of the inner model before them.
    let inner = key.strip_prefix("beit.").unwrap_or(key);
    if let Some(rest) = inner.strip_prefix(LAYERS[0]) {
        let replace = |key: String, (from, to): &(&str, &str)| key.replace(from, to);
        let rest = LAYER_TO_HUB.iter().fold(rest.to_owned(), replace);
        return Some(format!("{}{rest}", LAYERS[1]));
    }
    // These are the hub's already: other families' tables are not to touch them.
    let is_hubs = inner.starts_with(LAYERS[1]);
    if is_hubs || (inner.len() < key.len() && inner.starts_with("embeddings.")) {
        return Some(inner.to_owned());
    }
    let mut names = MEMORY_TO_HUB.iter();
    names.find_map(|(memory, hub)| Some(format!("{hub}{}", inner.strip_prefix(memory)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_memory_become_those_of_files() {
        let shared = "beit.encoder.relative_position_bias.relative_position_bias_table";
        for (memory, hub) in [
            (
                "beit.layers.3.attention.q_proj.bias",
                "encoder.layer.3.attention.attention.query.bias",
            ),
            (
                "beit.layers.0.relative_position_bias.relative_position_bias_table",
                "encoder.layer.0.attention.attention.relative_position_bias.relative_position_bias_table",
            ),
            (
                "layers.10.mlp.fc2.weight",
                "encoder.layer.10.output.dense.weight",
            ),
            (
                "beit.layers.1.attention.o_proj.weight",
                "encoder.layer.1.attention.output.dense.weight",
            ),
            ("beit.layers.1.lambda_2", "encoder.layer.1.lambda_2"),
            ("beit.embeddings.cls_token", "embeddings.cls_token"),
            ("fpn.fpn1.conv_transpose2.bias", "fpn1.3.bias"),
            ("fpn.fpn1.normalization.running_var", "fpn1.1.running_var"),
            ("fpn.fpn2.weight", "fpn2.0.weight"),
            (
                "beit.shared_position_bias.relative_position_bias_table",
                shared,
            ),
            (
                "encoder.relative_position_bias.relative_position_bias_table",
                shared,
            ),
            (shared, shared),
        ] {
            assert_eq!(to_hub(memory).as_deref(), Some(hub), "{memory}");
        }
    }

    #[test]
    fn other_names_are_left_alone() {
        let bias = "encoder.layer.0.attention.attention.relative_position_bias.\
                    relative_position_bias_table";
        assert_eq!(to_hub(bias).as_deref(), Some(bias));
        for key in [
            "encoder.layers.0.blocks.1.attention.self.relative_position_bias_table",
            "embeddings.cls_token",
            "stages.0.layers.1.gamma",
            "fpn1.0.weight",
        ] {
            assert_eq!(to_hub(key), None, "{key}");
        }
        assert!(is_neck("backbone.fpn1.1.running_mean") && is_neck("backbone.fpn2.0.bias"));
        assert!(is_neck("backbone.neck.fpn1.conv_transpose1.weight"));
        assert!(is_neck("backbone.neck.lateral_convs.2.bias"));
        assert!(!is_neck("backbone.encoder.layer.0.lambda_1"));
        assert!(!is_neck("decode_head.fpn_convs.0.conv.weight"));
    }
}
