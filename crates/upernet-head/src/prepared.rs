//! The whole network made ready for inference.

use burn::tensor::Tensor;
use upernet_nn::{FeaturePyramid, PreparedBackbone, resize_bilinear};

use crate::PreparedUperHead;

/// A backbone and the UPer head on its feature maps, made ready for inference; the auxiliary head is
/// gone.
///
/// [`UperNet::prepare`](crate::UperNet::prepare) makes one. It computes what the network did, up to
/// rounding; gradients do not pass it.
#[derive(Debug)]
pub struct PreparedUperNet {
    backbone: Box<dyn PreparedBackbone>,
    decode_head: PreparedUperHead,
}

impl PreparedUperNet {
    pub(crate) fn new(backbone: Box<dyn PreparedBackbone>, decode_head: PreparedUperHead) -> Self {
        Self {
            backbone,
            decode_head,
        }
    }

    /// The backbone.
    #[must_use]
    pub fn backbone(&self) -> &dyn PreparedBackbone {
        &*self.backbone
    }

    /// The head that turns the backbone's maps into logits.
    #[must_use]
    pub fn decode_head(&self) -> &PreparedUperHead {
        &self.decode_head
    }

    /// Bytes of the weights as they are kept: on flex, 4 times those of the 3 x 3 convolutions that
    /// run at a map's own size, 1 time all others; with bfloat16 half of that.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.backbone.bytes() + self.decode_head.bytes()
    }

    /// Computes the logits at the image's size.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    /// - output: `[N, num_labels, H, W]`
    #[must_use]
    pub fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = pixel_values.dims();
        resize_bilinear(self.forward_decode(pixel_values), [height, width])
    }

    /// Computes the logits at the finest map's size.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    /// - output: `[N, num_labels, H_0, W_0]`
    #[must_use]
    pub fn forward_decode(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let features: FeaturePyramid = self.backbone.forward(pixel_values);
        self.decode_head.forward(features)
    }
}
