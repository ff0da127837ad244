//! What source files may not hold.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Failure;

/// Lines of a source file beyond which to look for its second idea.
const MOST_LINES: usize = 500;
/// Folders with sources of ours.
const FOLDERS: [&str; 6] = [
    "benches",
    "crates",
    "docs",
    "fuzz/fuzz_targets",
    "scripts",
    "xtask",
];
/// Folders that programs fill.
const GENERATED: [&str; 4] = ["__pycache__", "book", "corpus", "target"];

/// A word that only some files may hold.
struct Rule {
    words: &'static [&'static str],
    allowed: fn(&str) -> bool,
    why: &'static str,
}

// The words are cut in two so that this file does not hold them.
const RULES: [Rule; 5] = [
    Rule {
        words: &[concat!("inter", "polate("), concat!("Inter", "polate2d")],
        allowed: |path| path == "crates/upernet-ops/src/resize.rs" || !is_library(path),
        why: "feature maps are resized by upernet_ops::resize_bilinear alone",
    },
    Rule {
        words: &[
            concat!("print", "ln!("),
            concat!("print", "!("),
            concat!("db", "g!("),
        ],
        allowed: |path| !is_library(path),
        why: "only binaries print",
    },
    Rule {
        words: &[concat!("#[ig", "nore"), concat!("```ig", "nore")],
        allowed: |_| false,
        why: "a test that does not run is no test",
    },
    Rule {
        words: &[
            concat!("uns", "afe {"),
            concat!("uns", "afe fn"),
            concat!("uns", "afe impl"),
        ],
        allowed: |path| {
            path.starts_with("crates/upernet-ops/src/kernels/")
                || path == "crates/upernet-ops/src/memory.rs"
                || path == "crates/upernet-hf/src/weights/backing.rs"
                || !is_library(path)
        },
        why: "only kernels and the memory map go without the compiler's checks",
    },
    Rule {
        words: &[concat!("../sh", "ared"), concat!("/wo", "rk/")],
        allowed: |_| false,
        why: "the repository stands alone, whatever lies beside it",
    },
];

/// Lists files that are too long and lines that break a rule.
pub(super) fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let mut findings = Vec::new();
    for folder in FOLDERS {
        for path in files_below(&root.join(folder))? {
            let extension = path.extension().unwrap_or_default();
            if ["rs", "py", "md", "toml"]
                .iter()
                .any(|known| extension == *known)
            {
                let text = fs::read_to_string(&path).map_err(|error| named(&path, &error))?;
                let path = path.strip_prefix(root).unwrap_or(&path);
                let path = path.to_string_lossy().replace('\\', "/");
                findings.extend(check_file(&path, &text));
            }
        }
    }
    Ok(findings)
}

/// Bytes of all files below a folder.
pub(super) fn bytes_below(folder: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for path in files_below(folder)? {
        bytes += fs::metadata(&path)
            .map_err(|error| named(&path, &error))?
            .len();
    }
    Ok(bytes)
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > MOST_LINES {
        findings.push(format!("{path}: {lines} lines, look for the second idea"));
    }
    for rule in RULES.iter().filter(|rule| !(rule.allowed)(path)) {
        for (number, line) in text.lines().enumerate() {
            if rule.words.iter().any(|word| holds(line, word)) {
                findings.push(format!("{path}:{}: {}", number + 1, rule.why));
            }
        }
    }
    findings
}

/// Whether a line holds a word; documentation may speak of what code may not do.
fn holds(line: &str, word: &str) -> bool {
    let is_comment = line.trim_start().starts_with("//");
    let is_code_word = word.ends_with('(') || word.ends_with('d');
    line.contains(word) && !(is_comment && is_code_word)
}

/// Sources of a crate that is no binary.
fn is_library(path: &str) -> bool {
    path.starts_with("crates/")
        && path.contains("/src/")
        && !path.starts_with("crates/upernet-cli/")
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| named(&folder, &error))? {
            let path = entry.map_err(|error| named(&folder, &error))?.path();
            let name = path.file_name().unwrap_or_default();
            if !path.is_dir() {
                files.push(path);
            } else if !GENERATED.iter().any(|generated| name == *generated) {
                folders.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn named(path: &Path, error: &std::io::Error) -> Failure {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_do_not_print() {
        let line = concat!("    print", "ln!(\"x\");");
        assert_eq!(
            check_file("crates/upernet-nn/src/a.rs", line),
            ["crates/upernet-nn/src/a.rs:1: only binaries print"]
        );
        assert!(check_file("crates/upernet-cli/src/a.rs", line).is_empty());
        assert!(check_file("crates/upernet-nn/tests/a.rs", line).is_empty());
        assert!(check_file("crates/upernet-nn/src/a.rs", &format!("/// {line}")).is_empty());
    }

    #[test]
    fn one_function_resizes() {
        let line = concat!("inter", "polate(map)");
        assert_eq!(check_file("crates/upernet-head/src/a.rs", line).len(), 1);
        assert!(check_file("crates/upernet-ops/src/resize.rs", line).is_empty());
    }

    #[test]
    fn kernels_alone_are_not_checked() {
        let line = concat!("uns", "afe { x }");
        assert_eq!(check_file("crates/upernet-nn/src/a.rs", line).len(), 1);
        assert!(check_file("crates/upernet-ops/src/kernels/a.rs", line).is_empty());
    }

    #[test]
    fn tests_run() {
        let line = concat!("#[ig", "nore = \"slow\"]");
        assert_eq!(check_file("crates/upernet-nn/tests/a.rs", line).len(), 1);
    }

    #[test]
    fn long_files_are_found() {
        let text = "x\n".repeat(MOST_LINES + 1);
        assert_eq!(check_file("scripts/a.py", &text).len(), 1);
    }

    #[test]
    fn sizes_are_summed_through_folders() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("a")).expect("a folder");
        fs::write(folder.path().join("a/b"), [0; 10]).expect("a file");
        fs::write(folder.path().join("c"), [0; 5]).expect("a file");
        assert_eq!(bytes_below(folder.path()), Ok(15));
    }
}
