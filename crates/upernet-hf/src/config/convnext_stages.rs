//! What the configurations of all `ConvNeXt` families have in common.

use crate::config::{
    ConfigError,
    fields::Fields,
    limits::{DROP_RATES, MAX_BLOCKS, MAX_CHANNELS, MAX_STAGES},
    shared::{gelu_only, total_blocks},
    stages::out_stages,
};

/// Fields that every family has, checked and bounded.
#[derive(Debug)]
pub(crate) struct ConvNextStages {
    pub(crate) num_channels: usize,
    pub(crate) hidden_sizes: Vec<usize>,
    pub(crate) depths: Vec<usize>,
    pub(crate) drop_path_rate: f64,
    pub(crate) initializer_range: f64,
    pub(crate) out_stages: Vec<usize>,
}

impl ConvNextStages {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        gelu_only(fields)?;
        let stages = 1..=MAX_STAGES;
        let depths = fields.integers("depths", &[3, 3, 9, 3], &stages, &(1..=MAX_BLOCKS))?;
        total_blocks(fields, &depths)?;
        let config = Self {
            num_channels: fields.integer("num_channels", 3, &(1..=MAX_CHANNELS))?,
            hidden_sizes: fields.integers(
                "hidden_sizes",
                &[96, 192, 384, 768],
                &stages,
                &(1..=MAX_CHANNELS),
            )?,
            drop_path_rate: fields.number("drop_path_rate", 0.0, &DROP_RATES)?,
            initializer_range: fields.number("initializer_range", 0.02, &(0.0..=1000.0))?,
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

/// Reads the start value of each block's learned channel scale.
pub(crate) fn layer_scale(fields: &Fields<'_>) -> Result<f64, ConfigError> {
    fields.number("layer_scale_init_value", 1e-6, &(-1000.0..=1000.0))
}

/// Estimates the number of parameters, given the `[channels, height, width]` of a patch.
pub(crate) fn parameters(patch: [usize; 3], hidden_sizes: &[usize], depths: &[usize]) -> f64 {
    let patch: f64 = patch.iter().map(|&size| size as f64).product();
    let stem = hidden_sizes
        .first()
        .map_or(0.0, |&channels| patch * channels as f64);
    let downsampling: f64 = hidden_sizes
        .windows(2)
        .map(|pair| 4.0 * pair[0] as f64 * pair[1] as f64)
        .sum();
    let blocks: f64 = hidden_sizes
        .iter()
        .zip(depths)
        .map(|(&channels, &depth)| {
            let channels = channels as f64;
            depth as f64 * channels * (8.0 * channels + 49.0)
        })
        .sum();
    stem + downsampling + blocks
}
