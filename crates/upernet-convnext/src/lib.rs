//! ConvNeXt as a backbone: pixels in, one feature map per requested stage out.
//!
//! Three published families are this one network with other choices:
//!
//! | | [`BranchScale`] | [`OutputNorm`] | upstream |
//! |---|---|---|---|
//! | ConvNeXt | layer scale | each map | `ConvNextBackbone` |
//! | ConvNeXt V2 | response norm | each map | `ConvNextV2Backbone` |
//! | DINOv3's ConvNeXt | layer scale | none | `DINOv3ConvNextBackbone` |
//!
//! Source: Liu et al., *A ConvNet for the 2020s* (2022), <https://arxiv.org/abs/2201.03545>;
//! Woo et al., *ConvNeXt V2* (2023), <https://arxiv.org/abs/2301.00808>;
//! Siméoni et al., *DINOv3* (2025), <https://arxiv.org/abs/2508.10104>.
//!
//! - [`ConvNextConfig`] -> [`ConvNext`], a [`Backbone`](upernet_nn::Backbone).
//! - Read from the image on: `stem`, `downsample`, `block`, `response_norm`.
//! - [`PreparedConvNext`] is the backbone made ready for inference.
//!
//! The crate knows no files and enables no burn backend.

mod backbone;
mod block;
mod config;
mod downsample;
mod prepared;
mod response_norm;
mod stem;

pub use backbone::ConvNext;
pub use config::{BranchScale, ConvNextConfig, OutputNorm};
pub use prepared::PreparedConvNext;
