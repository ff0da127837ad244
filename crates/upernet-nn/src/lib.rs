//! What UPerNet backbones and heads share, on [burn](https://burn.dev).
//!
//! - [`Backbone`] and [`FeaturePyramid`]: the one interface between a backbone and the heads;
//!   implement it for a network of your own and it runs under the same head.
//! - [`PreparedBackbone`]: a backbone made ready for inference.
//! - [`ConvModule`]: convolution, batch normalisation, ReLU, the unit both heads are made of.
//! - [`BatchNorm2d`]: batch normalisation whose running statistics follow PyTorch.
//! - [`LayerNorm2d`]: layer normalisation over the channels of an `[N, C, H, W]` map.
//! - [`DropPath`]: stochastic depth, with the linear schedule [`drop_path_schedule`].
//! - [`PyramidNeck`], [`MultiLevelNeck`] and [`resized_positions`]: what backbones made of plain
//!   transformers share.
//! - [`resize_bilinear`] and [`gelu`]: exact forward and backward on every backend, from
//!   `upernet-ops`.
//! - [`initializer`]: weights as Hugging Face draws them.
//!
//! The crate enables no burn backend; the binary that uses it does.

mod backbone;
mod batch_norm;
mod conv_module;
mod drop_path;
mod feature_pyramid;
pub mod initializer;
mod layer_norm;
mod multi_level_neck;
mod positions;
mod prepared;
mod pyramid_neck;

pub use backbone::{Backbone, assert_out_stages};
pub use batch_norm::{BatchNorm2d, BatchNorm2dConfig};
pub use conv_module::{ConvModule, ConvModuleConfig, FoldedConv};
pub use drop_path::{DropPath, DropPathConfig, drop_path_schedule};
pub use feature_pyramid::FeaturePyramid;
pub use layer_norm::{LayerNorm2d, LayerNorm2dConfig, layer_norm_weights};
pub use multi_level_neck::{MultiLevelNeck, PreparedMultiLevelNeck};
pub use positions::{Interpolation, resized_positions};
pub use prepared::PreparedBackbone;
pub use pyramid_neck::{PreparedPyramidNeck, PyramidNeck};
pub use upernet_ops::{Precision, gelu, resize_bilinear};
