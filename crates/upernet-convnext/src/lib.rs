//! ConvNeXt as a backbone: pixels in, one feature map per requested stage out.
//!
//! Source: Liu et al., *A ConvNet for the 2020s* (2022), <https://arxiv.org/abs/2201.03545>.
//! Upstream: Hugging Face `ConvNextBackbone`, where every returned stage has a norm of its own and
//! all norms have epsilon 1e-6 whatever the config says.
//!
//! - [`ConvNextConfig`] -> [`ConvNext`], a [`Backbone`](upernet_nn::Backbone).
//! - Read from the image on: `stem`, `downsample`, `block`.
//! - [`PreparedConvNext`] is the backbone made ready for inference.
//!
//! The crate knows no files and enables no burn backend.

mod backbone;
mod block;
mod config;
mod downsample;
mod prepared;
mod stem;

pub use backbone::ConvNext;
pub use config::ConvNextConfig;
pub use prepared::PreparedConvNext;

/// Epsilon of every norm in the network, fixed upstream.
const LAYER_NORM_EPS: f64 = 1e-6;
