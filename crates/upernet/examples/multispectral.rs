//! Weights of photos as the beginning of a network for five bands.
//!
//!     cargo run --release -p upernet --example multispectral
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::burn::{
    module::Module,
    tensor::{Distribution, Int, Tensor},
};
use upernet::hf::{ModelFolder, config::HfBackboneConfig};
use upernet::zoo::{BuildOptions, start};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = upernet::device::open("flex")?.autodiff();
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/tiny");
    let weights = ModelFolder::open(weights.as_ref())?;

    // ANCHOR: bands
    let mut config = weights.config.clone();
    if let HfBackboneConfig::ConvNext(backbone) = &mut config.backbone {
        backbone.num_channels = 5; // red, green, blue, and two of the infrared
    }
    let (model, report) =
        start::from_checkpoint(&weights, &config, &BuildOptions::default(), &device)?;
    println!("{report}");
    // ANCHOR_END: bands

    let pixel_values = Tensor::random([1, 5, 64, 96], Distribution::Normal(0.0, 1.0), &device);
    let labels: Tensor<3, Int> = Tensor::zeros([1, 64, 96], &device);
    // Weights come from a file as they are; `train` has their gradients recorded.
    let output = model.train().forward_with_labels(pixel_values, labels);
    let logits = output.logits.dims();
    let _gradients = output.loss.backward();
    println!("logits {logits:?}");
    Ok(())
}
