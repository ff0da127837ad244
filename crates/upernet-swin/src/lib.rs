//! Swin Transformer, first and second generation, as a backbone: pixels in, one feature map per
//! requested stage out.
//!
//! Source: Liu et al., *Swin Transformer: Hierarchical Vision Transformer using Shifted Windows*
//! (2021), <https://arxiv.org/abs/2103.14030>. Upstream: Hugging Face `SwinBackbone`, whose rules
//! this crate follows where they differ from the paper's code: windows are never shrunk to small
//! maps, padding is not masked, and every returned stage has a norm of its own.
//!
//! - [`SwinConfig`] -> [`Swin`], a [`Backbone`](upernet_nn::Backbone).
//! - Read from the image on: `patch_embedding`, `stage` (blocks, then `patch_merging`), and inside a
//!   block `attention` -> `mlp`; windows are cut by [`upernet_ops::window`].
//! - [`PreparedSwin`] is the backbone made ready for inference.
//!
//! - [`SwinV2Config`] -> [`SwinV2`] -> [`PreparedSwinV2`] are the second generation, in `v2`.
//!
//! The crate knows no files and enables no burn backend.

mod attention;
mod backbone;
mod block;
mod config;
mod mlp;
mod patch_embedding;
mod patch_merging;
mod prepared;
mod stage;
mod v2;

pub use backbone::Swin;
pub use config::{DropPathRule, SwinConfig};
pub use prepared::PreparedSwin;
pub use v2::{PreparedSwinV2, StageWindows, SwinV2, SwinV2Config, log_spaced_offsets};

/// Epsilon of every norm outside a block, fixed upstream.
const LAYER_NORM_EPS: f64 = 1e-5;
