//! A ConvNeXt V2 as a config.json, and the network that the text describes.
//!
//!     cargo run --release -p upernet --example build_convnextv2
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::hf::config::{HfBackboneConfig, HfConfig, HfConvNextV2Config};
use upernet::{burn::module::Module, device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ConvNeXt V2-Atto: small enough for a phone.
    let backbone = HfConvNextV2Config {
        hidden_sizes: vec![40, 80, 160, 320],
        depths: vec![2, 2, 6, 2],
        ..HfConvNextV2Config::default()
    };
    let mut config = HfConfig::new(HfBackboneConfig::from(backbone).with_all_stages());
    config.hidden_size = 128;
    config.use_auxiliary_head = false;

    // Python's transformers builds the same network from this text.
    let text = config.to_json();
    println!("{text}");
    let model = zoo::build(
        &HfConfig::from_json(text.as_bytes())?,
        &device::open("flex")?,
    )?;
    println!("{} parameters", model.num_params());
    Ok(())
}
