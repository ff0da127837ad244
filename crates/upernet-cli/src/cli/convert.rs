//! What `convert` accepts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const CONVERT_AFTER: &str = "\
Whose names the weights have is told by their keys: Hugging Face's of any generation, \
mmsegmentation's, timm's, torchvision's, Microsoft's (Swin), Meta's (ConvNeXt) or those of PVT's \
authors. Pickles are read without running anything in them.

A Hugging Face folder may be the source as well, to have its weights in another width (--dtype) or in \
burn's own format (--format burnpack).

A whole UPerNet becomes config.json, preprocessor_config.json and model.safetensors. A backbone on its \
own becomes config.json and model.safetensors, for a training to begin with. What the network is made \
of follows from the shapes of its tensors, unless a config.json is named or lies beside the weights; \
what no tensor tells is listed as assumed.

Every tensor is accounted for on stdout. If one has no place, or one is missing, nothing is written and \
the exit code is 4.

Examples:
  upernet convert upernet_swin_tiny_512x512_160k_ade20k.pth upernet-swin-tiny
  upernet convert swin_tiny_patch4_window7_224.pth swin-tiny --json | jq .keys.dropped
  upernet convert my-run.pth my-model --config upernet-swin-tiny/config.json
  upernet convert upernet-swin-tiny upernet-swin-tiny-f16 --dtype f16
  upernet convert upernet-swin-tiny swin-tiny-bpk --format burnpack";

/// How weights are kept in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    /// 32 bits, as they are computed with
    F32,
    /// IEEE's 16 bits
    F16,
    /// The upper 16 of 32 bits
    Bf16,
    /// 8 bits and a scale for each output channel; this program alone reads them
    Int8,
}

/// Kind of a weight file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// model.safetensors, for Python and everyone else
    Safetensors,
    /// model.bpk, which burn's modules load; a whole UPerNet alone
    Burnpack,
}

/// Make a Hugging Face folder of another library's weights
#[derive(Args, Debug)]
#[command(after_help = CONVERT_AFTER)]
pub(crate) struct ConvertArgs {
    /// Weight file (.pth, .pt, .bin, .safetensors, .bpk), or a folder with one
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// Folder to write; made if it is not there
    #[arg(value_name = "DST")]
    pub(crate) destination: PathBuf,
    /// A config.json, or a folder with one, of the network that the weights are of
    #[arg(long, value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// How the weights are kept; biases, norms and tables of positions keep 32 bits (but for f16 and bf16,
    /// which tables take)
    #[arg(long, value_enum, default_value = "f32")]
    pub(crate) dtype: Dtype,
    /// Kind of weight file
    #[arg(long, value_enum, default_value = "safetensors")]
    pub(crate) format: Format,
    /// Replace files that are there already
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
