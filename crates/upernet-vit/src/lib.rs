//! Plain vision transformers as a backbone: pixels in, one feature map per requested layer out.
//!
//! Every layer has the same map, one cell for each patch, so the maps differ in depth alone.
//!
//! Source: Dosovitskiy et al., *An Image is Worth 16x16 Words* (2020),
//! <https://arxiv.org/abs/2010.11929>; Oquab et al., *DINOv2* (2023),
//! <https://arxiv.org/abs/2304.07193>; Darcet et al., *Vision Transformers Need Registers* (2023),
//! <https://arxiv.org/abs/2309.16588>; Siméoni et al., *DINOv3* (2025),
//! <https://arxiv.org/abs/2508.10104>. Upstream: Hugging Face `Dinov2Backbone`,
//! `Dinov2WithRegistersBackbone`, `DINOv3ViTBackbone` of `transformers` 5.23.
//!
//! - [`VitConfig`] -> [`Vit`], a [`Backbone`](upernet_nn::Backbone).
//! - Read from the image on: `embeddings`, `block`, and inside a block `attention`
//!   (with `rotary`) -> `mlp`.
//! - A neck ([`NeckKind`]) makes maps of four sizes, where they are asked for.
//! - [`PreparedVit`] is the backbone made ready for inference.
//!
//! Tokens are maps of one row, `[N, C, 1, L]`, whose memory has the channels last, so that operations on
//! maps take them as they are.
//!
//! The crate knows no files and enables no burn backend.

mod attention;
mod backbone;
mod block;
mod config;
mod embeddings;
mod mlp;
mod neck;
mod prepared;
mod rotary;
mod tokens;

pub use backbone::Vit;
pub use config::{
    Biases, HiddenActivation, ImageBorder, MaskTokenShape, MlpKind, NeckKind, OutputNorm,
    Positions, RotaryAugmentation, VitConfig,
};
pub use prepared::PreparedVit;
