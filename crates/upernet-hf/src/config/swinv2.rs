//! Swin V2's part of a configuration.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError,
    family::Family,
    fields::Fields,
    limits::{
        DROP_RATES, MAX_BLOCKS, MAX_CHANNELS, MAX_IMAGE_SIDE, MAX_MLP_RATIO, MAX_PATCH,
        MAX_POSITION_BIASES, MAX_STAGES, MAX_WINDOW,
    },
    shared::gelu_only,
    stages::out_stages,
    windowed::WindowedStages,
};

/// Hidden channels of the perceptron that makes the position bias, fixed upstream.
const POSITION_BIAS_CHANNELS: f64 = 512.0;

/// A Swin V2 backbone as `Swinv2Config` describes it, checked and bounded.
///
/// The default is SwinV2-T's sizes as Hugging Face defines them, with the last stage as its only
/// feature map.
#[derive(Debug, Clone, PartialEq)]
pub struct HfSwinV2Config {
    /// Side of the pretraining image, in pixels; windows are no larger than its maps.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of the image.
    pub num_channels: usize,
    /// Channels of the first stage; each later stage has twice as many.
    pub embed_dim: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    pub num_heads: Vec<usize>,
    /// Largest side of an attention window, in tokens.
    pub window_size: usize,
    /// Side of the window that each stage's position bias was trained with, in tokens; 0 for its own.
    pub pretrained_window_sizes: Vec<usize>,
    /// Hidden channels of the MLP, as a multiple of the stage's channels.
    pub mlp_ratio: f64,
    /// Whether query and value projections have a bias; that of keys has none.
    pub qkv_bias: bool,
    /// Probability of dropping an activation.
    pub hidden_dropout_prob: f64,
    /// Probability of dropping an attention weight, or an activation after the attention.
    pub attention_probs_dropout_prob: f64,
    /// Probability of dropping a residual branch of the last block; linear from 0 at the first.
    pub drop_path_rate: f64,
    /// Epsilon of the two norms of a block; every other norm has 1e-5.
    pub layer_norm_eps: f64,
    /// Standard deviation of a freshly initialised weight.
    pub initializer_range: f64,
    /// Stages whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

impl Default for HfSwinV2Config {
    fn default() -> Self {
        Self {
            image_size: 224,
            patch_size: 4,
            num_channels: 3,
            embed_dim: 96,
            depths: vec![2, 2, 6, 2],
            num_heads: vec![3, 6, 12, 24],
            window_size: 7,
            pretrained_window_sizes: vec![0, 0, 0, 0],
            mlp_ratio: 4.0,
            qkv_bias: true,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            drop_path_rate: 0.1,
            layer_norm_eps: 1e-5,
            initializer_range: 0.02,
            out_stages: vec![4],
        }
    }
}

impl HfSwinV2Config {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        gelu_only(fields)?;
        no_absolute_embeddings(fields)?;
        let stages = 1..=MAX_STAGES;
        let depths = fields.integers("depths", &default.depths, &stages, &(1..=MAX_BLOCKS))?;
        let config = Self {
            image_size: fields.square("image_size", default.image_size, &(1..=MAX_IMAGE_SIDE))?,
            patch_size: fields.square("patch_size", default.patch_size, &(1..=MAX_PATCH))?,
            num_channels: fields.integer("num_channels", 3, &(1..=MAX_CHANNELS))?,
            embed_dim: fields.integer("embed_dim", default.embed_dim, &(1..=MAX_CHANNELS))?,
            num_heads: fields.integers(
                "num_heads",
                &default.num_heads,
                &stages,
                &(1..=MAX_CHANNELS),
            )?,
            window_size: fields.integer("window_size", default.window_size, &(1..=MAX_WINDOW))?,
            pretrained_window_sizes: pretrained_window_sizes(fields, depths.len())?,
            mlp_ratio: fields.number("mlp_ratio", default.mlp_ratio, &(0.0..=MAX_MLP_RATIO))?,
            qkv_bias: fields.boolean("qkv_bias", default.qkv_bias)?,
            hidden_dropout_prob: fields.number("hidden_dropout_prob", 0.0, &DROP_RATES)?,
            attention_probs_dropout_prob: fields.number(
                "attention_probs_dropout_prob",
                0.0,
                &DROP_RATES,
            )?,
            drop_path_rate: fields.number("drop_path_rate", default.drop_path_rate, &DROP_RATES)?,
            layer_norm_eps: fields.number(
                "layer_norm_eps",
                default.layer_norm_eps,
                &(0.0..=1.0),
            )?,
            initializer_range: fields.number(
                "initializer_range",
                default.initializer_range,
                &(0.0..=1000.0),
            )?,
            out_stages: out_stages(fields, depths.len())?,
            depths,
        };
        config.stages().check(fields)?;
        config.check_windows(fields)?;
        Ok(config)
    }

