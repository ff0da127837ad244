//! DINOv3's ViT: rotary positions, so that every size is like every other.
//!
//!     cargo run --release -p upernet --example build_dinov3_vit
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::burn::tensor::{Distribution, Tensor};
use upernet::hf::config::{HfBackboneConfig, HfConfig, HfDinov3VitConfig};
use upernet::{device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;

    // `facebook/dinov3-vits16-pretrain-lvd1689m`.
    let backbone = HfDinov3VitConfig {
        hidden_size: 384,
        num_attention_heads: 6,
        intermediate_size: 1536,
        num_register_tokens: 4,
        out_stages: vec![3, 6, 9, 12],
        ..HfDinov3VitConfig::default()
    };
    let mut config = HfConfig::new(HfBackboneConfig::from(backbone));
    config.hidden_size = 128;
    let model = zoo::build(&config, &device)?;

    for size in [[96, 96], [96, 160]] {
        let shape = [1, 3, size[0], size[1]];
        let pixel_values = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device);
        println!("logits  {:?}", model.forward(pixel_values).dims());
    }
    Ok(())
}
