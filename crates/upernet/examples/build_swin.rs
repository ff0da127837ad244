//! Two lines: choose a Swin, get a UPerNet with fresh weights.
//!
//!     cargo run --release -p upernet --example build_swin
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::burn::tensor::{Distribution, Tensor};
use upernet::hf::config::{HfBackboneConfig, HfConfig, HfSwinConfig};
use upernet::{device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;

    // ANCHOR: two_lines
    let backbone = HfBackboneConfig::from(HfSwinConfig::default()).with_all_stages(); // Swin-T
    let model = zoo::build(&HfConfig::new(backbone), &device)?;
    // ANCHOR_END: two_lines

    let pixel_values = Tensor::random([1, 3, 96, 128], Distribution::Normal(0.0, 1.0), &device);
    println!("logits  {:?}", model.forward(pixel_values).dims());
    Ok(())
}
