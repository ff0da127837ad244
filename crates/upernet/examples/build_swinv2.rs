//! A Swin V2 whose windows are wider than those it was trained with.
//!
//!     cargo run --release -p upernet --example build_swinv2
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::burn::tensor::{Distribution, Tensor};
use upernet::hf::config::{HfBackboneConfig, HfConfig, HfSwinV2Config};
use upernet::{device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;

    // `swinv2-tiny-patch4-window16-256`, fine-tuned from windows of 8. Windows are no larger than the maps
    // of `image_size`, whatever image comes later.
    let backbone = HfSwinV2Config {
        image_size: 256,
        window_size: 16,
        pretrained_window_sizes: vec![8, 8, 8, 4],
        ..HfSwinV2Config::default()
    };
    let backbone = HfBackboneConfig::from(backbone).with_all_stages();
    let model = zoo::build(&HfConfig::new(backbone), &device)?;

    let pixel_values = Tensor::random([1, 3, 100, 140], Distribution::Normal(0.0, 1.0), &device);
    println!("logits  {:?}", model.forward(pixel_values).dims());
    Ok(())
}
