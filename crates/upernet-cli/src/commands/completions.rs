//! `completions`: a script that makes a shell complete verbs and options.

use clap::CommandFactory as _;

use crate::{
    cli::{Cli, CompletionsArgs},
    failure::Failure,
    output::Stdout,
};

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "upernet", &mut script);
    Stdout::default().print_verbatim(&script)
}
