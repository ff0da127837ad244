//! The smaller map that a stage's cells attend to.
//!
//! Paper: figure 1, "spatial reduction" by a convolution (a) or by averages (b). Upstream:
//! `spatial_reduction`, `pool` and `layer_norm` of `PvtV2SelfAttention`.

use burn::{
    module::{Module, Param},
    nn::conv::{Conv2d, Conv2dConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{LayerNorm2d, LayerNorm2dConfig, Precision, gelu};
use upernet_ops::{
    Activation, Border, CellOrder, Patches, PreparedLinear, adaptive_avg_pools, linear,
};

use crate::{PvtV2Config, layers, prepared::PreparedReduction};

/// Cells along one side of the grid of averages. Fixed upstream.
pub(crate) const GRID: usize = 7;

/// A convolution and a norm.
#[derive(Module, Debug)]
#[expect(clippy::struct_field_names, reason = "the checkpoint's name")]
pub(crate) struct Reduction {
    spatial_reduction: Conv2d,
    layer_norm: LayerNorm2d,
    #[module(skip)]
    kind: Kind,
}

/// How a map becomes smaller.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// By a convolution of patches of this side that do not overlap; what no whole patch covers is
    /// dropped.
    Patches(usize),
    /// By averages on a grid, before a 1 x 1 convolution; a GELU follows the norm.
    Averages,
}

impl Reduction {
    /// That of `stage`, counted from 0; none where cells attend to the map itself.
    pub(crate) fn new(config: &PvtV2Config, stage: usize, device: &Device) -> Option<Self> {
        let (kind, size) = match (config.linear_attention, config.sr_ratios[stage]) {
            (true, _) => (Kind::Averages, 1),
            (false, 1) => return None,
            (false, ratio) => (Kind::Patches(ratio), ratio),
        };
        let channels = config.hidden_sizes[stage];
        let convolution = Conv2dConfig::new([channels, channels], [size; 2]).with_stride([size; 2]);
        Some(Self {
            spatial_reduction: layers::conv2d(&convolution, device),
            layer_norm: LayerNorm2dConfig::new(channels, config.layer_norm_eps).init(device),
            kind,
        })
    }

    /// `[N, C, H, W]` to `[N, C, h, w]`.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self.kind {
            Kind::Patches(_) => self.layer_norm.forward(self.spatial_reduction.forward(x)),
            Kind::Averages => {
                let x = averages(x);
                let bias = self.spatial_reduction.bias.as_ref().map(Param::val);
                let weight = as_matrix(self.spatial_reduction.weight.val());
                let x = linear(x, weight, bias, Activation::None);
                gelu(self.layer_norm.forward(x))
            }
        }
    }

    /// The reduction made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedReduction {
        let weight = as_matrix(self.spatial_reduction.weight.into_value());
        let bias = self.spatial_reduction.bias.map(Param::into_value);
        let projection = PreparedLinear::new(weight, bias, Activation::None, precision);
        let norm = self.layer_norm.prepare();
        match self.kind {
            Kind::Patches(size) => PreparedReduction::Patches {
                patches: Patches {
                    size,
                    order: CellOrder::RowMajor,
                    border: Border::Dropped,
                },
                projection,
                norm,
            },
            Kind::Averages => PreparedReduction::Averages { projection, norm },
        }
    }
}

/// `[N, C, H, W]` to `[N, C, 7, 7]`.
pub(crate) fn averages(x: Tensor<4>) -> Tensor<4> {
    let mut grids = adaptive_avg_pools(x, &[GRID]);
    grids.pop().expect("there is a grid for each scale")
}

/// `[C', C, size, size]` to `[size * size * C, C']`: a patch's cells row by row, the channels of each
/// together.
fn as_matrix(weight: Tensor<4>) -> Tensor<2> {
    let [outputs, inputs, size, _] = weight.dims();
    weight
        .permute([2, 3, 1, 0])
        .reshape([size * size * inputs, outputs])
}
