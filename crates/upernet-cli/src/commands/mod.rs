//! One module for each verb.

mod completions;
mod devices;
mod doctor;
mod forward;
mod models;
mod segment;

use crate::{cli::Verb, console::Console, failure::Failure};

/// Does what the command line asked for.
pub(crate) fn run(verb: Verb, console: Console) -> Result<(), Failure> {
    match verb {
        Verb::Segment(args) => segment::run(&args, console),
        Verb::Forward(args) => forward::run(&args, console),
        Verb::Models(args) => models::run(args.verb, console),
        Verb::Devices(args) => devices::run(&args),
        Verb::Doctor(args) => doctor::run(&args, console),
        Verb::Completions(args) => completions::run(&args),
    }
}
