//! Image to tokens: patches, the class token, registers, learned positions.
//!
//! Upstream: `Dinov2Embeddings`, `Dinov2WithRegistersEmbeddings`, `DINOv3ViTEmbeddings`.

use burn::{
    module::{Module, Param},
    nn::{
        Dropout, DropoutConfig, Initializer,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use upernet_nn::{Interpolation, Precision, initializer, resized_positions};
use upernet_ops::{Activation, Border, CellOrder, Patches, PreparedLinear, space_to_depth};

use crate::{MaskTokenShape, Positions, VitConfig, tokens};

/// Cuts the image into patches, embeds each, and puts the tokens that belong to none before them.
#[derive(Module, Debug)]
#[expect(clippy::struct_field_names, reason = "they are the file's")]
pub(crate) struct Embeddings {
    /// `[1, 1, C]`.
    cls_token: Param<Tensor<3>>,
    mask_token: Option<MaskToken>,
    /// `[1, registers, C]`.
    register_tokens: Option<Param<Tensor<3>>>,
    patch_embeddings: Conv2d,
    /// `[1, 1 + L, C]`, the class token's first.
    position_embeddings: Option<Param<Tensor<3>>>,
    dropout: Dropout,
    #[module(skip)]
    interpolation: Option<Interpolation>,
}

/// What stood for hidden patches, in the shape of its file.
#[derive(Module, Debug)]
enum MaskToken {
    /// `[1, C]`.
    Row(Param<Tensor<2>>),
    /// `[1, 1, C]`.
    Token(Param<Tensor<3>>),
}

impl Embeddings {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let channels = config.hidden_size;
        let std = config.initializer_range;
        let normal = Initializer::Normal { mean: 0.0, std };
        let (positions, interpolation) = match config.positions {
            Positions::Bicubic(side) => (Some(side), Some(Interpolation::Bicubic)),
            Positions::AntialiasedBicubic(side) => {
                (Some(side), Some(Interpolation::AntialiasedBicubic))
            }
            Positions::Rotary(_) => (None, None),
        };
        // DINOv2 has them start at zero, DINOv3 draws them.
        let registers = match config.positions {
            Positions::Rotary(_) => normal.clone(),
            _ => Initializer::Zeros,
        };
        let zeros = Initializer::Zeros;
        let patches = Conv2dConfig::new([config.num_channels, channels], [config.patch_size; 2])
            .with_stride([config.patch_size; 2]);
        Self {
            cls_token: normal.init([1, 1, channels], device),
            mask_token: match config.mask_token {
                MaskTokenShape::Absent => None,
                MaskTokenShape::Row => Some(MaskToken::Row(zeros.init([1, channels], device))),
                MaskTokenShape::Token => {
                    Some(MaskToken::Token(zeros.init([1, 1, channels], device)))
                }
            },
            register_tokens: (config.num_register_tokens > 0)
                .then(|| registers.init([1, config.num_register_tokens, channels], device)),
            patch_embeddings: initializer::conv2d(&patches, std, device),
            position_embeddings: positions
                .map(|side| normal.init([1, 1 + side * side, channels], device)),
            dropout: DropoutConfig::new(config.embedding_dropout).init(),
            interpolation,
        }
    }

    /// `[N, num_channels, H, W]` pixels to `[N, C, 1, prefix + L]` tokens.
    ///
    /// A border that no whole patch covers is left out.
    pub(crate) fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let patches = self.patch_embeddings.forward(pixel_values);
        let tokens = joined(patches, |grid| self.prefix_and_positions(grid));
        self.dropout.forward(tokens)
    }

    fn prefix_and_positions(&self, grid: [usize; 2]) -> (Tensor<3>, Option<Tensor<3>>) {
        let mut class = self.cls_token.val();
        let positions = self.position_embeddings.as_ref().zip(self.interpolation);
        let positions = positions.map(|(positions, interpolation)| {
            let positions = positions.val();
            let [_, count, channels] = positions.dims();
            class = class.clone() + positions.clone().narrow(1, 0, 1);
            let learned = positions
                .narrow(1, 1, count - 1)
                .reshape([count - 1, channels]);
            resized_positions(learned, grid, interpolation).unsqueeze::<3>()
        });
        let prefix = match &self.register_tokens {
            Some(registers) => Tensor::cat(vec![class, registers.val()], 1),
            None => class,
        };
        (prefix, positions)
    }

    /// The layer made ready for inference.
    pub(crate) fn prepare(mut self, precision: Precision) -> PreparedEmbeddings {
        let projection = self.patch_embeddings.weight.val();
        let [channels, in_channels, size, _] = projection.dims();
        // A patch's cells row by row, the channels of each together.
        let weight = projection
            .permute([2, 3, 1, 0])
            .reshape([size * size * in_channels, channels]);
        let bias = self.patch_embeddings.bias.as_ref().map(Param::val);
        let patches = Patches {
            size,
            order: CellOrder::RowMajor,
            border: Border::Dropped,
        };
        self.mask_token = None;
        PreparedEmbeddings {
            patches,
            projection: PreparedLinear::new(weight, bias, Activation::None, precision),
            others: self,
        }
    }
}

/// [`Embeddings`] made ready for inference.
#[derive(Debug)]
pub(crate) struct PreparedEmbeddings {
    patches: Patches,
    projection: PreparedLinear,
    /// What is not the projection: a few vectors, and learned positions.
    others: Embeddings,
}

impl PreparedEmbeddings {
    pub(crate) fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let patches = space_to_depth(pixel_values, self.patches);
        let patches = self.projection.forward(patches);
        joined(patches, |grid| self.others.prefix_and_positions(grid))
    }

    pub(crate) fn bytes(&self) -> usize {
        let vectors = [
            Some(&self.others.cls_token),
            self.others.register_tokens.as_ref(),
            self.others.position_embeddings.as_ref(),
        ];
        let vectors = vectors.into_iter().flatten();
        let values: usize = vectors.map(|param| param.shape().num_elements()).sum();
        self.projection.bytes() + values * size_of::<f32>()
    }
}

/// Adds positions to the patches of a map, and puts the prefix before them.
fn joined(
    map: Tensor<4>,
    prefix_and_positions: impl FnOnce([usize; 2]) -> (Tensor<3>, Option<Tensor<3>>),
) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    let (prefix, positions) = prefix_and_positions([height, width]);
    let patches = map
        .permute([0, 2, 3, 1])
        .reshape([batch, height * width, channels]);
    let patches = match positions {
        Some(positions) => patches + positions,
        None => patches,
    };
    let rows = Tensor::cat(vec![prefix.repeat_dim(0, batch), patches], 1);
    tokens::from_rows(rows)
}
