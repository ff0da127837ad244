//! What a configuration may ask for. Nothing is built from a file that asks for more.
//!
//! The largest published `UPerNet` (ConvNeXt-XL) has 2048 channels, 36 blocks and 391 M parameters.

/// Bytes of a JSON file that are read at most.
pub(crate) const MAX_FILE_BYTES: u64 = 16 << 20;
/// Channels of any one tensor.
pub(crate) const MAX_CHANNELS: usize = 65_536;
/// Stages of a backbone.
pub(crate) const MAX_STAGES: usize = 8;
/// Blocks of a backbone, over all stages.
pub(crate) const MAX_BLOCKS: usize = 1024;
/// Layers of a plain transformer, each of which is a stage; the largest published ones have 40.
pub(crate) const MAX_LAYERS: usize = 64;
/// Learned tokens that belong to no patch; published networks have 4.
pub(crate) const MAX_REGISTERS: usize = 1024;
/// Tokens along one side of an attention window.
pub(crate) const MAX_WINDOW: usize = 64;
/// Position biases of a Swin V2 over all blocks and heads: 4 GiB of f32, six times those of the largest
/// published one (windows of 24). They are computed, so no file has to hold them.
pub(crate) const MAX_POSITION_BIASES: f64 = 1_073_741_824.0;
/// Pixels along one side of a patch.
pub(crate) const MAX_PATCH: usize = 64;
/// Pixels along one side of an image.
pub(crate) const MAX_IMAGE_SIDE: usize = 65_536;
/// Classes.
pub(crate) const MAX_LABELS: usize = 65_535;
/// Bytes of one class name.
pub(crate) const MAX_LABEL_BYTES: usize = 1024;
/// Branches of the pyramid pooling module.
pub(crate) const MAX_POOL_SCALES: usize = 16;
/// Cells along one side of a pooling grid. No weight has this size, so a small file could otherwise
/// ask for gigabytes of pooled maps.
pub(crate) const MAX_POOL_SCALE: usize = 64;
/// Convolutions of the auxiliary head.
pub(crate) const MAX_AUXILIARY_CONVS: usize = 64;
/// Hidden channels of an MLP, as a multiple of its input channels.
pub(crate) const MAX_MLP_RATIO: f64 = 64.0;
/// Parameters of the whole network: 16 GiB of f32, ten times the largest published one.
pub(crate) const MAX_PARAMETERS: f64 = 4_294_967_296.0;
/// A probability of dropping; 1 would drop everything and divide by zero.
pub(crate) const DROP_RATES: std::ops::RangeInclusive<f64> = 0.0..=0.999_999;
