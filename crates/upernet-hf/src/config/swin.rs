//! Swin's part of a configuration.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError,
    family::Family,
    fields::Fields,
    limits::{
        DROP_RATES, MAX_BLOCKS, MAX_CHANNELS, MAX_IMAGE_SIDE, MAX_MLP_RATIO, MAX_PATCH, MAX_STAGES,
        MAX_WINDOW,
    },
    shared::gelu_only,
    stages::out_stages,
    windowed::WindowedStages,
};

/// A Swin backbone as `SwinConfig` describes it, checked and bounded.
///
/// The default is Swin-T as Hugging Face defines it, with the last stage as its only feature map.
#[derive(Debug, Clone, PartialEq)]
pub struct HfSwinConfig {
    /// Side of the pretraining image, in pixels; only absolute position embeddings depend on it.
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
    /// Side of an attention window, in tokens.
    pub window_size: usize,
    /// Hidden channels of the MLP, as a multiple of the stage's channels.
    pub mlp_ratio: f64,
    /// Whether query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// Probability of dropping an activation.
    pub hidden_dropout_prob: f64,
    /// Probability of dropping an attention weight.
    pub attention_probs_dropout_prob: f64,
    /// Probability of dropping the residual branch of the last block; linear from 0 at the first.
    /// Hugging Face applies it to the attention branch alone.
    pub drop_path_rate: f64,
    /// Whether a learned position is added to each patch.
    pub use_absolute_embeddings: bool,
    /// Epsilon of the two norms of a block; every other norm has 1e-5.
    pub layer_norm_eps: f64,
    /// Standard deviation of a freshly initialised weight.
    pub initializer_range: f64,
    /// Stages whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

impl Default for HfSwinConfig {
    fn default() -> Self {
        Self {
            image_size: 224,
            patch_size: 4,
            num_channels: 3,
            embed_dim: 96,
            depths: vec![2, 2, 6, 2],
            num_heads: vec![3, 6, 12, 24],
            window_size: 7,
            mlp_ratio: 4.0,
            qkv_bias: true,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            drop_path_rate: 0.1,
            use_absolute_embeddings: false,
            layer_norm_eps: 1e-5,
            initializer_range: 0.02,
            out_stages: vec![4],
        }
    }
}

impl HfSwinConfig {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        gelu_only(fields)?;
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
            mlp_ratio: fields.number("mlp_ratio", default.mlp_ratio, &(0.0..=MAX_MLP_RATIO))?,
            qkv_bias: fields.boolean("qkv_bias", default.qkv_bias)?,
            hidden_dropout_prob: fields.number("hidden_dropout_prob", 0.0, &DROP_RATES)?,
            attention_probs_dropout_prob: fields.number(
                "attention_probs_dropout_prob",
                0.0,
                &DROP_RATES,
            )?,
            drop_path_rate: fields.number("drop_path_rate", default.drop_path_rate, &DROP_RATES)?,
            use_absolute_embeddings: fields.boolean("use_absolute_embeddings", false)?,
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
        Ok(config)
    }

    fn stages(&self) -> WindowedStages<'_> {
        WindowedStages {
            embed_dim: self.embed_dim,
            depths: &self.depths,
            num_heads: &self.num_heads,
            mlp_ratio: self.mlp_ratio,
        }
    }
}

impl Family for HfSwinConfig {
    fn model_type(&self) -> &'static str {
        "swin"
    }

    fn backbone_class(&self) -> &'static str {
        "SwinBackbone"
    }

    fn title(&self) -> &'static str {
        "Swin"
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
        let grid = self.image_size as f64 / self.patch_size as f64;
        let positions = if self.use_absolute_embeddings {
            grid * grid
        } else {
            0.0
        };
        let patch = (self.patch_size * self.patch_size) as f64 * self.num_channels as f64;
        let table = (2.0 * self.window_size as f64 - 1.0).powi(2);
        let stages = self.stages().parameters(|heads| table * heads);
        stages + self.embed_dim as f64 * (patch + positions)
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
        put("mlp_ratio", json!(self.mlp_ratio));
        put("qkv_bias", json!(self.qkv_bias));
        put("hidden_act", json!("gelu"));
        put("hidden_dropout_prob", json!(self.hidden_dropout_prob));
        put(
            "attention_probs_dropout_prob",
            json!(self.attention_probs_dropout_prob),
        );
        put("drop_path_rate", json!(self.drop_path_rate));
        put(
            "use_absolute_embeddings",
            json!(self.use_absolute_embeddings),
        );
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("initializer_range", json!(self.initializer_range));
        put("encoder_stride", json!(32));
    }
}
