//! `ConvNeXt` V2's part of a configuration.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError,
    convnext_stages::{ConvNextStages, parameters},
    family::Family,
    fields::Fields,
    limits::MAX_PATCH,
};

/// A `ConvNeXt` V2 backbone as `ConvNextV2Config` describes it, checked and bounded.
///
/// The default is ConvNeXtV2-T as Hugging Face defines it, with the last stage as its only feature
/// map. Every norm that the backbone uses has an epsilon of 1e-6, whatever `layer_norm_eps` says.
#[derive(Debug, Clone, PartialEq)]
pub struct HfConvNextV2Config {
    /// Channels of the image.
    pub num_channels: usize,
    /// Side of a patch of the stem, in pixels.
    pub patch_size: usize,
    /// Channels of each stage.
    pub hidden_sizes: Vec<usize>,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Probability of dropping the residual branch of the last block; linear from 0 at the first.
    pub drop_path_rate: f64,
    /// Standard deviation of a freshly initialised weight.
    pub initializer_range: f64,
    /// Stages whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

impl Default for HfConvNextV2Config {
    fn default() -> Self {
        Self {
            num_channels: 3,
            patch_size: 4,
            hidden_sizes: vec![96, 192, 384, 768],
            depths: vec![3, 3, 9, 3],
            drop_path_rate: 0.0,
            initializer_range: 0.02,
            out_stages: vec![4],
        }
    }
}

impl HfConvNextV2Config {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let stages = ConvNextStages::parse(fields)?;
        Ok(Self {
            num_channels: stages.num_channels,
            patch_size: fields.square("patch_size", default.patch_size, &(1..=MAX_PATCH))?,
            hidden_sizes: stages.hidden_sizes,
            depths: stages.depths,
            drop_path_rate: stages.drop_path_rate,
            initializer_range: stages.initializer_range,
            out_stages: stages.out_stages,
        })
    }
}

impl Family for HfConvNextV2Config {
    fn model_type(&self) -> &'static str {
        "convnextv2"
    }

    fn backbone_class(&self) -> &'static str {
        "ConvNextV2Backbone"
    }

    fn title(&self) -> &'static str {
        "ConvNeXt V2"
    }

    fn num_channels(&self) -> usize {
        self.num_channels
    }

    fn depths(&self) -> &[usize] {
        &self.depths
    }

    fn stage_channels(&self) -> Vec<usize> {
        self.hidden_sizes.clone()
    }

    fn out_stages(&self) -> &[usize] {
        &self.out_stages
    }

    fn set_out_stages(&mut self, out_stages: Vec<usize>) {
        self.out_stages = out_stages;
    }

    fn parameters(&self) -> f64 {
        let patch = [self.num_channels, self.patch_size, self.patch_size];
        parameters(patch, &self.hidden_sizes, &self.depths)
    }

    fn write(&self, map: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| map.insert(name.into(), value);
        put("model_type", json!(self.model_type()));
        put("num_channels", json!(self.num_channels));
        put("patch_size", json!(self.patch_size));
        put("num_stages", json!(self.depths.len()));
        put("hidden_sizes", json!(self.hidden_sizes));
        put("depths", json!(self.depths));
        put("hidden_act", json!("gelu"));
        put("drop_path_rate", json!(self.drop_path_rate));
        put("initializer_range", json!(self.initializer_range));
    }
}
