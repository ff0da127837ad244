//! What the stages of both generations of Swin have in common.

use crate::config::{
    ConfigError,
    fields::{Fields, out_of_range},
    limits::{MAX_CHANNELS, MAX_MLP_RATIO},
    shared::total_blocks,
};

/// The fields that stages of attention in windows are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowedStages<'a> {
    pub(crate) embed_dim: usize,
    pub(crate) depths: &'a [usize],
    pub(crate) num_heads: &'a [usize],
    pub(crate) mlp_ratio: f64,
}

impl WindowedStages<'_> {
    /// Channels of each stage.
    pub(crate) fn channels(&self) -> Vec<usize> {
        (0..self.depths.len())
            .map(|stage| self.embed_dim << stage)
            .collect()
    }

    /// Refuses stages that contradict each other or are too large.
    pub(crate) fn check(&self, fields: &Fields<'_>) -> Result<(), ConfigError> {
        total_blocks(fields, self.depths)?;
        if self.depths.len() != self.num_heads.len() {
            return Err(ConfigError::Disagree {
                first: fields.path("depths"),
                second: fields.path("num_heads"),
                detail: format!(
                    "the first has {} stages, the second {}",
                    self.depths.len(),
                    self.num_heads.len()
                ),
            });
        }
        let channels = self.channels();
        let last = channels.last().copied().unwrap_or_default();
        if last > MAX_CHANNELS {
            return Err(ConfigError::OutOfRange {
                field: fields.path("embed_dim"),
                found: format!(
                    "{}, which makes {last} channels in the last stage",
                    self.embed_dim
                ),
                allowed: format!("up to {MAX_CHANNELS} there"),
            });
        }
        for (stage, (&channels, &heads)) in channels.iter().zip(self.num_heads).enumerate() {
            if channels % heads != 0 {
                return Err(ConfigError::Disagree {
                    first: fields.path("embed_dim"),
                    second: fields.path("num_heads"),
                    detail: format!(
                        "stage{} has {channels} channels, not divisible by {heads} heads",
                        stage + 1
                    ),
                });
            }
        }
        if self.mlp_ratio * (self.embed_dim as f64) < 1.0 {
            let range = 1.0 / self.embed_dim as f64..=MAX_MLP_RATIO;
            return Err(out_of_range(
                &fields.path("mlp_ratio"),
                self.mlp_ratio,
                &range,
            ));
        }
        Ok(())
    }

    /// Estimates the number of parameters of blocks and mergings; `position_bias` is that of a block's
    /// position bias, by its heads.
    pub(crate) fn parameters(&self, position_bias: impl Fn(f64) -> f64) -> f64 {
        let channels = self.channels();
        let merging: f64 = channels
            .iter()
            .rev()
            .skip(1)
            .map(|&channels| 8.0 * (channels as f64).powi(2))
            .sum();
        let blocks: f64 = channels
            .iter()
            .zip(self.depths)
            .zip(self.num_heads)
            .map(|((&channels, &depth), &heads)| {
                let square = (channels as f64).powi(2);
                let layers = (4.0 + 2.0 * self.mlp_ratio) * square;
                depth as f64 * (layers + position_bias(heads as f64))
            })
            .sum();
        blocks + merging
    }
}
