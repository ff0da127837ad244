//! `BEiT`'s part of a configuration.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError,
    family::Family,
    fields::{Fields, out_of_range},
    limits::{DROP_RATES, MAX_BLOCKS, MAX_CHANNELS, MAX_IMAGE_SIDE, MAX_PATCH},
    shared::gelu_only,
    stages::out_stages,
};

/// A layer is a stage of one block.
const DEPTHS: [usize; MAX_BLOCKS] = [1; MAX_BLOCKS];

/// Maps that the neck takes.
const NECK_MAPS: usize = 4;

/// A `BEiT` backbone as `BeitConfig` describes it, checked and bounded.
///
/// The default is `BEiT`-B as Hugging Face defines it: without positions, without a neck, and with the
/// last layer's map alone.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "upstream's fields, of which any may be set with any other"
)]
pub struct HfBeitConfig {
    /// Side of the image, in pixels, that positions and position biases are learned for; they are
    /// interpolated for others.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of the image.
    pub num_channels: usize,
    /// Channels of every layer.
    pub hidden_size: usize,
    /// Layers. Each is a stage.
    pub num_hidden_layers: usize,
    /// Attention heads of a layer.
    pub num_attention_heads: usize,
    /// Hidden channels of a layer's MLP.
    pub intermediate_size: usize,
    /// Probability of dropping an activation.
    pub hidden_dropout_prob: f64,
    /// Probability of dropping an attention weight.
    pub attention_probs_dropout_prob: f64,
    /// Probability of dropping both residual branches of the last layer; linear from 0 at the first.
    pub drop_path_rate: f64,
    /// Epsilon of the norms.
    pub layer_norm_eps: f64,
    /// What the learned scales of the residual branches begin with; there are none unless it is above 0.
    pub layer_scale_init_value: f64,
    /// Standard deviation of a freshly initialised weight.
    pub initializer_range: f64,
    /// Whether a learned position is added to each patch.
    pub use_absolute_position_embeddings: bool,
    /// Whether each layer's attention has a bias of its own for the offset of two patches.
    pub use_relative_position_bias: bool,
    /// Whether all layers' attention has one such bias together.
    pub use_shared_relative_position_bias: bool,
    /// Whether a neck makes a pyramid of four maps.
    pub add_fpn: bool,
    /// Layers whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

impl Default for HfBeitConfig {
    fn default() -> Self {
        Self {
            image_size: 224,
            patch_size: 16,
            num_channels: 3,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            drop_path_rate: 0.1,
            layer_norm_eps: 1e-12,
            layer_scale_init_value: 0.1,
            initializer_range: 0.02,
            use_absolute_position_embeddings: false,
            use_relative_position_bias: false,
            use_shared_relative_position_bias: false,
            add_fpn: false,
            out_stages: vec![12],
        }
    }
}

impl HfBeitConfig {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        gelu_only(fields)?;
        flat_maps_refused(fields)?;
        let channels = 1..=MAX_CHANNELS;
        let num_hidden_layers = fields.integer(
            "num_hidden_layers",
            default.num_hidden_layers,
            &(1..=MAX_BLOCKS),
        )?;
        let number = |name, default, range| fields.number(name, default, &range);
        let config = Self {
            image_size: fields.square("image_size", default.image_size, &(1..=MAX_IMAGE_SIDE))?,
            patch_size: fields.square("patch_size", default.patch_size, &(1..=MAX_PATCH))?,
            num_channels: fields.integer("num_channels", default.num_channels, &channels)?,
            hidden_size: fields.integer("hidden_size", default.hidden_size, &channels)?,
            num_hidden_layers,
            num_attention_heads: fields.integer(
                "num_attention_heads",
                default.num_attention_heads,
                &channels,
            )?,
            intermediate_size: fields.integer(
                "intermediate_size",
                default.intermediate_size,
                &channels,
            )?,
            hidden_dropout_prob: number("hidden_dropout_prob", 0.0, DROP_RATES)?,
            attention_probs_dropout_prob: number("attention_probs_dropout_prob", 0.0, DROP_RATES)?,
            drop_path_rate: number("drop_path_rate", default.drop_path_rate, DROP_RATES)?,
            layer_norm_eps: number("layer_norm_eps", default.layer_norm_eps, 0.0..=1.0)?,
            layer_scale_init_value: number(
                "layer_scale_init_value",
                default.layer_scale_init_value,
                -1000.0..=1000.0,
            )?,
            initializer_range: number(
                "initializer_range",
                default.initializer_range,
                0.0..=1000.0,
            )?,
            use_absolute_position_embeddings: fields
                .boolean("use_absolute_position_embeddings", false)?,
            use_relative_position_bias: fields.boolean("use_relative_position_bias", false)?,
            use_shared_relative_position_bias: fields
                .boolean("use_shared_relative_position_bias", false)?,
            add_fpn: fields.boolean("add_fpn", false)?,
            out_stages: out_stages(fields, num_hidden_layers)?,
        };
        config.check(fields)?;
        Ok(config)
    }

