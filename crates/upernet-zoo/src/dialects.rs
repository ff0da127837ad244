//! Names that other libraries give to the same tensors, and how their values differ.
//!
//! One file for each library holds its tables: what it calls a tensor, what the hub calls it, and what
//! becomes of the values on the way ([`Row`]). Which library a file comes from is told by keys that it
//! must have ([`Names::marks`]), never by the file's name; what stands before them is a prefix such as
//! `backbone.`. The heads of a whole `UPerNet` are mmsegmentation's wherever the backbone comes from, so
//! they have a table of their own.
//!
//! To add a backbone: a table in the file of its library, and its line in [`ALL`].

mod change;
mod heads;
mod meta;
mod microsoft;
mod mmsegmentation;
mod pattern;
mod plain;
mod pvt;
mod refused;
mod swin;
mod timm;
mod torchvision;

use std::collections::BTreeSet;

pub(crate) use change::{Change, Verb};
pub(crate) use heads::{has_heads, head_key};
pub(crate) use refused::refusal;

use pattern::{captured, filled};

use crate::report::Dialect;

/// The backbones whose names are known; where one has all keys of another and more, it comes first.
const ALL: [&Names; 26] = [
    &mmsegmentation::SWIN,
    &mmsegmentation::CONVNEXT,
    &mmsegmentation::BEIT,
    &mmsegmentation::MAE,
    &mmsegmentation::VIT,
    &meta::DINOV3,
    &meta::DINOV2,
    &timm::DINOV3,
    &timm::DINOV2_WITH_REGISTERS,
    &timm::DINOV2,
    &microsoft::SWIN_V2,
    &microsoft::SWIN,
    &microsoft::BEIT,
    &timm::SWIN_V2,
    &timm::SWIN,
    &timm::CONVNEXT,
    &torchvision::SWIN_V2,
    &torchvision::SWIN,
    &torchvision::CONVNEXT,
    &torchvision::RESNET,
    &mmsegmentation::RESNET_WITH_DEEP_STEM,
    &timm::RESNET_WITH_DEEP_STEM,
    &meta::CONVNEXT,
    &timm::PVT_V2,
    &pvt::PVT_V2,
    &timm::VIT,
];

/// How one library names the tensors of one kind of backbone.
#[derive(Debug)]
pub(crate) struct Names {
    dialect: Dialect,
    /// Keys by which such a backbone is known. What a file has before the first of them is its prefix.
    marks: &'static [&'static str],
    /// In parts, some of which several libraries share.
    rows: &'static [&'static [Row]],
    /// What the network has no use for, and why.
    leftovers: &'static [Leftover],
}

/// A tensor in the file, its place on the hub, and what becomes of its values.
#[derive(Debug)]
pub(crate) struct Row {
    from: &'static str,
    to: &'static str,
    change: Change,
}

/// Tensors without a place: those under a prefix (it ends with a dot), or those of a pattern.
#[derive(Debug)]
pub(crate) struct Leftover {
    keys: &'static str,
    reason: &'static str,
}

/// A backbone that was recognised, and what its keys have before them in the file.
#[derive(Debug)]
pub(crate) struct Recognised {
    names: &'static Names,
    prefix: String,
}

/// What becomes of one key of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It gives these tensors of the hub, each by a change of its values.
    Hub(Vec<(String, Change)>),
    /// The network has no use for it.
    Dropped(&'static str),
    /// Nothing is known of it.
    Unknown,
}

/// A tensor that is stored as the hub stores it.
const fn same(from: &'static str, to: &'static str) -> Row {
    changed(from, to, Change::Same)
}

const fn changed(from: &'static str, to: &'static str, change: Change) -> Row {
    Row { from, to, change }
}

const fn leftover(keys: &'static str, reason: &'static str) -> Leftover {
    Leftover { keys, reason }
}

/// Reasons that several libraries share.
const CLASSIFIER: &str = "of the image classifier, which a segmentation network has not";
const FINAL_NORM: &str = "norm of the image classifier, after the last map";
const DERIVED: &str = "follows from the window size";

/// The backbone whose marks are all among `keys`, if one is known.
pub(crate) fn recognise(keys: &[&str]) -> Option<Recognised> {
    let keys: BTreeSet<String> = keys.iter().map(|key| spelled(key)).collect();
    let has = |key: String| keys.contains(&key);
    ALL.into_iter().find_map(|names| {
        let (first, others) = names.marks.split_first()?;
        let prefixes = keys.iter().filter_map(|key| key.strip_suffix(first));
        let mut prefixes = prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
        let prefix = prefixes
            .find(|prefix| others.iter().all(|mark| has(format!("{prefix}{mark}"))))?
            .to_owned();
        Some(Recognised { names, prefix })
    })
}

