//! `ConvNeXt`'s part of a configuration.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError,
    family::Family,
    fields::Fields,
    limits::{DROP_RATES, MAX_BLOCKS, MAX_CHANNELS, MAX_PATCH, MAX_STAGES},
    shared::{gelu_only, total_blocks},
    stages::out_stages,
};

/// A `ConvNeXt` backbone as `ConvNextConfig` describes it, checked and bounded.
///
/// The default is ConvNeXt-T as Hugging Face defines it, with the last stage as its only feature
/// map. Every norm that the backbone uses has an epsilon of 1e-6, whatever `layer_norm_eps` says.
#[derive(Debug, Clone, PartialEq)]
pub struct HfConvNextConfig {
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
    /// Start value of each block's learned channel scale; there is no scale if it is not positive.
    pub layer_scale_init_value: f64,
    /// Standard deviation of a freshly initialised weight.
    pub initializer_range: f64,
    /// Stages whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

impl Default for HfConvNextConfig {
    fn default() -> Self {
        Self {
            num_channels: 3,
            patch_size: 4,
            hidden_sizes: vec![96, 192, 384, 768],
            depths: vec![3, 3, 9, 3],
            drop_path_rate: 0.0,
            layer_scale_init_value: 1e-6,
            initializer_range: 0.02,
            out_stages: vec![4],
        }
    }
}

impl HfConvNextConfig {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        gelu_only(fields)?;
        let stages = 1..=MAX_STAGES;
        let depths = fields.integers("depths", &default.depths, &stages, &(1..=MAX_BLOCKS))?;
        total_blocks(fields, &depths)?;
        let config = Self {
            num_channels: fields.integer("num_channels", 3, &(1..=MAX_CHANNELS))?,
            patch_size: fields.square("patch_size", default.patch_size, &(1..=MAX_PATCH))?,
            hidden_sizes: fields.integers(
                "hidden_sizes",
                &default.hidden_sizes,
                &stages,
                &(1..=MAX_CHANNELS),
            )?,
            drop_path_rate: fields.number("drop_path_rate", 0.0, &DROP_RATES)?,
            layer_scale_init_value: fields.number(
                "layer_scale_init_value",
                default.layer_scale_init_value,
                &(-1000.0..=1000.0),
            )?,
            initializer_range: fields.number(
                "initializer_range",
                default.initializer_range,
                &(0.0..=1000.0),
            )?,
            out_stages: out_stages(fields, depths.len())?,
            depths,
        };
        config.check(fields)?;
        Ok(config)
    }

    fn check(&self, fields: &Fields<'_>) -> Result<(), ConfigError> {
        let stages = self.depths.len();
        let named = fields.integer("num_stages", stages, &(1..=MAX_STAGES))?;
        for (name, found) in [
            ("hidden_sizes", self.hidden_sizes.len()),
            ("num_stages", named),
        ] {
            if found != stages {
                return Err(ConfigError::Disagree {
                    first: fields.path("depths"),
                    second: fields.path(name),
                    detail: format!("the first has {stages} stages, the second {found}"),
                });
            }
        }
        Ok(())
    }
}

impl Family for HfConvNextConfig {
    fn model_type(&self) -> &'static str {
        "convnext"
    }

    fn title(&self) -> &'static str {
        "ConvNeXt"
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
        let patch = (self.patch_size * self.patch_size) as f64 * self.num_channels as f64;
        let stem = self
            .hidden_sizes
            .first()
            .map_or(0.0, |&channels| patch * channels as f64);
        let downsampling: f64 = self
            .hidden_sizes
            .windows(2)
            .map(|pair| 4.0 * pair[0] as f64 * pair[1] as f64)
            .sum();
        let blocks: f64 = self
            .hidden_sizes
            .iter()
            .zip(&self.depths)
            .map(|(&channels, &depth)| {
                let channels = channels as f64;
                depth as f64 * channels * (8.0 * channels + 49.0)
            })
            .sum();
        stem + downsampling + blocks
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
        put("layer_scale_init_value", json!(self.layer_scale_init_value));
        put("initializer_range", json!(self.initializer_range));
    }
}