    fn check(&self, fields: &Fields<'_>) -> Result<(), ConfigError> {
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(ConfigError::Disagree {
                first: fields.path("hidden_size"),
                second: fields.path("num_attention_heads"),
                detail: format!(
                    "{} channels are not divisible by {} heads",
                    self.hidden_size, self.num_attention_heads
                ),
            });
        }
        if self.image_size < self.patch_size {
            let range = self.patch_size..=MAX_IMAGE_SIDE;
            let field = fields.path("image_size");
            return Err(out_of_range(&field, self.image_size, &range));
        }
        if self.add_fpn && self.out_stages.len() != NECK_MAPS {
            return Err(ConfigError::Disagree {
                first: fields.path("add_fpn"),
                second: fields.path("out_features"),
                detail: format!(
                    "the neck takes {NECK_MAPS} maps, the second asks for {}",
                    self.out_stages.len()
                ),
            });
        }
        Ok(())
    }

    /// Patches along one side of an image of `image_size`.
    fn grid(&self) -> f64 {
        (self.image_size / self.patch_size) as f64
    }
}

/// Refuses maps that are lists of tokens, which no head reads.
fn flat_maps_refused(fields: &Fields<'_>) -> Result<(), ConfigError> {
    if fields.boolean("reshape_hidden_states", true)? {
        return Ok(());
    }
    Err(ConfigError::Unsupported {
        field: fields.path("reshape_hidden_states"),
        found: "false".into(),
        hint: "the heads read maps, not lists of tokens".into(),
    })
}

impl Family for HfBeitConfig {
    fn model_type(&self) -> &'static str {
        "beit"
    }

    fn backbone_class(&self) -> &'static str {
        "BeitBackbone"
    }

    fn title(&self) -> &'static str {
        "BEiT"
    }

    fn num_channels(&self) -> usize {
        self.num_channels
    }

    fn depths(&self) -> &[usize] {
        &DEPTHS[..self.num_hidden_layers.min(MAX_BLOCKS)]
    }

    fn stage_channels(&self) -> Vec<usize> {
        vec![self.hidden_size; self.num_hidden_layers]
    }

    fn out_stages(&self) -> &[usize] {
        &self.out_stages
    }

    fn set_out_stages(&mut self, out_stages: Vec<usize>) {
        self.out_stages = out_stages;
    }

    /// Four layers, the last of each third and the middle one, under the neck: those of the authors'
    /// recipes for 12 and 24 layers. With fewer than five layers all of them, and the neck if they are
    /// four.
    fn set_usual_stages(&mut self) {
        let layers = self.num_hidden_layers;
        self.out_stages = if layers > NECK_MAPS {
            vec![layers / 3, layers / 2, 2 * layers / 3, layers]
        } else {
            (1..=layers).collect()
        };
        self.add_fpn = self.out_stages.len() == NECK_MAPS;
    }

    fn parameters(&self) -> f64 {
        let channels = self.hidden_size as f64;
        let patch = (self.patch_size * self.patch_size) as f64 * self.num_channels as f64;
        let table = (2.0 * self.grid() - 1.0).powi(2) * self.num_attention_heads as f64;
        let layers = self.num_hidden_layers as f64;
        let given = |is_there: bool, count: f64| if is_there { count } else { 0.0 };
        let layer = 4.0 * channels * channels + 2.0 * channels * self.intermediate_size as f64;
        channels * patch
            + layers * layer
            + given(
                self.use_absolute_position_embeddings,
                channels * self.grid().powi(2),
            )
            + given(self.use_relative_position_bias, layers * table)
            + given(self.use_shared_relative_position_bias, table)
            + given(self.add_fpn, 12.0 * channels * channels)
    }

    /// A mask token and a final norm would say nothing of the maps, so the file says that there is none.
    fn write(&self, map: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| map.insert(name.into(), value);
        put("model_type", json!(self.model_type()));
        put("image_size", json!(self.image_size));
        put("patch_size", json!(self.patch_size));
        put("num_channels", json!(self.num_channels));
        put("hidden_size", json!(self.hidden_size));
        put("num_hidden_layers", json!(self.num_hidden_layers));
        put("num_attention_heads", json!(self.num_attention_heads));
        put("intermediate_size", json!(self.intermediate_size));
        put("hidden_act", json!("gelu"));
        put("hidden_dropout_prob", json!(self.hidden_dropout_prob));
        put(
            "attention_probs_dropout_prob",
            json!(self.attention_probs_dropout_prob),
        );
        put("drop_path_rate", json!(self.drop_path_rate));
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("layer_scale_init_value", json!(self.layer_scale_init_value));
        put("initializer_range", json!(self.initializer_range));
        put(
            "use_absolute_position_embeddings",
            json!(self.use_absolute_position_embeddings),
        );
        put(
            "use_relative_position_bias",
            json!(self.use_relative_position_bias),
        );
        put(
            "use_shared_relative_position_bias",
            json!(self.use_shared_relative_position_bias),
        );
        put("use_mask_token", json!(false));
        put("use_mean_pooling", json!(true));
        put("add_fpn", json!(self.add_fpn));
        put("reshape_hidden_states", json!(true));
    }
}
