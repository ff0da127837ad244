//! The arguments of `data` and `eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{DeviceArgs, PrecisionArgs, share, size};

/// How a dataset is read where its folder does not say.
#[derive(Args, Clone, Debug)]
pub(crate) struct DatasetArgs {
    /// Layout instead of the one that is found: paired-folders, ade20k, cityscapes, pascal-voc, cvat,
    /// coco or labelme
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) layout: Option<String>,
    /// File with the label map, TOML or JSON: which id or colour of the masks is which class
    #[arg(long, value_name = "FILE")]
    pub(crate) label_map: Option<PathBuf>,
    /// Number of classes, if nothing in the folder says it
    #[arg(long, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=255))]
    pub(crate) num_classes: Option<u16>,
    /// Ids of the masks to leave out, beside 255
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) ignore: Vec<u16>,
    /// Leave out photos without a mask and masks without a photo, instead of refusing the dataset
    #[arg(long)]
    pub(crate) skip_unpaired: bool,
}

const EVAL_AFTER: &str = "\
All pixels of the split go into one confusion matrix; masks are compared at their own size. The line below \
the table says how classes that do not occur are counted: projects differ, and so do their scores.

Examples:
  upernet eval --model runs/street/best --data datasets/street
  upernet eval --model ./my-model --data camvid --split validation --boundary
  upernet eval --model ./my-model --data camvid --json | jq .scores.mIoU";

/// Score a model on a dataset: mIoU and the others, class by class
#[derive(Args, Debug)]
#[command(after_help = EVAL_AFTER)]
pub(crate) struct EvalArgs {
    /// Model: a folder, a weight file, or an id on the Hugging Face hub
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: String,
    /// Folder of the dataset
    #[arg(long, short, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Split to score [default: the one called validation, val or valid]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) split: Option<String>,
    /// What a class counts that neither truth nor prediction has
    #[arg(long, value_name = "RULE", default_value = "skip")]
    pub(crate) absent_classes: AbsentName,
    /// Score outlines too, by boundary intersection over union
    #[arg(long)]
    pub(crate) boundary: bool,
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Print one JSON document, with the confusion matrix, instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// What an absent class counts, as the command line calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AbsentName {
    /// Nothing, as in mmsegmentation
    Skip,
    /// 0, as in Ultralytics
    Zero,
}

/// Check, look at, divide, convert and make datasets
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) verb: DataVerb,
}

/// A dataset to look at.
#[derive(Args, Debug)]
pub(crate) struct LookArgs {
    /// Folder of the dataset
    #[arg(value_name = "DIR")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataVerb {
    /// Read everything once and list what training would stumble over, with file and fix
    #[command(after_help = "\
Exits with 4 if there is an error. A label map is proposed where the ids are not 0, 1, 2, ...

Examples:
  upernet data check datasets/street
  upernet data check datasets/street --json | jq '.problems[].fix'")]
    Check(LookArgs),
    /// Count pixels and photos of each class, and the class weights that follow
    #[command(after_help = "\
Example:
  upernet data stats datasets/street --split training")]
    Stats {
        #[command(flatten)]
        look: LookArgs,
        /// Split to count [default: all]
        #[arg(long, short, value_name = "NAME")]
        split: Option<String>,
    },
    /// Draw a contact sheet: photos, their labels, both over each other
    #[command(after_help = "\
Example:
  upernet data preview datasets/street --out sheet.png --count 24")]
    Preview {
        /// Folder of the dataset
        #[arg(value_name = "DIR")]
        path: PathBuf,
        #[command(flatten)]
        dataset: DatasetArgs,
        /// PNG file to write
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
        /// Split to draw [default: the first]
        #[arg(long, short, value_name = "NAME")]
        split: Option<String>,
        /// Samples, evenly spread over the split
        #[arg(long, value_name = "COUNT", default_value_t = 12)]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
        /// Replace the file if it is there already
        #[arg(long, short)]
        force: bool,
    },
    /// Divide a dataset into training and validation by lot, as text files in its folder
    #[command(after_help = "\
Frames of one video resemble each other: keep them together by hand, or the score is too good.

Example:
  upernet data split datasets/street --validation 0.2 --seed 1")]
    Split {
        /// Folder of the dataset
        #[arg(value_name = "DIR")]
        path: PathBuf,
        #[command(flatten)]
        dataset: DatasetArgs,
        /// Share of the photos to validate on
        #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
        validation: f32,
        /// Seed of the lot
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        seed: u64,
        /// Replace lists that are there already
        #[arg(long, short)]
        force: bool,
    },
    /// Write a dataset of any layout in ADE20K's, with indexed masks
    #[command(after_help = "\
Example:
  upernet data convert cvat-export --out datasets/street")]
    Convert {
        /// Folder of the dataset
        #[arg(value_name = "DIR")]
        path: PathBuf,
        #[command(flatten)]
        dataset: DatasetArgs,
        /// Folder to write
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
        /// Replace what an earlier conversion wrote there
        #[arg(long, short)]
        force: bool,
    },
    /// Write synthetic street scenes with exact masks of CamVid's eleven classes
    #[command(after_help = "\
The same seed gives the same scenes on every machine. No licence is attached to them.

Example:
  upernet data synth --count 1000 --size 360x480 --seed 7 --out datasets/scenes --validation 0.1")]
    Synth {
        /// Scenes to draw
        #[arg(long, value_name = "COUNT")]
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        count: u32,
        /// Size of the photos
        #[arg(long, value_name = "HEIGHTxWIDTH", default_value = "256x320", value_parser = size)]
        size: [usize; 2],
        /// Least width of thin things such as poles, as a share of the height [default: 1/56]
        #[arg(long, value_name = "SHARE")]
        least_width: Option<f32>,
        /// Seed of the scenes
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        seed: u64,
        /// Share of the scenes that go to a validation split
        #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
        validation: f32,
        /// Folder to write
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
        /// Replace what an earlier call wrote there
        #[arg(long, short)]
        force: bool,
    },
}
