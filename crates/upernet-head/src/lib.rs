//! UPerNet above the backbone: pyramid pooling, feature pyramid, auxiliary head, loss, whole model.
//!
//! Source: Xiao et al., *Unified Perceptual Parsing for Scene Understanding* (2018),
//! <https://arxiv.org/abs/1807.10221>. Upstream: Hugging Face `modeling_upernet.py`.
//!
//! - [`UperNet`]: any [`Backbone`](upernet_nn::Backbone), the decode head, and the auxiliary head.
//! - [`UperHead`]: fuses the feature maps; [`PyramidPooling`] is its context module.
//! - [`PreparedUperNet`]: network and head made ready for inference.
//! - [`FcnHead`]: the auxiliary classifier that helps training.
//! - [`cross_entropy`]: the loss, with an ignored label.
//!
//! The crate knows no files and enables no burn backend.

mod classifier;
mod fcn_head;
mod fpn;
mod model;
mod prepared;
mod prepared_head;
mod pyramid_pooling;
mod uper_head;

pub use fcn_head::{FcnHead, FcnHeadConfig};
pub use model::{AuxiliaryHeadConfig, HeadLogits, UperNet, UperNetConfig, UperNetOutput};
pub use prepared::PreparedUperNet;
pub use prepared_head::PreparedUperHead;
pub use pyramid_pooling::{PyramidPooling, PyramidPoolingConfig};
pub use uper_head::{UperHead, UperHeadConfig};
pub use upernet_ops::cross_entropy;
