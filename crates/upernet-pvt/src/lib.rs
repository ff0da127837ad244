//! PVTv2 as a backbone: pixels in, one feature map per requested stage out.
//!
//! Source: Wang et al., *PVT v2: Improved Baselines with Pyramid Vision Transformer* (2022),
//! <https://arxiv.org/abs/2106.13797>. Upstream: Hugging Face `PvtV2Backbone`.
//!
//! - [`PvtV2Config`] -> [`PvtV2`], a [`Backbone`](upernet_nn::Backbone).
//! - Read from the image on: `patch_embedding`, `block`, `attention`, `reduction`, `mlp`.
//! - [`PreparedPvtV2`] is the backbone made ready for inference.
//!
//! The crate knows no files and enables no burn backend.

mod attention;
mod backbone;
mod block;
mod config;
mod layers;
mod mlp;
mod patch_embedding;
mod prepared;
mod reduction;

pub use backbone::PvtV2;
pub use config::PvtV2Config;
pub use prepared::PreparedPvtV2;
