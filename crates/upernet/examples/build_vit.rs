//! Plain transformers under necks of ours: a ViT with either, and a DINOv2 with one and without.
//!
//!     cargo run --release -p upernet --example build_vit
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::burn::tensor::{Distribution, Tensor};
use upernet::hf::config::{HfBackboneConfig, HfConfig, HfDinov2Config, HfNeck, HfVitConfig};
use upernet::nn::Backbone;
use upernet::{device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;

    let out_stages = vec![3, 6, 9, 12];
    let vit = HfVitConfig {
        hidden_size: 192,
        num_attention_heads: 3,
        intermediate_size: 768,
        out_stages: out_stages.clone(),
        ..HfVitConfig::default()
    };
    let dinov2 = HfDinov2Config {
        hidden_size: 192,
        num_attention_heads: 3,
        patch_size: 16,
        out_stages,
        ..HfDinov2Config::default()
    };
    // In a config.json it is `"variant": "feature_pyramid"`; Hugging Face has no such neck.
    let with_pyramid = HfDinov2Config {
        neck: Some(HfNeck::FeaturePyramid),
        ..dinov2.clone()
    };
    // `"variant": "multi_level_neck"`, `"neck_channels": 96`.
    let resized = HfVitConfig {
        neck: Some(HfNeck::MultiLevel { channels: 96 }),
        ..vit.clone()
    };
    for (name, backbone) in [
        ("ViT", HfBackboneConfig::from(vit)),
        ("ViT, its maps resized", HfBackboneConfig::from(resized)),
        ("DINOv2", HfBackboneConfig::from(dinov2)),
        (
            "DINOv2 with a pyramid",
            HfBackboneConfig::from(with_pyramid),
        ),
    ] {
        let mut config = HfConfig::new(backbone);
        config.hidden_size = 64;
        let model = zoo::build(&config, &device)?;
        let pixel_values = Tensor::random([1, 3, 96, 128], Distribution::Normal(0.0, 1.0), &device);
        let sizes = model.backbone().forward(pixel_values).sizes();
        println!("{name}: maps of {sizes:?}");
    }
    Ok(())
}
