//! `models`: what there is, what it is made of, and how to get it.

mod info;
mod ls;
mod pull;

use upernet::{burn::tensor::Device, device};

use crate::{cli::ModelsVerb, console::Console, failure::Failure};

pub(crate) fn run(verb: ModelsVerb, console: Console) -> Result<(), Failure> {
    match verb {
        ModelsVerb::Ls { json } => ls::run(json, console),
        ModelsVerb::Info(args) => info::run(&args, console),
        ModelsVerb::Pull { model, json } => pull::run(&model, json, console),
    }
}

/// A count in thousands of thousands, for people.
fn millions(count: u64) -> String {
    format!("{:.1} M", count as f64 / 1e6)
}

/// Any device will do, since modules that are never used hold no values.
pub(super) fn any_device() -> Result<Device, Failure> {
    let found = device::find("flex").or_else(|_| device::find("auto"))?;
    Ok(found.device)
}
