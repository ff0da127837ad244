//! The `upernet` command: arguments in, exit code out. What each verb does is in `commands`.

mod cli;
mod commands;
mod console;
mod failure;
mod interrupt;
mod model;
mod output;
mod panics;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, console::Console};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new(cli.verbosity);
    interrupt::install(console);
    let result = panics::caught(console, || commands::run(cli.verb, console));
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
