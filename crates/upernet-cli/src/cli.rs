//! What the command line accepts, and the text that teaches it.

mod convert;
mod data;
#[cfg(feature = "demo")]
mod demo;
mod export;
#[cfg(feature = "remote")]
mod lend;
mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use upernet::hf::processor::MAX_SIDE;

pub(crate) use convert::{ConvertArgs, Dtype, Format};
pub(crate) use data::{AbsentName, DataArgs, DataVerb, DatasetArgs, EvalArgs, LookArgs};
#[cfg(feature = "demo")]
pub(crate) use demo::DemoArgs;
pub(crate) use export::{ExportArgs, ExportVerb, OnnxArgs};
#[cfg(feature = "remote")]
pub(crate) use lend::LendArgs;
pub(crate) use train::{ConfigArgs, ConfigVerb, SettingsArgs, TrainArgs};

use crate::threads::Caller;

const AFTER: &str = "\
A model is a folder in Hugging Face's layout (config.json, model.safetensors or \
pytorch_model.bin, and perhaps preprocessor_config.json), a weight file in such a folder, or an id \
on the Hugging Face hub such as openmmlab/upernet-swin-tiny, perhaps with @revision.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 the call makes no \
sense, 3 not found, 4 bad data, config or weights, 5 device unavailable, 130 interrupted.

Examples:
  upernet segment photo.jpg --model openmmlab/upernet-swin-tiny --out masks
  upernet models ls
  upernet devices";

/// Semantic segmentation with UPerNet: the class of every pixel of a photo.
#[derive(Debug, Parser)]
#[command(
    name = "upernet",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = AFTER, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
    /// Threads that compute on the processor
    ///
    /// Without it, `RAYON_NUM_THREADS` says how many, and else there is one for each core.
    #[arg(long, global = true, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// How much goes to stderr.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Verbosity {
    /// Errors alone on stderr: no notes, no progress bars
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// More on stderr: what is loaded from where, and how long it takes
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    Segment(SegmentArgs),
    Forward(ForwardArgs),
    Bench(BenchArgs),
    Data(DataArgs),
    Eval(EvalArgs),
    Train(TrainArgs),
    Config(ConfigArgs),
    Models(ModelsArgs),
    Convert(ConvertArgs),
    Export(ExportArgs),
    Devices(DevicesArgs),
    #[cfg(feature = "remote")]
    Lend(LendArgs),
    Doctor(DoctorArgs),
    Completions(CompletionsArgs),
}

impl Verb {
    /// What the main thread does while others compute.
    pub(crate) fn caller(&self) -> Caller {
        match self {
            #[cfg(feature = "remote")]
            Self::Lend(_) => Caller::Waits,
            Self::Train(args) if args.devices.len() > 1 => Caller::Waits,
            _ => Caller::Computes,
        }
    }
}

/// Where to compute.
#[derive(Args, Debug)]
pub(crate) struct DeviceArgs {
    /// Device: auto, flex, ndarray, wgpu[:n], vulkan[:n], metal, cuda[:n], rocm[:n] or cpu
    ///
    /// `auto` takes the first one found, graphics cards before processors, and says which. Any other
    /// name is that device or an error; nothing falls back. `upernet devices` lists what there is.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: String,
}

/// In which number format the network multiplies.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PrecisionArgs {
    /// Number format of the network's products
    ///
    /// With `bf16` the factors of a product have 8 significant bits, and sums 24 as before: faster on a
    /// processor that has such products (AVX512-BF16), and for one pixel in some hundred another class
    /// is the best. Elsewhere a line on stderr says that `f32` takes its place.
    #[arg(long, value_name = "FORMAT", default_value = "f32")]
    pub(crate) precision: PrecisionName,
}

/// A number format, as the command line calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionName {
    /// 32 bits, as trained
    F32,
    /// Factors of 16 bits, sums of 32
    Bf16,
}

const SEGMENT_AFTER: &str = "\
For photo.jpg this writes DIR/photo.png, an indexed PNG whose pixels are class ids and whose \
palette shows them in colour, and DIR/photo_overlay.png, the same over the photo. The overlay comes \
first and the mask last, so a mask that is there is complete.

A photo that cannot be read is one line on stderr, and the others go on. The exit code is then that \
of the failures, or 1 if they differ.

Examples:
  upernet segment street.jpg --model openmmlab/upernet-convnext-tiny --out masks
  upernet segment photos/ 'more/*.png' --model ./my-model --out masks --skip-existing
  upernet segment aerial.tif --model ./my-model --out masks --slide 512
  upernet segment street.jpg --model ./my-model --out masks --json | jq '.images[0].classes[0]'";

