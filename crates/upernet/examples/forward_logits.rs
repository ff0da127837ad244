//! A tensor in, logits out: the network without photos, files of pictures or class names.
//!
//!     cargo run --release -p upernet --example forward_logits -- [MODEL]
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::{
    env,
    path::{Path, PathBuf},
};

use upernet::{
    burn::tensor::{Distribution, Tensor},
    device,
    hf::ModelFolder,
    zoo,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tiny");
    let path = env::args_os().nth(1).map_or(tiny, PathBuf::from);
    let device = device::open("flex")?;
    let (model, report) = zoo::load(&ModelFolder::open(&path)?, &device)?;
    println!("{} tensors applied", report.applied.len());

    let normal = Distribution::Normal(0.0, 1.0);
    let pixel_values = Tensor::random([1, 3, 97, 131], normal, &device);
    let small = model.forward_decode(pixel_values.clone());
    let logits = model.forward(pixel_values);
    println!("decode logits {:?}", small.dims());
    println!("logits        {:?}", logits.dims());
    println!("classes       {:?}", logits.argmax(1).dims());
    Ok(())
}
