//! The command line of the chores.

use std::path::PathBuf;

/// What `cargo xtask` prints without a verb.
pub(crate) const USAGE: &str = "\
cargo xtask VERB

  ci                      what must hold for every change (.ci/run)
  tidy                    the rules of ARCHITECTURE.md that a program can check
  conformance --device D  the golden suite and `upernet doctor` on a device; prints a table row
  demo-model FOLDER       makes the embedded demo model of a trained one
  goldens                 makes testdata anew with Python and shows what changed
  bench-peers [--python EXISTING] [OPTION...]
                          time beside PyTorch, ONNX Runtime and OpenVINO, written to
                          docs/performance.md; options are those of scripts/bench_peers.py:
                          --models, --only, --rounds, --sizes, --quick, --render and others
  walkthrough FOLDER      follows the book's page on a backbone of your own, word for word, in FOLDER,
                          which is made; builds burn, so it takes minutes
  same-mask FOUND EXPECTED
                          whether two PNG masks hold the same class ids";

/// A chore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Help,
    Ci,
    Tidy,
    Conformance {
        device: String,
    },
    DemoModel {
        folder: PathBuf,
    },
    Goldens,
    BenchPeers {
        /// An interpreter that has the packages.
        python: Option<String>,
        options: Vec<String>,
    },
    Walkthrough {
        folder: PathBuf,
    },
    SameMask {
        found: PathBuf,
        expected: PathBuf,
    },
}

impl Verb {
    /// Reads the arguments after `cargo xtask`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments.as_slice() {
            [] | ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["ci"] => Ok(Self::Ci),
            ["tidy"] => Ok(Self::Tidy),
            ["conformance", "--device", device] => Ok(Self::Conformance {
                device: (*device).to_owned(),
            }),
            ["demo-model", folder] => Ok(Self::DemoModel {
                folder: folder.into(),
            }),
            ["goldens"] => Ok(Self::Goldens),
            ["bench-peers", "--python", python, options @ ..] => Ok(Self::BenchPeers {
                python: Some((*python).to_owned()),
                options: owned(options),
            }),
            ["bench-peers", "--python"] => Err("--python needs an interpreter".to_owned()),
            ["bench-peers", options @ ..] => Ok(Self::BenchPeers {
                python: None,
                options: owned(options),
            }),
            ["walkthrough", folder] => Ok(Self::Walkthrough {
                folder: folder.into(),
            }),
            ["same-mask", found, expected] => Ok(Self::SameMask {
                found: found.into(),
                expected: expected.into(),
            }),
            other => Err(format!("not understood: {}", other.join(" "))),
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Verb, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Verb::parse(&words)
    }

    #[test]
    fn verbs_and_their_arguments() {
        assert_eq!(parse(""), Ok(Verb::Help));
        let device = "vulkan:1".to_owned();
        assert_eq!(
            parse("conformance --device vulkan:1"),
            Ok(Verb::Conformance { device })
        );
    }

    #[test]
    fn options_of_the_benchmark_are_the_scripts() {
        let options = vec!["--quick".to_owned(), "--rounds".to_owned(), "3".to_owned()];
        let python = Some("some/python".to_owned());
        assert_eq!(
            parse("bench-peers --python some/python --quick --rounds 3"),
            Ok(Verb::BenchPeers { python, options })
        );
        let python = None;
        let options = Vec::new();
        assert_eq!(
            parse("bench-peers"),
            Ok(Verb::BenchPeers { python, options })
        );
        assert!(parse("bench-peers --python").is_err());
    }

    #[test]
    fn what_is_left_over_is_refused() {
        assert_eq!(
            parse("tidy now"),
            Err("not understood: tidy now".to_owned())
        );
        assert!(parse("conformance").is_err());
    }
}
