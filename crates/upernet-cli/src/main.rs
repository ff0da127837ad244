//! The `upernet` command: arguments in, exit code out. What each verb does is in `commands`.

mod cli;
mod commands;
mod console;
mod failure;
mod interrupt;
mod model;
mod output;
mod panics;
mod precision;
mod threads;

use std::{process::ExitCode, time::Instant};

use clap::Parser as _;

use crate::{cli::Cli, console::Console};

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::parse();
    let console = Console::new(cli.verbosity);
    interrupt::install(console);
    let result = panics::caught(console, || {
        threads::limit(cli.threads, cli.verb.caller())?;
        commands::run(cli.verb, console, started)
    });
    interrupt::finish();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                console.error(&message);
            }
            failure.code().into()
        }
    }
}
