//! `PVTv2`'s part of a configuration.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError,
    family::Family,
    fields::Fields,
    limits::{DROP_RATES, MAX_BLOCKS, MAX_CHANNELS, MAX_PATCH, MAX_STAGES},
    shared::{gelu_only, total_blocks},
    stages::StageNames,
};

/// Hidden channels of a perceptron, as a multiple of its stage's.
const MAX_MLP_RATIO: usize = 64;

/// A `PVTv2` backbone as `PvtV2Config` describes it, checked and bounded.
///
/// The default is `PVTv2-B0` as Hugging Face defines it, with the last stage as its only feature map.
#[derive(Debug, Clone, PartialEq)]
pub struct HfPvtV2Config {
    /// Channels of the image.
    pub num_channels: usize,
    /// Channels of each stage.
    pub hidden_sizes: Vec<usize>,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Side of each stage's overlapping patches, in pixels of the map before it; odd.
    pub patch_sizes: Vec<usize>,
    /// Distance of each stage's patches, in pixels of the map before it.
    pub strides: Vec<usize>,
    /// By what each stage divides the sides of the map for its keys and values; without effect if
    /// `linear_attention` is set.
    pub sr_ratios: Vec<usize>,
    /// Attention heads of each stage.
    pub num_attention_heads: Vec<usize>,
    /// Hidden channels of each stage's perceptrons, as a multiple of the stage's channels.
    pub mlp_ratios: Vec<usize>,
    /// Whether query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// Whether keys and values are averages on a grid of 7 x 7 cells.
    pub linear_attention: bool,
    /// Probability of dropping an activation.
    pub hidden_dropout_prob: f64,
    /// Probability of dropping an attention weight.
    pub attention_probs_dropout_prob: f64,
    /// Probability of dropping the residual branches of the last block; linear from 0 at the first.
    pub drop_path_rate: f64,
    /// Epsilon of every norm.
    pub layer_norm_eps: f64,
    /// Standard deviation of a freshly initialised weight of a linear layer.
    pub initializer_range: f64,
    /// Stages whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

impl Default for HfPvtV2Config {
    fn default() -> Self {
        Self {
            num_channels: 3,
            hidden_sizes: vec![32, 64, 160, 256],
            depths: vec![2, 2, 2, 2],
            patch_sizes: vec![7, 3, 3, 3],
            strides: vec![4, 2, 2, 2],
            sr_ratios: vec![8, 4, 2, 1],
            num_attention_heads: vec![1, 2, 5, 8],
            mlp_ratios: vec![8, 8, 4, 4],
            qkv_bias: true,
            linear_attention: false,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            drop_path_rate: 0.0,
            layer_norm_eps: 1e-6,
            initializer_range: 0.02,
            out_stages: vec![4],
        }
    }
}

impl HfPvtV2Config {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        gelu_only(fields)?;
        let default = Self::default();
        let stages = 1..=MAX_STAGES;
        let depths = fields.integers("depths", &default.depths, &stages, &(1..=MAX_BLOCKS))?;
        total_blocks(fields, &depths)?;
        // One number for each stage.
        let each = |name: &str, default: &[usize], largest: usize| {
            let list = fields.integers(name, default, &stages, &(1..=largest))?;
            same_stages(fields, name, depths.len(), list.len())?;
            Ok(list)
        };
        let rate = |name: &str| fields.number(name, 0.0, &DROP_RATES);
        let blocks = fields.integer("num_encoder_blocks", depths.len(), &stages)?;
        same_stages(fields, "num_encoder_blocks", depths.len(), blocks)?;
        let config = Self {
            num_channels: fields.integer("num_channels", 3, &(1..=MAX_CHANNELS))?,
            hidden_sizes: each("hidden_sizes", &default.hidden_sizes, MAX_CHANNELS)?,
            patch_sizes: each("patch_sizes", &default.patch_sizes, MAX_PATCH)?,
            strides: each("strides", &default.strides, MAX_PATCH)?,
            sr_ratios: each("sr_ratios", &default.sr_ratios, MAX_PATCH)?,
            num_attention_heads: each(
                "num_attention_heads",
                &default.num_attention_heads,
                MAX_CHANNELS,
            )?,
            mlp_ratios: each("mlp_ratios", &default.mlp_ratios, MAX_MLP_RATIO)?,
            qkv_bias: fields.boolean("qkv_bias", default.qkv_bias)?,
            linear_attention: fields.boolean("linear_attention", default.linear_attention)?,
            hidden_dropout_prob: rate("hidden_dropout_prob")?,
            attention_probs_dropout_prob: rate("attention_probs_dropout_prob")?,
            drop_path_rate: rate("drop_path_rate")?,
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
            out_stages: StageNames::WithoutStem.out_stages(fields, depths.len())?,
            depths,
        };
        config.check(fields)?;
        Ok(config)
    }

