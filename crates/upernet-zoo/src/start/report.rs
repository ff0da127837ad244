//! What a training starts from, in words and by key.

use std::fmt;

use crate::KeyReport;

/// What became of every key of the weights and every parameter of the network.
///
/// Displays as its sentences, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartReport {
    /// What was taken. Nothing in it is missing, unexpected or of another shape.
    pub keys: KeyReport,
    /// Keys that were left out on purpose, sorted.
    pub left_out: Vec<String>,
    /// Parameters of the network that were drawn anew, in the order of the network.
    pub drawn: Vec<String>,
    /// The same for people: lower case, without a full stop.
    pub sentences: Vec<String>,
}

impl fmt::Display for StartReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentences.join("\n"))
    }
}
