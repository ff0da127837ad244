//! From `--precision` to what the network multiplies in.

use upernet::{device::Found, nn::Precision};

use crate::{
    cli::{PrecisionArgs, PrecisionName},
    console::Console,
};

/// The number format that was asked for if `found` has it, else `f32`, and a line that says so.
pub(crate) fn choose(args: PrecisionArgs, found: &Found, console: Console) -> Precision {
    match args.precision {
        PrecisionName::F32 => Precision::F32,
        PrecisionName::Bf16 if Precision::Bf16.has_kernels(&found.device) => Precision::Bf16,
        PrecisionName::Bf16 => {
            console.note(&format!(
                "{} has no products of bf16 on this machine; computing in f32",
                found.name
            ));
            Precision::F32
        }
    }
}

/// The name of a number format, as `--precision` takes it.
pub(crate) fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}
