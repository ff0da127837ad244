//! What became of every key of a checkpoint.

use std::fmt::Write as _;

/// What keys begin with that only a network of a `variant` has.
const VARIANTS: [(&str, &str); 4] = [
    ("backbone.embedder.stem.", "deep_stem"),
    ("backbone.neck.fpn", "feature_pyramid"),
    ("backbone.neck.lateral_convs.", "multi_level_neck"),
    ("backbone.neck.convs.", "multi_level_neck"),
];

/// How many keys of a kind a one-line message names.
const NAMED: usize = 3;

/// The names a checkpoint uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// As files on the hub have them, whichever generation of `transformers` wrote them.
    Hub,
    /// As `transformers` 5 has them in memory (`state_dict()`), for Swin.
    V5Memory,
    /// As mmsegmentation writes them.
    MmSegmentation,
    /// As timm writes them.
    Timm,
    /// As torchvision writes them.
    Torchvision,
    /// As Microsoft published Swin.
    Microsoft,
    /// As Meta published `ConvNeXt`, DINOv2 and DINOv3.
    Meta,
    /// As burn writes a module: by the paths of its parameters.
    Burn,
    /// As its authors published PVTv2.
    Pvt,
}

impl Dialect {
    /// Its name in data.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::V5Memory => "v5-memory",
            Self::MmSegmentation => "mmsegmentation",
            Self::Timm => "timm",
            Self::Torchvision => "torchvision",
            Self::Microsoft => "microsoft",
            Self::Meta => "meta",
            Self::Burn => "burn",
            Self::Pvt => "pvt",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::V5Memory => "transformers 5, as in memory",
            Self::Microsoft => "Microsoft",
            Self::Meta => "Meta",
            Self::Pvt => "PVT's authors",
            other => other.name(),
        }
    }
}

/// A tensor of the file that the network has no use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its key in the file.
    pub key: String,
    /// Why it is left out, lower case and without a full stop.
    pub reason: &'static str,
}

/// A tensor whose shape is not the network's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The key.
    pub key: String,
    /// Shape in the file.
    pub found: Vec<usize>,
    /// Shape in the network.
    pub expected: Vec<usize>,
}

/// What became of every key of a checkpoint and every parameter of the network.
///
/// Keys are named as the hub names them; lists are sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyReport {
    /// The names that the checkpoint uses.
    pub dialect: Dialect,
    /// Keys whose values the network takes.
    pub applied: Vec<String>,
    /// Keys that carry nothing the network needs: derived tables, and a norm that upstream
    /// keeps and never uses.
    pub ignored: Vec<String>,
    /// Parameters of the network that the checkpoint lacks.
    pub missing: Vec<String>,
    /// Keys that the network has no place for.
    pub unexpected: Vec<String>,
    /// Keys whose shape is not the network's.
    pub mismatched: Vec<Mismatch>,
    /// Those of the applied keys whose values were cut out of a fused projection.
    pub split: Vec<String>,
    /// Those of the applied keys whose values were put into another order.
    pub reordered: Vec<String>,
    /// Tensors that the names of their library tell to be of no use, in order of their keys.
    pub dropped: Vec<Dropped>,
}

impl KeyReport {
    pub(crate) fn empty(dialect: Dialect) -> Self {
        Self {
            dialect,
            applied: Vec::new(),
            ignored: Vec::new(),
            missing: Vec::new(),
            unexpected: Vec::new(),
            mismatched: Vec::new(),
            split: Vec::new(),
            reordered: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Whether every parameter has its value and every key its place.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }

    /// What is wrong, in one line; empty if nothing is.
    #[must_use]
    pub fn problems(&self) -> String {
        let mismatched: Vec<String> = self.mismatched.iter().map(Mismatch::describe).collect();
        let lists = [
            ("missing", &self.missing),
            ("unexpected", &self.unexpected),
            ("of another shape", &mismatched),
        ];
        let mut line = String::new();
        for (kind, keys) in lists.into_iter().filter(|(_, keys)| !keys.is_empty()) {
            let separator = if line.is_empty() { "" } else { "; " };
            let _ = write!(line, "{separator}{} {kind} ({})", keys.len(), named(keys));
        }
        let hints = [self.class_count_hint(), self.variant_hint()];
        for hint in hints.into_iter().flatten() {
            let _ = write!(line, "; {hint}");
        }
        line
    }

    /// The field that a config lacks, where the weights have what it stands for.
    fn variant_hint(&self) -> Option<String> {
        let has = |start: &str| self.unexpected.iter().any(|key| key.starts_with(start));
        let (_, variant) = VARIANTS.into_iter().find(|(start, _)| has(start))?;
        Some(format!(
            "the weights are of a network whose config.json says \"variant\": \"{variant}\""
        ))
    }

    /// The most common cause of a shape that does not fit.
    fn class_count_hint(&self) -> Option<String> {
        let classifier = self
            .mismatched
            .iter()
            .find(|m| m.key == "decode_head.classifier.bias")?;
        let (found, expected) = (classifier.found.first()?, classifier.expected.first()?);
        Some(format!(
            "the weights have {found} classes, id2label has {expected}"
        ))
    }
}

impl Mismatch {
    fn describe(&self) -> String {
        format!(
            "{} is {:?}, expected {:?}",
            self.key, self.found, self.expected
        )
    }
}

/// The first of some keys, and whether there are more.
pub(crate) fn named(keys: &[String]) -> String {
    let first = keys[..keys.len().min(NAMED)].join(", ");
    let more = if keys.len() > NAMED { ", ..." } else { "" };
    format!("{first}{more}")
}

/// So many tensors, in words.
pub(crate) fn counted(tensors: usize) -> String {
    let plural = if tensors == 1 { "" } else { "s" };
    format!("{tensors} tensor{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> KeyReport {
        KeyReport::empty(Dialect::Hub)
    }

    #[test]
    fn nothing_wrong_says_nothing() {
        assert!(report().is_complete());
        assert_eq!(report().problems(), "");
    }

    #[test]
    fn problems_are_counted_and_the_first_are_named() {
        let mut report = report();
        report.missing = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        report.unexpected = vec!["e".to_owned()];
        assert_eq!(
            report.problems(),
            "4 missing (a, b, c, ...); 1 unexpected (e)"
        );
    }

    #[test]
    fn a_variant_that_the_config_lacks_is_named() {
        for (key, variant) in [
            ("backbone.embedder.stem.1.convolution.weight", "deep_stem"),
            ("backbone.neck.fpn2.weight", "feature_pyramid"),
            ("backbone.neck.convs.0.bias", "multi_level_neck"),
        ] {
            let mut report = report();
            report.unexpected = vec!["surprise".to_owned(), key.to_owned()];
            let part = format!("says \"variant\": \"{variant}\"");
            assert!(report.problems().ends_with(&part), "{}", report.problems());
        }
        let mut report = report();
        report.unexpected = vec!["backbone.surprise".to_owned()];
        assert_eq!(report.problems(), "1 unexpected (backbone.surprise)");
    }

    #[test]
    fn another_class_count_is_said_in_words() {
        let mut report = report();
        report.mismatched = vec![Mismatch {
            key: "decode_head.classifier.bias".to_owned(),
            found: vec![150],
            expected: vec![11],
        }];
        assert!(
            report
                .problems()
                .ends_with("the weights have 150 classes, id2label has 11")
        );
    }
}