    fn check(&self, fields: &Fields<'_>) -> Result<(), ConfigError> {
        let heads = self.hidden_sizes.iter().zip(&self.num_attention_heads);
        for (stage, (&channels, &heads)) in heads.enumerate() {
            if channels % heads != 0 {
                return Err(ConfigError::Disagree {
                    first: fields.path("hidden_sizes"),
                    second: fields.path("num_attention_heads"),
                    detail: format!(
                        "stage{} has {channels} channels, not divisible by {heads} heads",
                        stage + 1
                    ),
                });
            }
        }
        let even = self.patch_sizes.iter().position(|size| size % 2 == 0);
        if let Some(stage) = even {
            return Err(ConfigError::Unsupported {
                field: fields.path(&format!("patch_sizes[{stage}]")),
                found: self.patch_sizes[stage].to_string(),
                hint: "the sides of patches are odd".into(),
            });
        }
        Ok(())
    }

    /// Parameters of a block of a stage, norms and biases left out.
    fn block_parameters(&self, stage: usize) -> f64 {
        let channels = self.hidden_sizes[stage] as f64;
        let hidden = channels * self.mlp_ratios[stage] as f64;
        let reduction = match (self.linear_attention, self.sr_ratios[stage]) {
            (true, _) => 1.0,
            (false, 1) => 0.0,
            (false, ratio) => (ratio * ratio) as f64,
        };
        (4.0 + reduction) * channels * channels + (2.0 * channels + 9.0) * hidden
    }
}

/// Refuses a list that has not as many stages as `depths`.
fn same_stages(
    fields: &Fields<'_>,
    name: &str,
    stages: usize,
    found: usize,
) -> Result<(), ConfigError> {
    if found == stages {
        return Ok(());
    }
    Err(ConfigError::Disagree {
        first: fields.path("depths"),
        second: fields.path(name),
        detail: format!("the first has {stages} stages, the second {found}"),
    })
}

impl Family for HfPvtV2Config {
    fn model_type(&self) -> &'static str {
        "pvt_v2"
    }

    fn backbone_class(&self) -> &'static str {
        "PvtV2Backbone"
    }

    fn title(&self) -> &'static str {
        "PVTv2"
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

    fn stage_names(&self) -> StageNames {
        StageNames::WithoutStem
    }

    fn out_stages(&self) -> &[usize] {
        &self.out_stages
    }

    fn set_out_stages(&mut self, out_stages: Vec<usize>) {
        self.out_stages = out_stages;
    }

    fn parameters(&self) -> f64 {
        let inputs = std::iter::once(&self.num_channels).chain(&self.hidden_sizes);
        let patches = inputs.zip(&self.hidden_sizes).zip(&self.patch_sizes);
        let patches = patches
            .map(|((&input, &output), &size)| (size * size) as f64 * input as f64 * output as f64);
        let blocks = self.depths.iter().enumerate();
        let blocks = blocks.map(|(stage, &depth)| depth as f64 * self.block_parameters(stage));
        patches.sum::<f64>() + blocks.sum::<f64>()
    }

    fn write(&self, map: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| map.insert(name.into(), value);
        put("model_type", json!(self.model_type()));
        put("num_channels", json!(self.num_channels));
        put("num_encoder_blocks", json!(self.depths.len()));
        put("hidden_sizes", json!(self.hidden_sizes));
        put("depths", json!(self.depths));
        put("patch_sizes", json!(self.patch_sizes));
        put("strides", json!(self.strides));
        put("sr_ratios", json!(self.sr_ratios));
        put("num_attention_heads", json!(self.num_attention_heads));
        put("mlp_ratios", json!(self.mlp_ratios));
        put("qkv_bias", json!(self.qkv_bias));
        put("linear_attention", json!(self.linear_attention));
        put("hidden_act", json!("gelu"));
        put("hidden_dropout_prob", json!(self.hidden_dropout_prob));
        put(
            "attention_probs_dropout_prob",
            json!(self.attention_probs_dropout_prob),
        );
        put("drop_path_rate", json!(self.drop_path_rate));
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("initializer_range", json!(self.initializer_range));
    }
}
