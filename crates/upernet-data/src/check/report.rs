//! What a check found.

use std::fmt;

use serde::Serialize;

use super::{Problem, Severity};

/// What is in a dataset and what is wrong with it; `Display` gives lines of text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Which layout the dataset has, and why.
    pub layout: String,
    /// How ids become classes; nothing if that is what is wrong.
    pub label_mapping: Option<String>,
    /// The splits that were checked.
    pub splits: Vec<SplitSummary>,
    /// What the masks hold: every id, colour or label, ids first.
    pub values: Vec<ValueCount>,
    /// What is wrong, errors first.
    pub problems: Vec<Problem>,
    /// A label map that makes every value a class or ignored, as TOML, if some are not.
    pub proposed_label_map: Option<String>,
}

/// The size of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SplitSummary {
    /// The split.
    pub name: String,
    /// Number of photos with labels.
    pub samples: u64,
    /// Pixels of each class, by id; empty if the classes are not settled.
    pub class_pixels: Vec<u64>,
}

/// How often masks hold a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueCount {
    /// The id, `r,g,b`, or the label of polygons.
    pub value: String,
    /// The name of its class, `ignore`, or nothing if it has none.
    pub class: Option<String>,
    /// Pixels that hold it.
    pub pixels: u64,
    /// Masks that hold it.
    pub files: u64,
}

impl Report {
    /// Whether anything would make training stop or learn from wrong labels.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// The first line to show someone who wants to train: the first error, if there is one.
    #[must_use]
    pub fn first_error(&self) -> Option<&Problem> {
        self.problems
            .iter()
            .find(|problem| problem.severity == Severity::Error)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.layout)?;
        if let Some(mapping) = &self.label_mapping {
            writeln!(f, "labels: {mapping}")?;
        }
        for split in &self.splits {
            writeln!(
                f,
                "split {}: {} photos with labels",
                split.name, split.samples
            )?;
        }
        let pixels: u64 = self.values.iter().map(|value| value.pixels).sum();
        for value in &self.values {
            let share = 100.0 * value.pixels as f64 / pixels.max(1) as f64;
            let class = value.class.as_deref().unwrap_or("(no class)");
            let ValueCount {
                value,
                pixels,
                files,
                ..
            } = value;
            writeln!(
                f,
                "value {value} = {class}: {pixels} pixels ({share:.2} %) in {files} of the masks"
            )?;
        }
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        if let Some(map) = &self.proposed_label_map {
            write!(f, "proposed label_map.toml:\n{map}")?;
        }
        let errors = self
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .count();
        write!(
            f,
            "{errors} errors, {} warnings",
            self.problems.len() - errors
        )
    }
}
