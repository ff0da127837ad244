//! The interface between a backbone and the heads.

use burn::{module::Module, tensor::Tensor};

use crate::{FeaturePyramid, Precision, PreparedBackbone, prepared::Unprepared};

/// A network that turns an image into a [`FeaturePyramid`].
///
/// Implement it for a network of your own and every UPerNet head, loss and tool works on top of it.
///
/// # Example
///
/// ```
/// use burn::{
///     module::Module,
///     nn::{PaddingConfig2d, conv::{Conv2d, Conv2dConfig}},
///     tensor::{Device, Tensor},
/// };
/// use upernet_nn::{Backbone, FeaturePyramid};
///
/// /// One strided convolution per level.
/// #[derive(Module, Debug)]
/// struct Strided {
///     stages: Vec<Conv2d>,
/// }
///
/// impl Backbone for Strided {
///     fn channels(&self) -> Vec<usize> {
///         vec![8, 16]
///     }
///
///     fn strides(&self) -> Vec<usize> {
///         vec![4, 8]
///     }
///
///     fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
///         let mut features = Vec::new();
///         let mut x = pixel_values;
///         for stage in &self.stages {
///             x = stage.forward(x);
///             features.push(x.clone());
///         }
///         FeaturePyramid::new(features)
///     }
/// }
///
/// let device = Device::flex();
/// let conv = |channels, stride| {
///     Conv2dConfig::new(channels, [3, 3])
///         .with_stride([stride, stride])
///         .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
///         .init(&device)
/// };
/// let backbone = Strided { stages: vec![conv([3, 8], 4), conv([8, 16], 2)] };
/// let features = backbone.forward(Tensor::zeros([1, 3, 32, 48], &device));
/// assert_eq!(features.sizes(), [[8, 12], [4, 6]]);
/// ```
pub trait Backbone: Module {
    /// Channels of each feature map, finest map first.
    fn channels(&self) -> Vec<usize>;

    /// Pixels of the input per cell of each feature map, finest map first.
    ///
    /// What a map's size is for a size that is not a multiple of the stride is the backbone's own
    /// business (Swin rounds up, ConvNeXt down); the heads use the sizes they are given.
    fn strides(&self) -> Vec<usize>;

    /// Computes the feature maps.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    /// - output: one `[N, channels[i], H_i, W_i]` per level, finest first
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid;

    /// The smallest height and width, in pixels, that [`forward`](Self::forward) accepts.
    ///
    /// The default is 1: any image will do.
    fn min_size(&self) -> usize {
        1
    }

    /// Makes the backbone ready for inference: lays its weights out for the kernels of its device.
    ///
    /// Nothing changes in the result beyond rounding. The default returns the backbone as it is, with
    /// which every network above it works.
    #[must_use]
    fn prepare(self, precision: Precision) -> Box<dyn PreparedBackbone>
    where
        Self: Sync + 'static,
    {
        let _ = precision;
        Box::new(Unprepared(self))
    }
}

/// Checks the stages whose maps a backbone is to return, counted from 0.
///
/// For backbones whose configuration lists them.
///
/// # Panics
///
/// Panics if `out_stages` is empty, does not increase, or names a stage of `num_stages` or above.
pub fn assert_out_stages(out_stages: &[usize], num_stages: usize) {
    let increasing = out_stages.windows(2).all(|pair| pair[0] < pair[1]);
    let last = out_stages
        .last()
        .copied()
        .expect("out_stages must name a stage");
    assert!(
        increasing && last < num_stages,
        "out_stages must increase and stay below {num_stages}, got {out_stages:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::assert_out_stages;

    #[test]
    fn some_or_all_stages_may_be_returned() {
        assert_out_stages(&[0, 1, 2, 3], 4);
        assert_out_stages(&[2], 4);
    }

    #[test]
    #[should_panic(expected = "out_stages must increase and stay below 4, got [1, 1]")]
    fn no_stage_is_returned_twice() {
        assert_out_stages(&[1, 1], 4);
    }

    #[test]
    #[should_panic(expected = "out_stages must name a stage")]
    fn at_least_one_stage_is_returned() {
        assert_out_stages(&[], 4);
    }
}
