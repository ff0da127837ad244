//! The UPerNets that openmmlab published on the hub, as data.

/// A published checkpoint, what its publishers say of it, and what was checked here.
///
/// All were trained on ADE20K for 160,000 iterations of batch 16.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PublishedModel {
    /// Name on the hub.
    pub id: &'static str,
    /// Backbone and its size.
    pub backbone: &'static str,
    /// Data the backbone was pretrained on, and the side of its images in pixels.
    pub pretraining: &'static str,
    /// Data the whole network was trained on.
    pub training_data: &'static str,
    /// Number of classes.
    pub num_labels: usize,
    /// Side of a training crop, in pixels.
    pub crop: usize,
    /// Trainable numbers, the auxiliary head included.
    pub parameters: u64,
    /// Multiply-adds of one crop, in units of 10^9, the auxiliary head included.
    pub gmacs: f64,
    /// Mean intersection over union on ADE20K's validation split at one scale, in percent, as
    /// mmsegmentation publishes it.
    pub miou: f64,
    /// The same over several scales and flips.
    pub miou_multi_scale: f64,
    /// Who measured the two scores.
    pub scored_by: &'static str,
    /// Licence that the hub's page states.
    pub licence: &'static str,
    /// How this project was compared with the reference on this architecture.
    pub checked: Checked,
}

/// How this project was compared with the reference on an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checked {
    /// The architecture at full size with random weights: all logits of one image against `transformers`.
    /// The published weights were not at hand.
    FullSize,
}

impl Checked {
    /// In a few words, for a table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullSize => "full size, random weights",
        }
    }
}

/// The table of published checkpoints.
#[must_use]
pub fn published() -> &'static [PublishedModel] {
    &PUBLISHED
}

/// One row, in the order of the columns of the table.
const fn row(
    id: &'static str,
    backbone: &'static str,
    (pretraining, crop): (&'static str, usize),
    parameters: u64,
    gmacs: f64,
    [miou, miou_multi_scale]: [f64; 2],
) -> PublishedModel {
    PublishedModel {
        id,
        backbone,
        pretraining,
        crop,
        parameters,
        gmacs,
        miou,
        miou_multi_scale,
        training_data: "ADE20K",
        num_labels: 150,
        scored_by: "mmsegmentation",
        licence: "MIT",
        checked: Checked::FullSize,
    }
}

const IN1K_224: (&str, usize) = ("ImageNet-1K, 224", 512);
const IN22K_384: (&str, usize) = ("ImageNet-22K, 384", 512);
const IN1K: (&str, usize) = ("ImageNet-1K, 224", 512);
const IN22K_640: (&str, usize) = ("ImageNet-22K, 224", 640);

/// Scores: the model zoo pages of mmsegmentation. Licences: the pages of the hub. Checks: `docs/src/parity.md`. Parameters and multiply-adds: `cost`, and equal
/// counts on PyTorch modules (see `docs/`).
#[rustfmt::skip]
const PUBLISHED: [PublishedModel; 9] = [
    row("openmmlab/upernet-swin-tiny", "Swin-T", IN1K_224, 59_941_862, 237.8, [44.41, 45.79]),
    row("openmmlab/upernet-swin-small", "Swin-S", IN1K_224, 81_259_766, 261.5, [47.72, 49.24]),
    row("openmmlab/upernet-swin-base", "Swin-B", IN22K_384, 121_415_076, 306.8, [50.76, 52.40]),
    row("openmmlab/upernet-swin-large", "Swin-L", IN22K_384, 233_962_976, 421.2, [52.25, 54.12]),
    row("openmmlab/upernet-convnext-tiny", "ConvNeXt-T", IN1K, 60_242_636, 235.6, [46.11, 46.62]),
    row("openmmlab/upernet-convnext-small", "ConvNeXt-S", IN1K, 81_877_196, 257.7, [48.56, 49.02]),
    row("openmmlab/upernet-convnext-base", "ConvNeXt-B", IN1K, 122_102_956, 293.6, [48.71, 49.54]),
    row("openmmlab/upernet-convnext-large", "ConvNeXt-L", IN22K_640, 234_994_796, 617.3, [53.16, 53.38]),
    row("openmmlab/upernet-convnext-xlarge", "ConvNeXt-XL", IN22K_640, 391_140_396, 837.4, [53.58, 54.11]),
];
