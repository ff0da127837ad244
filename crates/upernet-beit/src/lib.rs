//! BEiT as a backbone: pixels in, four feature maps out.
//!
//! Source: Bao et al., *BEiT: BERT Pre-Training of Image Transformers* (2021),
//! <https://arxiv.org/abs/2106.08254>. Upstream: Hugging Face `BeitBackbone`.
//!
//! A BEiT sees every patch from the first layer to the last at one resolution. What makes a pyramid of
//! the maps of four of its layers is a small [neck](BeitConfig::add_fpn): it is part of the backbone here
//! as upstream, yet nobody pretrains it.
//!
//! - [`BeitConfig`] -> [`Beit`], a [`Backbone`](upernet_nn::Backbone).
//! - Read from the image on: `embeddings`, `layer` (`attention`, then a perceptron), `neck`.
//! - Where a patch is: `positions` are added to patches, `relative_position_bias` to what attention makes
//!   of two of them. Both are interpolated to the image's size.
//! - [`PreparedBeit`] is the backbone made ready for inference.
//!
//! The crate knows no files and enables no burn backend.

mod attention;
mod backbone;
mod config;
mod embeddings;
mod layer;
mod positions;
mod prepared;
mod relative_position_bias;

pub use backbone::Beit;
pub use config::BeitConfig;
pub use prepared::PreparedBeit;
