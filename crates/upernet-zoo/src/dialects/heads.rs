//! The heads of a whole `UPerNet`, which mmsegmentation names and the hub renames.
//!
//! Source: `mmseg/models/decode_heads/uper_head.py`, `fcn_head.py` and `decode_head.py` of mmsegmentation
//! 1.2.

/// What both heads are called, in mmsegmentation and on the hub.
const HEADS: [&str; 2] = ["decode_head.", "auxiliary_head."];

/// Parts of a head's keys: mmsegmentation's, the hub's.
const PARTS: [(&str, &str); 2] = [("bn", "batch_norm"), ("conv_seg", "classifier")];

/// The hub key of a head's tensor, in mmsegmentation's names or already the hub's; `None` if it is no
/// head's.
pub(crate) fn head_key(key: &str) -> Option<String> {
    if !HEADS.iter().any(|head| key.starts_with(head)) {
        return None;
    }
    Some(key.split('.').map(hub_part).collect::<Vec<_>>().join("."))
}

fn hub_part(part: &str) -> &str {
    let row = PARTS.iter().find(|row| row.0 == part);
    row.map_or(part, |row| row.1)
}

/// Whether some of the keys are a head's, so that the file is a whole network, or what is left of one.
pub(crate) fn has_heads<'a>(mut keys: impl Iterator<Item = &'a str>) -> bool {
    let is_head = |part: &str| {
        HEADS
            .iter()
            .any(|head| head.strip_suffix('.') == Some(part))
    };
    keys.any(|key| key.split('.').any(is_head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_renamed_and_the_hubs_names_are_kept() {
        for (key, hub) in [
            ("decode_head.conv_seg.bias", "decode_head.classifier.bias"),
            (
                "decode_head.psp_modules.2.1.bn.running_var",
                "decode_head.psp_modules.2.1.batch_norm.running_var",
            ),
            (
                "auxiliary_head.convs.0.conv.weight",
                "auxiliary_head.convs.0.conv.weight",
            ),
            (
                "auxiliary_head.conv_cat.batch_norm.bias",
                "auxiliary_head.conv_cat.batch_norm.bias",
            ),
        ] {
            assert_eq!(head_key(key).as_deref(), Some(hub));
        }
        assert_eq!(head_key("backbone.layers.0.bn.weight"), None);
    }

    #[test]
    fn a_whole_network_is_told_by_its_head() {
        assert!(has_heads(["module.decode_head.conv_seg.bias"].into_iter()));
        assert!(has_heads(["auxiliary_head.conv_seg.bias"].into_iter()));
        assert!(!has_heads(
            ["backbone.norm0.weight", "head.weight"].into_iter()
        ));
    }
}
