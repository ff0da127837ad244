//! The arguments of `eval`, and those that say how a dataset is read.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{DeviceArgs, PrecisionArgs};

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
    /// Score outlines too: boundary IoU
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
