//! Follows a page of the book word for word, as somebody would who has nothing but the page.

use std::{fs, path::Path, process::Command};

use crate::{Failure, shell::root};

/// The page that is followed.
const PAGE: &str = "docs/src/custom-backbone.md";
/// What the page calls the checkout of this repository, beside the crate that it makes.
const CHECKOUT: &str = "upernet";
/// The file that all Rust of the page goes into.
const SOURCE: &str = "src/main.rs";

/// Follows the page in a new folder at `place`, and compares what it prints with what the page says.
///
/// Numbers after the decimal point may differ: weights are drawn at random.
pub(crate) fn run(place: &Path) -> Result<(), Failure> {
    let page = read(&root().join(PAGE))?;
    let steps = steps(&page)?;
    fs::create_dir(place).map_err(|error| format!("{}: {error}", place.display()))?;
    let checkout = place.join(CHECKOUT);
    link(&root(), &checkout).map_err(|error| format!("{}: {error}", checkout.display()))?;
    let rust: Vec<&str> = steps.iter().filter_map(Step::rust).collect();
    let expected = steps.iter().find_map(Step::output);
    let lines: Vec<&str> = steps.iter().flat_map(Step::lines).collect();
    let mut folder = place.to_owned();
    let mut printed = String::new();
    for line in lines {
        eprintln!("$ {line}");
        if let Some(inner) = line.strip_prefix("cd ") {
            folder.push(inner);
            // From here on there is a crate; the commands after need its source.
            write(&folder.join(SOURCE), &rust.join("\n"))?;
            continue;
        }
        printed = shell(line, &folder)?;
    }
    println!("{printed}");
    let expected = expected.ok_or_else(|| format!("{PAGE}: says not what is printed"))?;
    if without_decimals(&printed) == without_decimals(expected) {
        Ok(())
    } else {
        Err(format!(
            "{PAGE}: says something else is printed:\n{expected}"
        ))
    }
}

/// A block of code of the page.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Shell(String),
    Rust(String),
    Output(String),
}

impl Step {
    fn rust(&self) -> Option<&str> {
        match self {
            Self::Rust(text) => Some(text),
            _ => None,
        }
    }

    fn output(&self) -> Option<&str> {
        match self {
            Self::Output(text) => Some(text),
            _ => None,
        }
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let text = match self {
            Self::Shell(text) => text,
            _ => "",
        };
        text.lines()
    }
}

/// The blocks of a page, with what they include.
fn steps(page: &str) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut parts = page.split("```");
    // Text and blocks take turns, and text comes first.
    parts.next();
    while let Some(block) = parts.next() {
        parts.next();
        let (language, text) = block.split_once('\n').unwrap_or((block, ""));
        steps.push(match language {
            "sh" => Step::Shell(text.to_owned()),
            "text" => Step::Output(text.to_owned()),
            _ => Step::Rust(included(text.trim())?),
        });
    }
    Ok(steps)
}

/// What `{{#include file:anchor}}` stands for.
fn included(text: &str) -> Result<String, Failure> {
    let place = text
        .strip_prefix("{{#include ")
        .and_then(|rest| rest.strip_suffix("}}"))
        .and_then(|place| place.rsplit_once(':'));
    let Some((file, anchor)) = place else {
        return Ok(text.to_owned());
    };
    let file = root().join("docs/src").join(file);
    anchored(&read(&file)?, anchor)
        .ok_or_else(|| format!("{}: has no anchor {anchor}", file.display()))
}

fn anchored(text: &str, anchor: &str) -> Option<String> {
    let (_, after) = text.split_once(&format!("// ANCHOR: {anchor}\n"))?;
    let (inside, _) = after.split_once(&format!("// ANCHOR_END: {anchor}\n"))?;
    Some(inside.to_owned())
}

/// The text with each number cut at its point, and space at the end of lines gone.
fn without_decimals(text: &str) -> String {
    let mut cut = String::new();
    let mut is_behind_point = false;
    for character in text.trim().chars() {
        is_behind_point = match character {
            '.' => true,
            '0'..='9' => is_behind_point,
            _ => false,
        };
        if !is_behind_point {
            cut.push(character);
        }
    }
    cut
}

/// Runs a line where the page has it run, and returns what it prints.
fn shell(line: &str, folder: &Path) -> Result<String, Failure> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words).current_dir(folder);
    // What `cargo xtask` was started with would have the crate built as a part of this workspace.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{line}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{line}: {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(to, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of the page are the whole example, in their order.
    #[test]
    fn the_page_has_every_line_of_its_example() {
        let page = read(&root().join(PAGE)).expect("the page");
        let steps = steps(&page).expect("every anchor is there");
        let pieces: Vec<&str> = steps.iter().filter_map(Step::rust).collect();
        let example = read(&root().join("crates/upernet/examples/custom_backbone.rs"));
        let example = example.expect("the example");
        let code = example.lines().filter(|line| {
            !(line.starts_with("//!") || line.starts_with("#![") || line.starts_with("// ANCHOR"))
        });
        let code: Vec<&str> = code.filter(|line| !line.is_empty()).collect();
        let pieces = pieces.join("\n");
        let pieces: Vec<&str> = pieces.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(pieces, code);
        assert!(steps.iter().any(|step| step.output().is_some()));
    }

    #[test]
    fn numbers_are_compared_up_to_their_point() {
        assert_eq!(without_decimals("loss 2.30 -> 1.9\n"), "loss 2 -> 1");
        assert_eq!(without_decimals("[2, 5]"), "[2, 5]");
    }
}
