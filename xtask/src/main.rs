//! Project chores: `cargo xtask` lists them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool prints"
)]

mod bench_peers;
mod conformance;
mod demo_model;
mod goldens;
mod masks;
mod python;
mod shell;
mod tidy;
mod verb;
mod walkthrough;

use std::{env, process::ExitCode};

use verb::{USAGE, Verb};

/// What went wrong, in one line; several for a list of findings.
type Failure = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let verb = match Verb::parse(&arguments) {
        Ok(verb) => verb,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Help => println!("{USAGE}"),
        Verb::Ci => shell::command("bash", &[".ci/run"]).run()?,
        Verb::Tidy => tidy::run()?,
        Verb::Conformance { device } => println!("{}", conformance::run(&device)?),
        Verb::DemoModel { folder } => demo_model::run(&folder)?,
        Verb::Goldens => goldens::run()?,
        Verb::BenchPeers { python, options } => bench_peers::run(python.as_deref(), &options)?,
        Verb::Walkthrough { folder } => walkthrough::run(&folder)?,
        Verb::SameMask { found, expected } => masks::compare(&found, &expected)?,
    }
    Ok(())
}
