//! PVTv2 in two forms, and what attention to a pooled map saves.
//!
//!     cargo run --release -p upernet --example build_pvt_v2
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use upernet::hf::config::{HfBackboneConfig, HfConfig, HfPvtV2Config};
use upernet::{device, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device::open("flex")?;

    for (name, linear_attention) in [("strided convolutions", false), ("averages of 7 x 7", true)] {
        // PVTv2-B2: keys and values come from a smaller map.
        let backbone = HfPvtV2Config {
            hidden_sizes: vec![64, 128, 320, 512],
            depths: vec![3, 4, 6, 3],
            linear_attention,
            ..HfPvtV2Config::default()
        };
        let backbone = HfBackboneConfig::from(backbone).with_all_stages();
        let config = HfConfig::new(backbone);
        let cost = zoo::cost(&config, [1024, 1024], &device)?;
        println!(
            "keys from {name}: backbone of {:.1} M parameters, {:.0} GMAC at 1024 x 1024",
            cost.backbone_parameters as f64 / 1e6,
            cost.macs as f64 / 1e9
        );
    }
    Ok(())
}
