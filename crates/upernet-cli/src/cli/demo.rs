//! The arguments of `demo`.

use std::path::PathBuf;

use clap::Args;

use super::DeviceArgs;

const DEMO_AFTER: &str = "\
The scene is drawn from the seed, so its true mask is known and the score is exact. The model is part of the \
program and has seen other scenes of the same generator, no photos.

DIR gets scene.png, mask.png (predicted), truth.png and overlay.png.

Examples:
  upernet demo
  upernet demo --out demo --seed 7";

/// Draw a street scene it has never seen, segment it with the embedded model, and score the mask
#[derive(Args, Debug)]
#[command(after_help = DEMO_AFTER)]
pub(crate) struct DemoArgs {
    /// Folder for the pictures; made if it is not there
    #[arg(long, short, value_name = "DIR", default_value = "demo")]
    pub(crate) out: PathBuf,
    /// Which scene
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Replace pictures that are there already
    #[arg(long, short)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}