/// Label every pixel of photos: a mask, an overlay and a table of classes for each
#[derive(Args, Debug)]
#[command(after_help = SEGMENT_AFTER)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct SegmentArgs {
    /// Photos, folders of photos, or quoted patterns such as 'photos/*.jpg'
    ///
    /// From folders come files called .jpg, .jpeg, .png, .webp, .tif, .tiff, .bmp or .gif, unless
    /// their name starts with a dot.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Model: a folder, a weight file, or an id on the Hugging Face hub [default: the embedded demo
    /// model, which knows street scenes and was trained on drawn ones]
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Folder for the results; made if it is not there
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Write also the logits, as DIR/<stem>.safetensors
    ///
    /// The file holds one tensor, `logits`, f32 [classes, height, width] at the photo's size: 4 bytes
    /// for each class and pixel.
    #[arg(long, value_name = "WHAT")]
    pub(crate) save: Option<Save>,
    /// Go over photos at their own size with windows of this size, instead of resizing them
    ///
    /// Windows overlap, and a pixel's logits are averaged over all that see it, as mmsegmentation's mode
    /// `slide` does. A photo that is smaller is one window of its own size. The size should be that of
    /// the crops the model was trained on.
    #[arg(long, value_name = "SIDE|HEIGHTxWIDTH", value_parser = side_or_size)]
    pub(crate) slide: Option<[usize; 2]>,
    /// Pixels from one window to the next [default: two thirds of a window]
    #[arg(long, value_name = "SIDE|HEIGHTxWIDTH", value_parser = side_or_size, requires = "slide")]
    pub(crate) stride: Option<[usize; 2]>,
    /// Share of the class colours in the overlay, from 0 (the photo) to 1 (the colours)
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    pub(crate) opacity: f32,
    /// Look for photos in folders inside of folders too
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// Replace results that are there already
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Pass over photos whose results are all there, to go on with an interrupted run
    #[arg(long, conflicts_with = "force")]
    pub(crate) skip_existing: bool,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// Results of `segment` that are not written unless asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Save {
    /// What the network says of each class at each pixel.
    Logits,
}

const BENCH_AFTER: &str = "\
Each run goes from the photo's pixels to the mask: preprocess (resize and normalise), backbone, head \
(its logits brought to the host), postprocess (resize and best class). The table has the median, the \
shortest and the longest of the runs; images per second follow from the median of whole runs. Peak \
memory is that of the whole process so far: after loading, and after each size.

Numbers mean something on a machine that does nothing else.

Examples:
  upernet bench --model openmmlab/upernet-convnext-tiny
  upernet bench --model ./my-model --size 512x512 --size 1024x2048 --batch 4 --threads 8
  upernet bench --model ./my-model --image street.jpg --runs 20 --json | jq '.results[0].seconds'";

/// Time a model on this machine, stage by stage
#[derive(Args, Debug)]
#[command(after_help = BENCH_AFTER)]
pub(crate) struct BenchArgs {
    /// Model: a folder, a weight file, or an id on the Hugging Face hub
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: String,
    /// Size of the network's input; may be given several times [default: what the model's processor
    /// makes]
    #[arg(long = "size", value_name = "HEIGHTxWIDTH", value_parser = size)]
    pub(crate) sizes: Vec<[usize; 2]>,
    /// Photo to segment, resized to each size [default: a made-up one of the size itself]
    #[arg(long, value_name = "PHOTO")]
    pub(crate) image: Option<PathBuf>,
    /// Images that go through the network together
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) batch: u16,
    /// Measured runs for each size
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: u32,
    /// Runs for each size before the measured ones
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) warmup: u32,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

const FORWARD_AFTER: &str = "\
Reads pixel_values (f32 [N, channels, H, W], already normalised) and, if it is there, labels \
(i64 [N, H, W]). Writes feature.0 and so on (the backbone's maps), decode_logits (the head's, at the \
finest map's size) and logits (at the input's size). With labels it also writes loss (a scalar) and, \
if the model has an auxiliary head, aux_logits.

Without labels the network is the one that `segment` runs, made ready for inference; with them, the one \
that is trained, in f32.

To make an input in Python:
  safetensors.torch.save_file({'pixel_values': x.contiguous()}, 'input.safetensors')

Example:
  upernet forward --model ./my-model --input input.safetensors --output output.safetensors";

