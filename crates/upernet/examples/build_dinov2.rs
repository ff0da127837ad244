//! DINOv2 with registers: all maps at the patch's stride, as Hugging Face's UPerNet takes them.
//!
//!     cargo run --release -p upernet --example build_dinov2
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::burn::tensor::{Distribution, Tensor};
use upernet::hf::config::{HfBackboneConfig, HfConfig, HfDinov2Config};
use upernet::nn::Backbone;
use upernet::{device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;

    // The sizes of `facebook/dinov2-with-registers-small`.
    let backbone = HfDinov2Config {
        hidden_size: 384,
        num_attention_heads: 6,
        out_stages: vec![3, 6, 9, 12],
        ..HfDinov2Config::with_registers()
    };
    let mut config = HfConfig::new(HfBackboneConfig::from(backbone));
    config.hidden_size = 256;
    let model = zoo::build(&config, &device)?;

    // Any size will do: positions are interpolated, and pixels beyond whole patches of 14 are left out.
    let pixel_values = Tensor::random([1, 3, 150, 200], Distribution::Normal(0.0, 1.0), &device);
    let features = model.backbone().forward(pixel_values.clone());
    println!("maps     {:?}", features.sizes());
    println!("logits   {:?}", model.forward(pixel_values).dims());
    Ok(())
}
