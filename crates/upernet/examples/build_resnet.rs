//! ResNet-18 with three of its four maps, other pooling grids and a deeper auxiliary head.
//!
//!     cargo run --release -p upernet --example build_resnet
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::burn::tensor::{Distribution, Int, Tensor};
use upernet::hf::config::{HfBackboneConfig, HfConfig, HfResNetConfig, HfResNetLayerType};
use upernet::{device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Gradients are recorded on an autodiff device.
    let device = device::open("flex")?.autodiff();

    let backbone = HfResNetConfig {
        hidden_sizes: vec![64, 128, 256, 512],
        depths: vec![2, 2, 2, 2],
        layer_type: HfResNetLayerType::Basic,
        out_stages: vec![2, 3, 4], // strides 8, 16 and 32
        ..HfResNetConfig::default()
    };
    let mut config = HfConfig::new(HfBackboneConfig::from(backbone));
    config.hidden_size = 64;
    config.pool_scales = vec![1, 2, 4];
    config.auxiliary_channels = 64;
    config.auxiliary_num_convs = 2;
    config.auxiliary_concat_input = true;
    let model = zoo::build(&config, &device)?;

    let pixel_values = Tensor::random([2, 3, 64, 96], Distribution::Normal(0.0, 1.0), &device);
    let labels: Tensor<3, Int> = Tensor::zeros([2, 64, 96], &device);
    let output = model.forward_with_labels(pixel_values, labels);
    println!("maps    {:?}", output.features.sizes());
    println!("logits  {:?}", output.logits.dims());
    let loss: f32 = output.loss.into_scalar();
    println!("loss    {loss:.3}");
    Ok(())
}
