//! README.md: its feature table is the binary's manifest in words, its code a tested example.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::layers::{array, text};
use crate::Failure;

/// Lines around the table, invisible to readers.
const MARKERS: [&str; 2] = ["<!-- features -->", "<!-- end of features -->"];

/// The example that README.md quotes.
const EXAMPLE: &str = "crates/upernet/examples/segment_photo.rs";

/// Compares the first column of the table with the features of the binary, and the library snippet
/// with the example that is compiled.
pub(super) fn check(root: &Path, metadata: &Value) -> Result<Vec<String>, Failure> {
    let path = root.join("README.md");
    let readme = fs::read_to_string(&path).map_err(|error| format!("README.md: {error}"))?;
    let declared = declared(metadata);
    let described = described(&readme).ok_or("README.md lacks the markers of the feature table")?;
    let missing = declared.difference(&described);
    let missing = missing.map(|name| format!("README.md does not describe feature {name}"));
    let unknown = described.difference(&declared);
    let unknown =
        unknown.map(|name| format!("README.md describes no feature of the binary: {name}"));
    let mut findings: Vec<String> = missing.chain(unknown).collect();
    let example = root.join(EXAMPLE);
    let example = fs::read_to_string(&example).map_err(|error| format!("{EXAMPLE}: {error}"))?;
    if !snippet(&readme).is_some_and(|snippet| example.contains(snippet)) {
        findings.push(format!(
            "README.md: the Rust code is not a part of {EXAMPLE}"
        ));
    }
    Ok(findings)
}

fn declared(metadata: &Value) -> BTreeSet<String> {
    let package =
        array(metadata, "packages").find(|package| text(package, "name") == "upernet-cli");
    let features = package.and_then(|package| package["features"].as_object());
    let names = features.into_iter().flat_map(|features| features.keys());
    names.filter(|name| *name != "default").cloned().collect()
}

fn described(readme: &str) -> Option<BTreeSet<String>> {
    let [start, end] = MARKERS;
    let (_, after) = readme.split_once(start)?;
    let (table, _) = after.split_once(end)?;
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned()));
    Some(names.collect())
}

/// The first block of Rust in a Markdown text.
fn snippet(markdown: &str) -> Option<&str> {
    let (_, after) = markdown.split_once("```rust\n")?;
    let (code, _) = after.split_once("```")?;
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_first_column() {
        let readme = "x\n<!-- features -->\n| feature | is |\n|---|---|\n| `flex` | `no` |\n\
                      | `hub` | b |\n<!-- end of features -->\n| `later` | c |";
        let names = described(readme).expect("both markers");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["flex", "hub"]);
        assert_eq!(described("no table"), None);
    }
}
