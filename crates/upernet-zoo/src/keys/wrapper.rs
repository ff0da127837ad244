//! What all keys of a file have before them that was saved from within another module.

/// Names that training in parallel, compiling, and common training scripts put before a model's own.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "net.", "model."];

/// What stands before the heads of a whole network; empty if nothing does.
pub(crate) fn network_wrapper<'k>(keys: &[&'k str]) -> &'k str {
    let before_head = |key: &'k str| {
        let at = key.find("decode_head.")?;
        let before = &key[..at];
        (before.is_empty() || before.ends_with('.')).then_some(before)
    };
    keys.iter().find_map(|key| before_head(key)).unwrap_or("")
}

/// What stands before the keys of a backbone: in a whole network what stands before its heads, else the known
/// names that all keys have; empty if there are none.
///
/// `model.` alone is DINOv3's own.
pub(crate) fn backbone_wrapper<'k>(keys: &[&'k str]) -> &'k str {
    let of_network = network_wrapper(keys);
    if !of_network.is_empty() {
        return of_network;
    }
    let Some(first) = keys.first() else {
        return "";
    };
    let mut length = 0;
    while let Some(name) = WRAPPERS
        .iter()
        .find(|name| first[length..].starts_with(*name))
    {
        length += name.len();
    }
    let wrapper = &first[..length];
    let is_before_all = keys.iter().all(|key| key.starts_with(wrapper));
    if is_before_all && wrapper != "model." {
        wrapper
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_heads_is_before_all() {
        for wrapper in ["", "module.", "model.", "_orig_mod.module.", "a.b."] {
            let keys = [
                "backbone.embeddings.norm.bias",
                "decode_head.classifier.bias",
            ];
            let keys = keys.map(|key| format!("{wrapper}{key}"));
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            assert_eq!(network_wrapper(&keys), wrapper);
        }
        assert_eq!(network_wrapper(&["my_decode_head.bias", "surprise"]), "");
    }

    #[test]
    fn a_backbone_is_unwrapped_of_known_names_alone() {
        for (keys, wrapper) in [
            (["module.swin.a", "module.swin.b"], "module."),
            (
                ["_orig_mod.module.a", "_orig_mod.module.b"],
                "_orig_mod.module.",
            ),
            (["module.swin.a", "swin.b"], ""),
            (["model.stages.0", "model.stages.1"], ""),
            (
                ["module.model.stages.0", "module.model.stages.1"],
                "module.model.",
            ),
            (["swin.a", "swin.b"], ""),
        ] {
            assert_eq!(backbone_wrapper(&keys), wrapper, "{keys:?}");
        }
        assert_eq!(backbone_wrapper(&[]), "");
        let network = [
            "model.backbone.stages.0",
            "model.decode_head.classifier.bias",
        ];
        assert_eq!(backbone_wrapper(&network), "model.");
    }
}
