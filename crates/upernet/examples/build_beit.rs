//! BEiT of four layers under its neck, whose positions are interpolated to whatever image comes.
//!
//!     cargo run --release -p upernet --example build_beit
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::burn::tensor::Tensor;
use upernet::hf::config::{HfBackboneConfig, HfBeitConfig, HfConfig};
use upernet::nn::Backbone as _;
use upernet::{device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;

    let backbone = HfBeitConfig {
        image_size: 64,
        hidden_size: 48,
        num_hidden_layers: 6,
        num_attention_heads: 3,
        intermediate_size: 96,
        use_relative_position_bias: true,
        ..HfBeitConfig::default()
    };
    // The maps of layers 2, 3, 4 and 6, and the neck that makes a pyramid of them.
    let mut config = HfConfig::new(HfBackboneConfig::from(backbone).with_all_stages());
    config.hidden_size = 32;
    let model = zoo::build(&config, &device)?;

    for size in [[64, 64], [96, 160]] {
        let [height, width] = size;
        let image = Tensor::zeros([1, 3, height, width], &device);
        let maps = model.backbone().forward(image);
        println!("{height} x {width}: maps {:?}", maps.sizes());
    }
    Ok(())
}
