//! Help and completions.

use crate::support::run;

#[test]
fn every_verb_teaches_by_example() {
    let verbs: [&[&str]; 12] = [
        &[],
        &["segment"],
        &["forward"],
        &["bench"],
        &["models", "ls"],
        &["models", "info"],
        &["models", "pull"],
        &["convert"],
        &["export", "onnx"],
        &["devices"],
        &["doctor"],
        &["completions"],
    ];
    for verb in verbs {
        let help = run(verb.iter().chain(&["--help"])).succeeded().stdout;
        assert!(help.contains("Example"), "{verb:?} --help has no example");
        assert!(
            !help.contains("--only"),
            "{verb:?} --help shows what is not for people"
        );
        let short = run(verb.iter().chain(&["-h"])).succeeded().stdout;
        assert!(short.contains("Usage: upernet"), "{short}");
    }
}

#[test]
fn a_call_that_makes_no_sense_is_a_usage_error() {
    let calls: [&[&str]; 6] = [
        &[],
        &["paint"],
        &["segment"],
        &["segment", "a.jpg", "--model", "m"],
        &[
            "segment",
            "a.jpg",
            "--out",
            "x",
            "--model",
            "m",
            "--opacity",
            "2",
        ],
        &[
            "segment",
            "a.jpg",
            "--out",
            "x",
            "--model",
            "m",
            "--save",
            "everything",
        ],
    ];
    for call in calls {
        let ended = run(call);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{call:?}"
        );
    }
}

#[test]
fn completions_know_the_verbs() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(["completions", shell]).succeeded().stdout;
        for word in ["segment", "doctor", "skip-existing"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(run(["completions", "basic"]).code, Some(2));
}
