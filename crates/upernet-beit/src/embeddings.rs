//! Image to tokens. Upstream: `BeitEmbeddings`.

use burn::{
    module::{Module, Param},
    nn::{
        Dropout, DropoutConfig, Initializer,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use upernet_nn::{Precision, initializer};
use upernet_ops::{Activation, Border, CellOrder, Patches, PreparedLinear};

use crate::{BeitConfig, positions::interpolated, prepared::PreparedEmbeddings};

/// Cuts the image into patches, embeds each, and puts a `[CLS]` token before them.
#[derive(Module, Debug)]
#[expect(clippy::struct_field_names, reason = "upstream's names")]
pub(crate) struct Embeddings {
    projection: Conv2d,
    /// `[1, 1, C]`.
    cls_token: Param<Tensor<3>>,
    /// `[1, 1 + side * side, C]`, of the `[CLS]` token and of the patches of a training image.
    position_embeddings: Option<Param<Tensor<3>>>,
    dropout: Dropout,
    patch_size: usize,
}

impl Embeddings {
    pub(crate) fn new(config: &BeitConfig, device: &Device) -> Self {
        let (channels, side) = (config.hidden_size, [config.patch_size; 2]);
        let projection = Conv2dConfig::new([config.num_channels, channels], side).with_stride(side);
        let tokens = 1 + config.grid().pow(2);
        let has_positions = config.absolute_positions;
        Self {
            projection: initializer::conv2d(&projection, config.initializer_range, device),
            cls_token: Initializer::Zeros.init([1, 1, channels], device),
            position_embeddings: has_positions
                .then(|| Initializer::Zeros.init([1, tokens, channels], device)),
            dropout: DropoutConfig::new(config.hidden_dropout).init(),
            patch_size: config.patch_size,
        }
    }

    /// `[N, num_channels, H, W]` pixels to `[N, C, 1, 1 + patches]` tokens. What no whole patch covers,
    /// at the bottom and on the right, is left out.
    pub(crate) fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let patches = self.projection.forward(pixel_values); // [N, C, H, W]
        let positions = self.position_embeddings.as_ref().map(Param::val);
        self.dropout
            .forward(tokens(patches, self.cls_token.val(), positions))
    }

    /// Makes the layer ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedEmbeddings {
        let weight = self.projection.weight.into_value();
        let [channels, in_channels, size, _] = weight.dims();
        // A patch's cells row by row, the channels of each together.
        let weight = weight
            .permute([2, 3, 1, 0])
            .reshape([size * size * in_channels, channels]);
        let bias = self.projection.bias.map(Param::into_value);
        PreparedEmbeddings {
            patches: Patches {
                size: self.patch_size,
                order: CellOrder::RowMajor,
                border: Border::Dropped,
            },
            projection: PreparedLinear::new(weight, bias, Activation::None, precision),
            cls_token: self.cls_token.into_value(),
            position_embeddings: self.position_embeddings.map(Param::into_value),
        }
    }
}

/// Puts the `[CLS]` token before the patches, `[N, C, H, W]`, and adds positions: `[N, C, 1, 1 + H * W]`.
pub(crate) fn tokens(
    patches: Tensor<4>,
    cls_token: Tensor<3>,
    positions: Option<Tensor<3>>,
) -> Tensor<4> {
    let [batch, channels, height, width] = patches.dims();
    let patches = patches
        .permute([0, 2, 3, 1])
        .reshape([batch, height * width, channels]);
    let cls_tokens = cls_token.expand([batch, 1, channels]);
    let tokens = Tensor::cat(vec![cls_tokens, patches], 1); // [N, 1 + H * W, C]
    let tokens = match positions {
        Some(positions) => tokens + interpolated(positions, [height, width]),
        None => tokens,
    };
    let tokens = tokens.reshape([batch, 1, 1 + height * width, channels]);
    tokens.permute([0, 3, 1, 2]) // [N, C, 1, L]
}

/// Takes the `[CLS]` token away: `[N, C, 1, 1 + H * W]` tokens to a map, `[N, C, H, W]`.
pub(crate) fn map(tokens: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, channels, _, _] = tokens.dims();
    tokens
        .permute([0, 2, 3, 1]) // [N, 1, L, C]
        .narrow(2, 1, height * width)
        .reshape([batch, height, width, channels])
        .permute([0, 3, 1, 2]) // [N, C, H, W]
}
