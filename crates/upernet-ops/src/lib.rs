//! Fused tensor operations for UPerNet, on [burn](https://burn.dev).
//!
//! An operation is a function on [`Tensor`](burn::tensor::Tensor) with a body of burn's own
//! operations: right on every backend, differentiable, and the oracle of its tests. Where it pays,
//! there is a kernel for burn's CPU backend beside it (the feature `flex`).
//!
//! - On maps: [`conv3x3`], [`upsample_conv3x3`], [`strided_conv`], [`depthwise_conv`], [`linear`],
//!   [`layer_norm`], [`response_norm`], [`resize_bilinear`], [`add_resized`], [`adaptive_avg_pools`],
//!   [`max_pool3x3`], [`space_to_depth`], [`attention`].
//! - Halves of a block: [`convnext_block`], [`window_attention`], [`mlp`], and those of Swin V2,
//!   [`cosine_window_attention`] and [`post_norm_mlp`].
//! - On any tensor: [`gelu`]; and what [`Activation`] names.
//! - For training: [`batch_norm`], [`cross_entropy`], [`resized_cross_entropy`],
//!   [`CrossEntropy`] with class weights and label smoothing, [`label_probabilities`].
//! - [`window`] and [`relative_position`] are the parts that window attention is made of.
//!
//! An operation with weights has a `Prepared...` form too. It lays the weights out once, for
//! inference: as the kernel reads them on burn's CPU backend, as plain tensors elsewhere. The weights
//! decide which, by the device they are on. Gradients do not pass it.
//!
//! Where gradients are wanted on burn's CPU backend, the costly operations are recorded as one step
//! each, with kernels forward and backward: both 3 x 3 convolutions, [`linear`], [`gelu`],
//! [`layer_norm`], [`response_norm`], [`batch_norm`], [`resize_bilinear`], [`attention`],
//! [`depthwise_conv`] of 3 x 3, 5 x 5 and 7 x 7, and [`resized_cross_entropy`].
//!
//! Maps are `[N, C, H, W]`. In memory the kernels keep channels last, so a map from one to the next
//! is not copied.
//!
//! The environment variable `UPERNET_KERNELS=off` turns all kernels off.
//!
//! # Feature flags
//!
//! - `flex`: kernels for burn's CPU backend.

mod activation;
mod attention;
mod batch_norm;
mod bytes;
mod conv3x3;
mod convnext_block;
mod cosine_window_attention;
mod cross_entropy;
mod depthwise_conv;
#[cfg(feature = "flex")]
mod differentiable;
#[cfg(not(feature = "flex"))]
#[path = "no_differentiable.rs"]
mod differentiable;
#[cfg(feature = "flex")]
mod flex;
#[cfg(not(feature = "flex"))]
#[path = "no_flex.rs"]
mod flex;
mod form;
mod gelu;
mod interpolation;
#[expect(
    clippy::inline_always,
    reason = "code for an instruction set has to be inlined into the function that enables it"
)]
#[cfg_attr(
    not(feature = "flex"),
    expect(
        dead_code,
        reason = "training takes kernels on burn's CPU backend alone"
    )
)]
mod kernels;
mod layer_norm;
mod linear;
mod matrix_layer;
mod max_pool;
#[cfg(feature = "flex")]
mod memory;
mod mlp;
mod pool;
mod post_norm_mlp;
mod precision;
pub mod relative_position;
mod resize;
mod response_norm;
mod space_to_depth;
mod strided_conv;
mod upsample_conv3x3;
pub mod window;
mod window_attention;

pub use activation::Activation;
pub use attention::attention;
pub use batch_norm::{BatchNormOutput, batch_norm};
pub use conv3x3::{PreparedConv3x3, conv3x3};
pub use convnext_block::{
    ConvNextBlockWeights, PreparedConvNextBlock, convnext_block, convnext_branch,
};
pub use cosine_window_attention::{
    CosineWindowAttentionWeights, PreparedCosineWindowAttention, add_position_bias,
    cosine_window_attention, cosines,
};
pub use cross_entropy::{CrossEntropy, cross_entropy, label_probabilities, resized_cross_entropy};
pub use depthwise_conv::{PreparedDepthwiseConv, depthwise_conv};
pub use gelu::gelu;
pub use layer_norm::{LayerNormWeights, PreparedLayerNorm, layer_norm};
pub use linear::{PreparedLinear, linear};
pub use max_pool::max_pool3x3;
#[cfg(feature = "flex")]
pub use memory::release_memory;
pub use mlp::{MlpWeights, PreparedMlp, mlp};
pub use pool::adaptive_avg_pools;
pub use post_norm_mlp::{PreparedPostNormMlp, post_norm_mlp};
pub use precision::Precision;
pub use resize::{add_resized, resize_bilinear};
pub use response_norm::{ResponseNormWeights, response_norm};
pub use space_to_depth::{Border, CellOrder, Patches, space_to_depth};
pub use strided_conv::{PreparedStridedConv, strided_conv};
pub use upsample_conv3x3::{PreparedUpsampleConv3x3, upsample_conv3x3};
pub use window_attention::{
    PreparedWindowAttention, WindowAttentionWeights, add_mask, window_attention,
};
