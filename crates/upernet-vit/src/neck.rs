//! The neck on a plain transformer, of either kind.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::{
    MultiLevelNeck, Precision, PreparedMultiLevelNeck, PreparedPyramidNeck, PyramidNeck,
};

use crate::{NeckKind, VitConfig};

/// What makes maps of four sizes of those of four layers.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has one of them")]
pub(crate) enum Neck {
    FeaturePyramid(PyramidNeck),
    MultiLevel(MultiLevelNeck),
}

impl Neck {
    pub(crate) fn new(kind: NeckKind, config: &VitConfig, device: &Device) -> Self {
        let channels = config.hidden_size;
        match kind {
            NeckKind::FeaturePyramid => {
                let neck = PyramidNeck::new(channels, config.initializer_range, device);
                Self::FeaturePyramid(neck)
            }
            NeckKind::MultiLevel(made) => {
                Self::MultiLevel(MultiLevelNeck::new([channels, made], device))
            }
        }
    }

    pub(crate) fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        match self {
            Self::FeaturePyramid(neck) => neck.forward(maps),
            Self::MultiLevel(neck) => neck.forward(maps),
        }
    }

    pub(crate) fn prepare(self, precision: Precision) -> PreparedNeck {
        match self {
            Self::FeaturePyramid(neck) => {
                PreparedNeck::FeaturePyramid(Box::new(neck.prepare(precision)))
            }
            Self::MultiLevel(neck) => PreparedNeck::MultiLevel(neck.prepare(precision)),
        }
    }
}

impl NeckKind {
    /// Channels of the maps that it makes of maps of `channels`.
    pub(crate) fn out_channels(self, channels: usize) -> usize {
        match self {
            Self::FeaturePyramid => channels,
            Self::MultiLevel(made) => made,
        }
    }
}

/// A [`Neck`] made ready for inference.
#[derive(Debug)]
pub(crate) enum PreparedNeck {
    FeaturePyramid(Box<PreparedPyramidNeck>),
    MultiLevel(PreparedMultiLevelNeck),
}

impl PreparedNeck {
    pub(crate) fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        match self {
            Self::FeaturePyramid(neck) => neck.forward(maps),
            Self::MultiLevel(neck) => neck.forward(maps),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::FeaturePyramid(neck) => neck.bytes(),
            Self::MultiLevel(neck) => neck.bytes(),
        }
    }
}