impl Recognised {
    /// The library, by the names of the backbone.
    pub(crate) fn dialect(&self) -> Dialect {
        self.names.dialect
    }

    /// What all keys of the file have before them, the heads' included: `module.` of a model that was
    /// trained in parallel, or nothing.
    pub(crate) fn outer_prefix(&self) -> &str {
        match self.prefix.find("backbone.") {
            Some(at) => &self.prefix[..at],
            None => "",
        }
    }

    /// What becomes of a key of the backbone, or of a neck beside it; `None` if it is neither's.
    pub(crate) fn place(&self, key: &str) -> Option<Place> {
        let key = spelled(key);
        let of_neck = || {
            let key = key.strip_prefix(self.outer_prefix())?;
            key.starts_with("neck.").then_some(key)
        };
        let key = key.strip_prefix(&self.prefix).or_else(of_neck)?;
        Some(self.names.place(key))
    }
}

impl Names {
    fn place(&self, key: &str) -> Place {
        for row in self.rows.iter().copied().flatten() {
            let hub = captured(row.from, key).and_then(|found| filled(row.to, &found));
            if let Some(hub) = hub {
                let parts = row.change.parts(&format!("backbone.{hub}"));
                return Place::Hub(parts);
            }
        }
        let known = |leftover: &&Leftover| {
            let prefix = leftover.keys.ends_with('.') && key.starts_with(leftover.keys);
            prefix || captured(leftover.keys, key).is_some()
        };
        match self.leftovers.iter().find(known) {
            Some(leftover) => Place::Dropped(leftover.reason),
            None => Place::Unknown,
        }
    }
}

/// A key as timm spells it in a whole model: one that gives feature maps alone is flattened, and has
/// `stages_0` for `stages.0`.
fn spelled(key: &str) -> String {
    const FLATTENED: [&str; 3] = ["layers", "stages", "stem"];
    let segment = |segment: &str| {
        let parts = segment.split_once('_');
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match parts.filter(|(name, number)| FLATTENED.contains(name) && is_number(number)) {
            Some((name, number)) => format!("{name}.{number}"),
            None => segment.to_owned(),
        }
    };
    key.split('.').map(segment).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_every_table_can_be_filled() {
        for names in ALL {
            assert!(!names.marks.is_empty(), "{:?}", names.dialect);
            for row in names.rows.iter().copied().flatten() {
                let key = row
                    .from
                    .replace("#odd", "3")
                    .replace("#even", "4")
                    .replace('#', "2")
                    .replace('*', "weight");
                let found = captured(row.from, &key).expect("a key of the pattern's own form");
                let hub = filled(row.to, &found).expect("numbers that are not 0");
                assert!(!hub.contains(['#', '*']), "{} gives {hub}", row.from);
            }
        }
    }

    #[test]
    fn each_set_of_marks_is_recognised_as_itself_under_any_prefix() {
        for names in ALL {
            for prefix in ["", "backbone.", "module.backbone.", "backbone._backbone."] {
                let keys: Vec<String> = names
                    .marks
                    .iter()
                    .map(|mark| format!("{prefix}{mark}"))
                    .collect();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let found = recognise(&keys).expect("its marks are there");
                assert_eq!(
                    (found.prefix.as_str(), found.dialect()),
                    (prefix, names.dialect)
                );
                assert_eq!(found.names.marks, names.marks);
            }
        }
        let hub = ["backbone.embeddings.patch_embeddings.weight"];
        assert!(recognise(&hub).is_none(), "those are the hub's own");
    }

    #[test]
    fn flattened_names_are_spelled_out() {
        for (flat, whole) in [
            ("stages_2.blocks.0.gamma", "stages.2.blocks.0.gamma"),
            (
                "backbone.layers_0.blocks.1.norm1.bias",
                "backbone.layers.0.blocks.1.norm1.bias",
            ),
            ("stem_1.weight", "stem.1.weight"),
            ("head.pre_logits.weight", "head.pre_logits.weight"),
        ] {
            assert_eq!(spelled(flat), whole);
        }
    }

    #[test]
    fn what_is_outside_of_the_backbone_is_told_apart() {
        let keys = [
            "module.backbone.downsample_layers.0.0.weight",
            "module.backbone.stages.0.0.dwconv.weight",
        ];
        let found = recognise(&keys).expect("Meta's");
        assert_eq!(found.outer_prefix(), "module.");
        assert_eq!(found.place("module.decode_head.conv_seg.bias"), None);
        assert_eq!(
            found.place("module.backbone.surprise"),
            Some(Place::Unknown)
        );
    }
}