    /// Side of the windows of a stage, counted from 0, in tokens: no larger than the map of a pretraining
    /// image.
    #[must_use]
    pub fn stage_window(&self, stage: usize) -> usize {
        ((self.image_size / self.patch_size) >> stage).min(self.window_size)
    }

    fn stages(&self) -> WindowedStages<'_> {
        WindowedStages {
            embed_dim: self.embed_dim,
            depths: &self.depths,
            num_heads: &self.num_heads,
            mlp_ratio: self.mlp_ratio,
        }
    }

    /// No weight has a window's size, so a small file could otherwise ask for any memory.
    fn check_windows(&self, fields: &Fields<'_>) -> Result<(), ConfigError> {
        let stages = self.depths.len();
        if self.stage_window(stages - 1) == 0 {
            return Err(ConfigError::Disagree {
                first: fields.path("image_size"),
                second: fields.path("depths"),
                detail: format!(
                    "{} pixels leave no patch of {} in stage{stages}",
                    self.image_size, self.patch_size
                ),
            });
        }
        let blocks = self.depths.iter().zip(&self.num_heads).enumerate();
        let biases: f64 = blocks
            .map(|(stage, (&depth, &heads))| {
                let window = self.stage_window(stage) as f64;
                depth as f64 * heads as f64 * window.powi(4)
            })
            .sum();
        if biases > MAX_POSITION_BIASES {
            return Err(ConfigError::OutOfRange {
                field: fields.path("window_size"),
                found: format!(
                    "{}, which makes {biases:.1e} position biases",
                    self.window_size
                ),
                allowed: format!("up to {MAX_POSITION_BIASES:.1e} over all blocks and heads"),
            });
        }
        Ok(())
    }
}

/// Upstream allocates one position too many and cannot add them.
fn no_absolute_embeddings(fields: &Fields<'_>) -> Result<(), ConfigError> {
    if fields.boolean("use_absolute_embeddings", false)? {
        return Err(ConfigError::Unsupported {
            field: fields.path("use_absolute_embeddings"),
            found: "true".into(),
            hint: "Swin V2 runs without, in transformers too".into(),
        });
    }
    Ok(())
}

/// One for each stage. Upstream writes four whatever the number of stages, and reads as many as there
/// are.
fn pretrained_window_sizes(fields: &Fields<'_>, stages: usize) -> Result<Vec<usize>, ConfigError> {
    const NAME: &str = "pretrained_window_sizes";
    let mut sizes = fields.integers(
        NAME,
        &vec![0; stages],
        &(stages..=MAX_STAGES),
        &(0..=MAX_IMAGE_SIDE),
    )?;
    sizes.truncate(stages);
    // The farthest offset in such a window is none, and all others would be divided by it.
    if let Some(stage) = sizes.iter().position(|&size| size == 1) {
        return Err(ConfigError::OutOfRange {
            field: format!("{}[{stage}]", fields.path(NAME)),
            found: "1".into(),
            allowed: "0, or from 2 on".into(),
        });
    }
    Ok(sizes)
}

