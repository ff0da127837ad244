//! Swin Transformer V2.
//!
//! Source: Liu et al., *Swin Transformer V2: Scaling Up Capacity and Resolution* (2022),
//! <https://arxiv.org/abs/2111.09883>. Upstream: Hugging Face `Swinv2Backbone`, whose rules are followed
//! where they differ from those of the first generation: each branch is normalised at its end,
//! attention goes by cosines, the position bias comes out of a perceptron, windows are shrunk once, by
//! the size of the training image, and the returned maps have no norm.
//!
//! Patch embedding and perceptron are the first generation's.

mod attention;
mod backbone;
mod block;
mod config;
mod patch_merging;
mod position_bias;
mod prepared;
mod stage;

pub use backbone::SwinV2;
pub use config::{StageWindows, SwinV2Config};
pub use position_bias::log_spaced_offsets;
pub use prepared::PreparedSwinV2;
