//! A ConvNeXt under a lighter head, with names for its classes, and what that costs.
//!
//!     cargo run --release -p upernet --example build_convnext
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::hf::config::{HfBackboneConfig, HfConfig, HfConvNextConfig};
use upernet::{burn::module::Module, device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;

    let backbone = HfBackboneConfig::from(HfConvNextConfig::default()).with_all_stages(); // ConvNeXt-T
    let mut config = HfConfig::new(backbone);
    config.id2label = ["background", "leaf", "stem"].map(str::to_owned).to_vec();
    for hidden_size in [512, 256, 128] {
        config.hidden_size = hidden_size;
        let cost = zoo::cost(&config, [512, 512], &device)?;
        println!(
            "hidden_size {hidden_size}: {:.1} M parameters, {:.1} GMAC at 512 x 512",
            cost.parameters as f64 / 1e6,
            cost.macs as f64 / 1e9
        );
    }
    let model = zoo::build(&config, &device)?;
    println!(
        "{} stored values, {} classes",
        model.num_params(),
        config.num_labels()
    );
    Ok(())
}
