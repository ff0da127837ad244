//! One module for each verb.

mod bench;
mod completions;
mod config;
mod convert;
mod data;
#[cfg(feature = "demo")]
mod demo;
mod devices;
mod doctor;
mod eval;
mod export;
mod forward;
#[cfg(feature = "remote")]
mod lend;
mod models;
mod segment;
mod train;

use std::time::Instant;

use crate::{cli::Verb, console::Console, failure::Failure};

/// Does what the command line asked for; the program has run since `started`.
pub(crate) fn run(verb: Verb, console: Console, started: Instant) -> Result<(), Failure> {
    match verb {
        #[cfg(feature = "demo")]
        Verb::Demo(args) => demo::run(&args, console),
        Verb::Segment(args) => segment::run(&args, console),
        Verb::Forward(args) => forward::run(&args, console),
        Verb::Bench(args) => bench::run(&args, console, started),
        Verb::Data(args) => data::run(&args.verb, console),
        Verb::Eval(args) => eval::run(&args, console),
        Verb::Train(args) => train::run(&args, console),
        Verb::Config(args) => config::run(&args.verb),
        Verb::Models(args) => models::run(args.verb, console),
        Verb::Convert(args) => convert::run(&args, console),
        Verb::Export(args) => export::run(&args.verb, console),
        Verb::Devices(args) => devices::run(&args),
        #[cfg(feature = "remote")]
        Verb::Lend(args) => lend::run(&args, console),
        Verb::Doctor(args) => doctor::run(&args, console),
        Verb::Completions(args) => completions::run(&args),
    }
}
