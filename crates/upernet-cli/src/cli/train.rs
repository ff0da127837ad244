//! The arguments of `train` and `config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const TRAIN_AFTER: &str = "\
Settings come from a preset, then a config file (TOML or YAML), then --set, each over the one before. \
`upernet config presets` lists the presets, `upernet config show` prints what they merge to.

The run's folder holds the merged settings, metrics as CSV and JSON lines, curves, the confusion matrix \
and predictions through time as PNG, and two models in Hugging Face's layout: best/ (by mIoU on the \
validation split) and last/. Ctrl-C saves and exits with 130; --resume goes on, also after a crash, with \
the bits the run would have had without it.

Examples:
  upernet train --preset scratch-small --data datasets/street --out runs/street
  upernet train --config street.toml --set optimizer.learning_rate=1e-4 --out runs/street-2
  upernet train --resume runs/street
  upernet train --preset smoke --out runs/smoke";

/// Train a model on your own photos and masks
#[derive(Args, Debug)]
#[command(after_help = TRAIN_AFTER)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Folder of the dataset; the same as --set data.path=DIR
    #[arg(long, short, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Folder of the run; new or empty
    #[arg(long, short, value_name = "DIR", required_unless_present = "resume")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with the run in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "config", "preset"])]
    pub(crate) resume: Option<PathBuf>,
    /// Device, or several with commas between: each step's images are parted over them
    ///
    /// auto, flex, ndarray, wgpu[:n], vulkan[:n], metal, cuda[:n], rocm[:n] or cpu; see `upernet devices`.
    #[arg(
        long,
        visible_alias = "device",
        value_name = "DEVICE",
        value_delimiter = ','
    )]
    #[arg(default_value = "auto")]
    pub(crate) devices: Vec<String>,
    /// Print one JSON document at the end instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where settings come from.
#[derive(Args, Clone, Debug)]
pub(crate) struct SettingsArgs {
    /// Settings to start from; see `upernet config presets`
    #[arg(long, short, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Config file, TOML or (.yaml, .yml) YAML
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, such as optimizer.learning_rate=1e-4; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,
}

/// Write, check and show the settings of training
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print or write a config file to start from
    #[command(after_help = "\
Examples:
  upernet config init --preset scratch-small --out street.toml
  upernet config init --preset finetune | less")]
    Init {
        /// Settings to start from; see `upernet config presets`
        #[arg(long, short, value_name = "NAME", default_value = "scratch-small")]
        preset: String,
        /// File to write instead of printing
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Replace the file if it is there already
        #[arg(long, short)]
        force: bool,
    },
    /// Print the settings that a preset, a file and single settings merge to, every field of them
    #[command(after_help = "\
Examples:
  upernet config show --config street.toml --set batch_size=4
  upernet config show --preset demo --json | jq .optimizer")]
    Show {
        #[command(flatten)]
        settings: SettingsArgs,
        /// Print JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
    /// List the presets
    Presets {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}
