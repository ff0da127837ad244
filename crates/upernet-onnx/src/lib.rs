//! UPerNets of Hugging Face's layout to ONNX files, without a tensor library.
//!
//! The network is lowered straight from `config.json` and the tensors by their hub keys, so neither
//! burn nor a backend is needed:
//!
//! - [`export`] writes the file; [`ExportOptions`] says for which image size, and where the weights go.
//! - [`Weights`] is where the tensors come from: a [`Checkpoint`](upernet_hf::weights::Checkpoint) with
//!   the hub's own names, or whatever knows other names.
//! - [`LOWERED_BACKBONES`] lists the backbone families that have a lowering, one file each in
//!   `families`.
//!
//! # What is in the file
//!
//! Operator set 17, the lowest with `LayerNormalization`. The input is `pixel_values`
//! `[batch, channels, height, width]`, the output `logits` `[batch, num_labels, height, width]`. The
//! batch is always free; height and width are constants unless [`ImageSize::Dynamic`] is asked for.
//! Batch normalisation is folded into the convolution before it and a layer scale into the layer before
//! it, in 64 bits; the auxiliary head is left out. Averages on the grids of the pyramid
//! pooling, and of PVTv2's keys, are two products with small matrices, since ONNX has no adaptive average
//! pooling. The two convolutions of joined maps meet their weights before they are resized, which saves
//! 40 % of a Swin-T's products at 512 x 512 and changes its result by no more than rounding.
//!
//! Initialisers are called by their hub keys; weights of linear layers lie transposed.
//!
//! # From here on
//!
//! `proto` writes protobuf, `graph` builds a graph whose sizes may be constants or computed, `layers`
//! are the layers of which `families` and `head` are made, `interpolation` brings learned grids to other
//! sizes, `write` streams the file.

mod error;
mod export;
mod families;
mod fusion;
mod graph;
mod head;
mod interpolation;
mod layers;
mod pool;
mod positions;
mod proto;
mod rounding;
mod weights;
mod write;

pub use error::Error;
pub use export::{ExportOptions, ImageSize, Summary, WeightPlace, export};
pub use families::LOWERED_BACKBONES;
pub use weights::Weights;
