//! Backbones made ready for inference.

use std::fmt::Debug;

use burn::tensor::Tensor;

use crate::{Backbone, FeaturePyramid};

/// A backbone that was made ready for inference: its weights lie as its kernels read them, and
/// gradients do not pass it.
///
/// [`Backbone::prepare`] makes one.
pub trait PreparedBackbone: Debug + Send + Sync {
    /// Computes the feature maps, as [`Backbone::forward`] does.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    /// - output: one `[N, channels[i], H_i, W_i]` per level, finest first
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid;

    /// Bytes of the weights as they are kept.
    fn bytes(&self) -> usize;
}

/// A backbone as it is.
#[derive(Debug)]
pub(crate) struct Unprepared<B>(pub(crate) B);

impl<B: Backbone + Sync> PreparedBackbone for Unprepared<B> {
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        self.0.forward(pixel_values)
    }

    fn bytes(&self) -> usize {
        self.0.num_params() * size_of::<f32>()
    }
}
