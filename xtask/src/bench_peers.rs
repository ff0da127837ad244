//! This project beside PyTorch, ONNX Runtime and `OpenVINO`; writes `docs/performance.md`.

use crate::{Failure, python, shell::command};

/// Builds the command and runs the script, in a virtual environment of the pinned versions or with an
/// interpreter that has them.
pub(crate) fn run(interpreter: Option<&str>, options: &[String]) -> Result<(), Failure> {
    // The whole workspace: another choice of packages may compile burn anew.
    command("cargo", &["build", "--release", "--workspace"]).run()?;
    let interpreter = match interpreter {
        Some(interpreter) => interpreter,
        None => python::environment()?,
    };
    let mut words = vec!["scripts/bench_peers.py"];
    words.extend(options.iter().map(String::as_str));
    command(interpreter, &words).run()
}
