//! A `config.json` in, a network with fresh weights and its costs out.
//!
//!     cargo run --release -p upernet --example build_from_config -- [CONFIG_JSON]
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::{
    env,
    path::{Path, PathBuf},
};

use upernet::{burn::module::Module, device, hf::config::HfConfig, zoo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tiny/config.json");
    let path = env::args_os().nth(1).map_or(tiny, PathBuf::from);
    let device = device::open("flex")?;

    let config = HfConfig::read(&path)?;
    let model = zoo::build(&config, &device)?;
    let cost = zoo::cost(&config, [512, 512], &device)?;

    println!("backbone    {}", config.backbone.model_type());
    println!("classes     {}", config.num_labels());
    println!("parameters  {}", cost.parameters);
    println!("  backbone  {}", cost.backbone_parameters);
    // burn also counts running statistics, which no optimiser changes.
    println!("stored      {}", model.num_params());
    println!("GMAC        {:.2} at 512 x 512", cost.macs as f64 / 1e9);
    Ok(())
}
