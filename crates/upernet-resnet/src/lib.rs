//! ResNet as a backbone: pixels in, one feature map per requested stage out.
//!
//! Source: He et al., *Deep Residual Learning for Image Recognition* (2016),
//! <https://arxiv.org/abs/1512.03385>. Upstream: Hugging Face `ResNetBackbone`, which is the network
//! called version 1.5: the 3 x 3 convolution of a bottleneck has the stride, not the first 1 x 1.
//!
//! One option is mmsegmentation's: [`ResNetConfig::deep_stem`], on which its published UPerNets are built.
//!
//! - [`ResNetConfig`] -> [`ResNet`], a [`Backbone`](upernet_nn::Backbone).
//! - Read from the image on: `embedder`, `block`, `conv_layer`.
//! - [`PreparedResNet`] is the backbone made ready for inference.
//!
//! The crate knows no files and enables no burn backend.

mod backbone;
mod block;
mod config;
mod conv_layer;
mod embedder;
mod prepared;

pub use backbone::ResNet;
pub use config::{HiddenActivation, LayerType, ResNetConfig};
pub use prepared::PreparedResNet;
