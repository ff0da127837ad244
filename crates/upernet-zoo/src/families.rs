//! What the zoo knows of each backbone family, one file for each.

mod beit;
mod convnext;
mod pvt_v2;
mod resnet;
mod swin;
mod swinv2;
mod vit;

use burn::tensor::Device;
use upernet_hf::config::HfBackboneConfig;

use crate::{BuildOptions, Error, ZooBackbone};

/// How a family's config becomes modules, how the hub calls their parameters, and what they cost.
pub(crate) trait Family {
    /// Builds the backbone with fresh weights.
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone;

    /// The hub key of the parameter at `path`; both begin with `backbone.`.
    fn hub_key(&self, path: &str) -> String;

    /// Multiply-adds up to the last returned stage for an image of `[height, width]` pixels, and the size
    /// of each stage's map.
    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>);

    /// What the network needs instead, if it takes no image of `[height, width]` pixels.
    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        let _ = size;
        None
    }

    /// Whether a hub key carries nothing that the network needs.
    fn is_unused(&self, key: &str) -> bool {
        let _ = key;
        false
    }

    /// The side of the window whose table of relative positions a hub key holds, if it holds one.
    ///
    /// The table follows from the window; upstream keeps it in files.
    fn position_index(&self, key: &str) -> Option<usize> {
        let _ = key;
        None
    }

    /// The values that a hub key holds, if they follow from the config.
    ///
    /// Upstream keeps some such tables in files too.
    fn derived_values(&self, key: &str) -> Option<Vec<f32>> {
        let _ = key;
        None
    }
}

/// The family that a config file chose.
pub(crate) fn family(config: &HfBackboneConfig) -> Result<&dyn Family, Error> {
    match config {
        HfBackboneConfig::Swin(swin) => Ok(swin),
        HfBackboneConfig::SwinV2(swin) => Ok(swin),
        HfBackboneConfig::ConvNext(convnext) => Ok(convnext),
        HfBackboneConfig::ConvNextV2(convnext) => Ok(convnext),
        HfBackboneConfig::Dinov3ConvNext(convnext) => Ok(convnext),
        HfBackboneConfig::ResNet(resnet) => Ok(resnet),
        HfBackboneConfig::Beit(beit) => Ok(beit),
        HfBackboneConfig::Dinov2(vit) => Ok(vit),
        HfBackboneConfig::Dinov3Vit(vit) => Ok(vit),
        HfBackboneConfig::PvtV2(pvt) => Ok(pvt),
        HfBackboneConfig::Vit(vit) => Ok(vit),
        other => Err(Error::UnsupportedBackbone {
            model_type: other.model_type().to_owned(),
        }),
    }
}

/// A path with every text of `table` replaced, in order.
fn renamed(path: &str, table: &[(&str, &str)]) -> String {
    let replace = |key: String, (from, to): &(&str, &str)| key.replace(from, to);
    table.iter().fold(path.to_owned(), replace)
}

/// A key whose norm of a feature map is called after its stage, as upstream does; here they are numbered.
fn with_named_norm(key: String, out_stages: &[usize]) -> String {
    const NORMS: &str = "backbone.hidden_states_norms.";
    let named = || {
        let (number, parameter) = key.strip_prefix(NORMS)?.split_once('.')?;
        let stage = out_stages.get(number.parse::<usize>().ok()?)?;
        let parameter = parameter.strip_prefix("norm.").unwrap_or(parameter);
        Some(format!("{NORMS}stage{stage}.{parameter}"))
    };
    named().unwrap_or(key)
}

/// Hugging Face counts stages from 1, since its stem is stage 0.
fn from_zero(out_stages: &[usize]) -> Vec<usize> {
    out_stages.iter().map(|stage| stage - 1).collect()
}

/// Multiply-adds are products of many sizes.
pub(crate) fn product(factors: &[usize]) -> u64 {
    factors.iter().map(|&factor| factor as u64).product()
}
