//! Other programs, run from the top of the repository.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::Failure;

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    parent.expect("xtask lies inside the repository").to_owned()
}

/// A program with its arguments, ready to run.
#[derive(Debug)]
pub(crate) struct Shell {
    command: Command,
    line: String,
}

/// Prepares `program`.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Shell {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    let line = format!("{program} {}", arguments.join(" "));
    Shell { command, line }
}

impl Shell {
    /// Sets an environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with this process's input and output; failing is an error.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        eprintln!("$ {}", self.line);
        let status = self.command.status();
        let status = status.map_err(|error| format!("{}: {error}", self.line))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{}: {status}", self.line))
        }
    }

    /// Runs it and keeps what it prints; failing is no error.
    pub(crate) fn output(mut self) -> Result<Output, Failure> {
        eprintln!("$ {}", self.line);
        let output = self.command.output();
        output.map_err(|error| format!("{}: {error}", self.line))
    }
}
