//! DINOv3's ConvNeXt, trainable and prepared for inference: the same logits, sooner.
//!
//!     cargo run --release -p upernet --example build_dinov3_convnext
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::time::Instant;

use upernet::burn::tensor::{Distribution, Tensor};
use upernet::hf::config::{HfBackboneConfig, HfConfig, HfDinov3ConvNextConfig};
use upernet::{device, nn::Precision, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;
    let backbone = HfBackboneConfig::from(HfDinov3ConvNextConfig::default()).with_all_stages();
    let model = zoo::build(&HfConfig::new(backbone), &device)?;

    let pixel_values = Tensor::random([1, 3, 256, 256], Distribution::Normal(0.0, 1.0), &device);
    let start = Instant::now();
    let expected = model.forward(pixel_values.clone());
    println!("trainable  {:.0?}", start.elapsed());

    let prepared = model.prepare(Precision::F32);
    let start = Instant::now();
    let logits = prepared.forward(pixel_values);
    println!("prepared   {:.0?}", start.elapsed());

    let difference: f32 = (logits - expected).abs().max().into_scalar();
    println!("largest difference of a logit: {difference:.1e}");
    Ok(())
}
