//! Lowerings of backbones, one file for each family.

mod convnext;
mod resnet;
mod swin;

use upernet_hf::config::HfBackboneConfig;

use crate::{Error, graph::Graph, layers::Map};

/// The `model_type` of each backbone family that can be written as ONNX.
pub const LOWERED_BACKBONES: [&str; 5] = [
    "swin",
    "convnext",
    "convnextv2",
    "dinov3_convnext",
    "resnet",
];

/// How a family's config becomes nodes.
pub(crate) trait Family {
    /// Adds the backbone and returns the map of each stage that the config asks for, finest first.
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error>;

    /// What the network needs instead, if it takes no image of `[height, width]` pixels.
    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        let _ = size;
        None
    }

    /// The one size that the network takes, in words, if there is only one.
    fn one_size(&self) -> Option<String> {
        None
    }
}

/// The lowering of the backbone that a config file chose.
pub(crate) fn family(config: &HfBackboneConfig) -> Result<&dyn Family, Error> {
    match config {
        HfBackboneConfig::Swin(swin) => Ok(swin),
        HfBackboneConfig::ConvNext(convnext) => Ok(convnext),
        HfBackboneConfig::ResNet(resnet) => Ok(resnet),
        HfBackboneConfig::ConvNextV2(convnext) => Ok(convnext),
        HfBackboneConfig::Dinov3ConvNext(convnext) => Ok(convnext),
        other => Err(Error::Backbone {
            model_type: other.model_type(),
        }),
    }
}