impl Family for HfSwinV2Config {
    fn model_type(&self) -> &'static str {
        "swinv2"
    }

    fn backbone_class(&self) -> &'static str {
        "Swinv2Backbone"
    }

    fn title(&self) -> &'static str {
        "Swin V2"
    }

    fn num_channels(&self) -> usize {
        self.num_channels
    }

    fn depths(&self) -> &[usize] {
        &self.depths
    }

    fn stage_channels(&self) -> Vec<usize> {
        self.stages().channels()
    }

    fn out_stages(&self) -> &[usize] {
        &self.out_stages
    }

    fn set_out_stages(&mut self, out_stages: Vec<usize>) {
        self.out_stages = out_stages;
    }

    fn parameters(&self) -> f64 {
        let patch = (self.patch_size * self.patch_size) as f64 * self.num_channels as f64;
        let stages = self
            .stages()
            .parameters(|heads| POSITION_BIAS_CHANNELS * (3.0 + heads));
        stages + self.embed_dim as f64 * patch
    }

    fn write(&self, map: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| map.insert(name.into(), value);
        put("model_type", json!(self.model_type()));
        put("image_size", json!(self.image_size));
        put("patch_size", json!(self.patch_size));
        put("num_channels", json!(self.num_channels));
        put("embed_dim", json!(self.embed_dim));
        put("depths", json!(self.depths));
        put("num_layers", json!(self.depths.len()));
        put("hidden_size", json!(self.stage_channels().last()));
        put("num_heads", json!(self.num_heads));
        put("window_size", json!(self.window_size));
        put(
            "pretrained_window_sizes",
            json!(self.pretrained_window_sizes),
        );
        put("mlp_ratio", json!(self.mlp_ratio));
        put("qkv_bias", json!(self.qkv_bias));
        put("hidden_act", json!("gelu"));
        put("hidden_dropout_prob", json!(self.hidden_dropout_prob));
        put(
            "attention_probs_dropout_prob",
            json!(self.attention_probs_dropout_prob),
        );
        put("drop_path_rate", json!(self.drop_path_rate));
        put("use_absolute_embeddings", json!(false));
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("initializer_range", json!(self.initializer_range));
        put("encoder_stride", json!(32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HfBackboneConfig;

    fn parse(value: &Value) -> Result<HfSwinV2Config, String> {
        let mut value = value.clone();
        value["model_type"] = json!("swinv2");
        match HfBackboneConfig::from_json(value.to_string().as_bytes()) {
            Ok(HfBackboneConfig::SwinV2(config)) => Ok(config),
            Ok(other) => panic!("read as {other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    /// `microsoft/swinv2-tiny-patch4-window8-256`, as far as it differs from the defaults.
    #[test]
    fn published_sizes_are_read() {
        let config = parse(&json!({
            "image_size": 256,
            "window_size": 8,
            "drop_path_rate": 0.2,
            "pretrained_window_sizes": [0, 0, 0, 0],
        }));
        let expected = HfSwinV2Config {
            image_size: 256,
            window_size: 8,
            drop_path_rate: 0.2,
            ..HfSwinV2Config::default()
        };
        assert_eq!(config, Ok(expected));
    }

    #[test]
    fn windows_are_no_larger_than_maps() {
        let config = HfSwinV2Config {
            image_size: 192,
            window_size: 12,
            ..HfSwinV2Config::default()
        };
        let windows = [0, 1, 2, 3].map(|stage| config.stage_window(stage));
        assert_eq!(windows, [12, 12, 12, 6]);
    }

    #[test]
    fn more_pretrained_windows_than_stages_are_left_out() {
        let three = json!({
            "depths": [1, 1, 1],
            "num_heads": [1, 2, 4],
            "pretrained_window_sizes": [8, 8, 4, 0],
        });
        let config = parse(&three).expect("as upstream reads it");
        assert_eq!(config.pretrained_window_sizes, [8, 8, 4]);
    }

    #[test]
    fn what_cannot_be_built_is_refused_by_name() {
        let deep = json!({"window_size": 64, "image_size": 4096, "num_heads": [96, 96, 96, 96]});
        for (value, expected) in [
            (
                json!({"use_absolute_embeddings": true}),
                "field `use_absolute_embeddings` asks for \"true\", which is not supported",
            ),
            (
                json!({"hidden_act": "relu"}),
                "field `hidden_act` asks for \"relu\"",
            ),
            (
                json!({"pretrained_window_sizes": [8, 1, 8, 8]}),
                "field `pretrained_window_sizes[1]` is 1, allowed is 0, or from 2 on",
            ),
            (
                json!({"pretrained_window_sizes": [8, 8]}),
                "field `pretrained_window_sizes` is a list of 2",
            ),
            (
                json!({"image_size": 31}),
                "fields `image_size` and `depths` disagree: 31 pixels leave no patch of 4 in stage4",
            ),
            (deep, "which makes 1.9e10 position biases"),
            (
                json!({"num_heads": [3, 6, 12, 25]}),
                "stage4 has 768 channels, not divisible by 25 heads",
            ),
        ] {
            let error = parse(&value).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }
}
