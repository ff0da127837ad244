//! Lowerings of backbones, one file for each family.

mod attention;
mod beit;
mod convnext;
mod dinov2;
mod dinov3_vit;
mod linear;
mod plain;
mod pvt_v2;
mod resnet;
mod swin;
mod swinv2;
mod vit;
mod windowed;

use upernet_hf::config::HfBackboneConfig;

use crate::{Error, graph::Graph, layers::Map};

/// The `model_type` of each backbone family that can be written as ONNX.
pub const LOWERED_BACKBONES: [&str; 13] = [
    "swin",
    "swinv2",
    "convnext",
    "convnextv2",
    "dinov3_convnext",
    "resnet",
    "pvt_v2",
    "dinov2",
    "dinov2_with_registers",
    "dinov3_vit",
    "vit",
    "vit_mae",
    "beit",
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
        HfBackboneConfig::SwinV2(swin) => Ok(swin),
        HfBackboneConfig::ConvNext(convnext) => Ok(convnext),
        HfBackboneConfig::ResNet(resnet) => Ok(resnet),
        HfBackboneConfig::ConvNextV2(convnext) => Ok(convnext),
        HfBackboneConfig::Dinov3ConvNext(convnext) => Ok(convnext),
        HfBackboneConfig::PvtV2(pvt) => Ok(pvt),
        HfBackboneConfig::Dinov2(dinov2) => Ok(dinov2),
        HfBackboneConfig::Dinov3Vit(dinov3) => Ok(dinov3),
        HfBackboneConfig::Vit(vit) => Ok(vit),
        HfBackboneConfig::Beit(beit) => Ok(beit),
        other => Err(Error::Backbone {
            model_type: other.model_type(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use upernet_hf::config::{HfBackboneConfig, SUPPORTED_BACKBONES};

    use super::{LOWERED_BACKBONES, family};

    #[test]
    fn a_backbone_has_a_lowering_or_is_refused_by_name() {
        for model_type in SUPPORTED_BACKBONES {
            let text = format!("{{\"model_type\": \"{model_type}\"}}");
            let config = HfBackboneConfig::from_json(text.as_bytes()).expect("all defaults");
            let refusal = family(&config).err().map(|error| error.to_string());
            let expected = (!LOWERED_BACKBONES.contains(&model_type)).then(|| {
                format!(
                    "backbone \"{model_type}\" cannot be written as ONNX; those that can: {}",
                    LOWERED_BACKBONES.join(", ")
                )
            });
            assert_eq!(refusal, expected);
        }
    }
}
