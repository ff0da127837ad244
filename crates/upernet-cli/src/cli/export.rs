//! What `export` accepts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::size;

/// Write a model for other programs
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    pub(crate) verb: ExportVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportVerb {
    Onnx(OnnxArgs),
}

const ONNX_AFTER: &str = "\
The file has operator set 17. Its input is pixel_values, f32 [batch, channels, height, width], already \
resized and normalised; its output is logits, f32 [batch, classes, height, width]. Any batch will do. \
The auxiliary head is left out and batch normalisation is folded into the convolutions. config.json and \
preprocessor_config.json are in the file as metadata.

With one size, everything that depends on it is a constant, which is what most runtimes are best at. \
With --dynamic-size the graph computes it for each image.

The files are listed on stdout. Weights in a file of their own are FILE.data, which moves with FILE; \
above 2 GB they have to be.

Examples:
  upernet export onnx --model openmmlab/upernet-swin-tiny --out swin.onnx
  upernet export onnx --model ./my-model --out street.onnx --size 1024x2048
  upernet export onnx --model ./my-model --out any.onnx --dynamic-size --json | jq .bytes";

/// Write a model as an ONNX file, for other runtimes
#[derive(Args, Debug)]
#[command(after_help = ONNX_AFTER)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a command line are independent of each other"
)]
pub(crate) struct OnnxArgs {
    /// Model: a folder, a weight file, or an id on the Hugging Face hub
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: String,
    /// ONNX file to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Size of the images it takes [default: what the model's processor makes]
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = size)]
    pub(crate) size: Option<[usize; 2]>,
    /// Take images of any size
    #[arg(long, conflicts_with = "size")]
    pub(crate) dynamic_size: bool,
    /// Write the weights to a file of their own, FILE.data
    #[arg(long)]
    pub(crate) external_data: bool,
    /// Replace files that are there already
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Print one JSON document instead of the files' names
    #[arg(long)]
    pub(crate) json: bool,
}