/// Run the bare network on tensors, to check a checkpoint or a port against another program
#[derive(Args, Debug)]
#[command(after_help = FORWARD_AFTER)]
pub(crate) struct ForwardArgs {
    /// Model: a folder, a weight file, or an id on the Hugging Face hub
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: String,
    /// Safetensors file to read
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Safetensors file to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace the output if it is there already
    #[arg(long, short)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

/// Find, inspect and download models
#[derive(Args, Debug)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) verb: ModelsVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsVerb {
    /// List the published UPerNets, with their size, cost and score
    #[command(after_help = "\
Scores are mean intersection over union on ADE20K's validation split in percent, at one scale and at \
several, as mmsegmentation publishes them. Multiply-adds are those of one crop.

Example:
  upernet models ls --json | jq -r '.models[] | select(.parameters < 1e8) | .id'")]
    Ls {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    Info(InfoArgs),
    /// Download a model into the cache that Python shares, and print its folder
    #[command(after_help = "\
A download that breaks off goes on where it stopped. The usual variables are heeded: HF_HOME, \
HF_HUB_CACHE, HF_ENDPOINT for mirrors, HF_TOKEN, HF_HUB_OFFLINE.

Examples:
  upernet models pull openmmlab/upernet-swin-tiny
  upernet segment photo.jpg --model \"$(upernet models pull openmmlab/upernet-swin-tiny)\" --out masks")]
    Pull {
        /// Id on the hub, perhaps with a branch, tag or commit: OWNER/NAME[@REVISION]
        #[arg(value_name = "MODEL")]
        model: String,
        /// Print JSON instead of the folder alone
        #[arg(long)]
        json: bool,
    },
}

const INFO_AFTER: &str = "\
Every key of the weights is accounted for: applied, ignored (it carries nothing the network needs), \
missing, unexpected, or of another shape; -v names them. The exit code is 4 if the weights do not \
make the network whole. No weights are read, but a model of the hub is downloaded first.

Examples:
  upernet models info ./my-model
  upernet models info openmmlab/upernet-swin-tiny --size 1024x2048";

/// Show what a model is made of, what it costs, and whether its weights fit
#[derive(Args, Debug)]
#[command(after_help = INFO_AFTER)]
pub(crate) struct InfoArgs {
    /// Model: a folder, a weight file, or an id on the Hugging Face hub
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,
    /// Size of the image to count multiply-adds for [default: what the model's processor makes]
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = size)]
    pub(crate) size: Option<[usize; 2]>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// List the compute backends: which this build has, and what devices they find
#[derive(Args, Debug)]
#[command(after_help = "\
The first device listed is what --device auto takes.

Example:
  upernet devices --json | jq -r '.backends[].devices[]'")]
pub(crate) struct DevicesArgs {
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

const DOCTOR_AFTER: &str = "\
Each operation that the network uses runs forward and backward on odd sizes, and so do two small \
networks, one on each backbone. A device is compared with flex, the backend that is tested against \
PyTorch. flex itself is compared with the same sums in 64 bits, its networks with ndarray if this \
build has it, otherwise its gradients with differences of its losses.

Each check is a process of its own, so a driver that crashes or hangs fails that check and no other. \
The exit code is 1 if one fails.

Examples:
  upernet doctor
  upernet doctor --device vulkan:1 --json";

/// Check that a device computes what it should, operation by operation
#[derive(Args, Debug)]
#[command(after_help = DOCTOR_AFTER)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Seconds that one check may take; compiling for a graphics card counts
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Run one check in this process and print its outcome as JSON
    #[arg(long, hide = true, value_name = "CHECK")]
    pub(crate) only: Option<String>,
}

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  upernet completions bash > ~/.local/share/bash-completion/completions/upernet
  upernet completions zsh > ~/.zfunc/_upernet
  upernet completions fish > ~/.config/fish/completions/upernet.fish")]
pub(crate) struct CompletionsArgs {
    pub(crate) shell: Shell,
}

/// Parses a share from 0 to 1.
fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("use a number from 0 to 1".to_owned()),
    }
}

/// Parses `HEIGHTxWIDTH` or the side of a square, in pixels.
fn side_or_size(text: &str) -> Result<[usize; 2], String> {
    let square = || size(&format!("{text}x{text}"));
    size(text).or_else(|_| square()).map_err(|_| {
        format!(
            "use HEIGHTxWIDTH or the side of a square in pixels, each from 1 to {MAX_SIDE}, as in 512"
        )
    })
}

/// Parses `HEIGHTxWIDTH`, in pixels.
fn size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| {
        text.parse()
            .ok()
            .filter(|side| (1..=MAX_SIDE).contains(side))
    };
    let sides = text
        .split_once('x')
        .and_then(|(height, width)| Some([side(height)?, side(width)?]));
    sides.ok_or_else(|| {
        format!("use HEIGHTxWIDTH in pixels, each from 1 to {MAX_SIDE}, as in 512x512")
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{Cli, share, side_or_size, size};

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_height_first() {
        assert_eq!(size("480x640"), Ok([480, 640]));
        assert_eq!(size("1x16384"), Ok([1, 16_384]));
        for wrong in ["480", "0x5", "x", "16385x1", "-1x4", "4 x 4"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_side_is_a_square() {
        assert_eq!(side_or_size("512"), Ok([512, 512]));
        assert_eq!(side_or_size("480x640"), Ok([480, 640]));
        for wrong in ["0", "x", "", "4x", "70000", "4x4x4"] {
            assert!(side_or_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_bounded() {
        assert_eq!(share("0.25"), Ok(0.25));
        for wrong in ["1.01", "-0.1", "NaN", "half"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
