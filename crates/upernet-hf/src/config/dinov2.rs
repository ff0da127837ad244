//! The part of a configuration that `DINOv2` has, with registers and without.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError, HfNeck, HfVariant,
    family::Family,
    fields::Fields,
    limits::{
        DROP_RATES, MAX_CHANNELS, MAX_IMAGE_SIDE, MAX_LAYERS, MAX_MLP_RATIO, MAX_PATCH,
        MAX_REGISTERS,
    },
    plain_vit::{self, Sizes},
    shared::gelu_only,
    stages::out_stages,
};

/// A `DINOv2` backbone as `Dinov2Config` or `Dinov2WithRegistersConfig` describes it, checked and bounded.
///
/// The default is Hugging Face's `Dinov2Config`, `DINOv2-B` for 224 x 224 images, with the last layer as
/// its only feature map.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the file's")]
pub struct HfDinov2Config {
    /// Channels of the image.
    pub num_channels: usize,
    /// Side of the image that positions were learned on, in pixels.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of every layer.
    pub hidden_size: usize,
    /// Layers, each a stage.
    pub num_hidden_layers: usize,
    /// Attention heads of every layer.
    pub num_attention_heads: usize,
    /// Hidden channels of the perceptron, as a multiple of the layer's channels.
    pub mlp_ratio: f64,
    /// Whether the perceptron is gated; it then has two thirds of the channels.
    pub use_swiglu_ffn: bool,
    /// Whether query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// Initial value of the learned factors of a branch's channels.
    pub layerscale_value: f64,
    /// Probability of dropping an activation after the embedding.
    pub hidden_dropout_prob: f64,
    /// Probability of dropping an attention weight.
    pub attention_probs_dropout_prob: f64,
    /// Probability of dropping a residual branch, the same for all layers.
    pub drop_path_rate: f64,
    /// Epsilon of all norms.
    pub layer_norm_eps: f64,
    /// Standard deviation of a freshly initialised weight.
    pub initializer_range: f64,
    /// Whether there is a token for hidden patches, which pretraining alone reads.
    pub use_mask_token: bool,
    /// Learned tokens that belong to no patch; `None` is `DINOv2` without registers, a family of its own.
    pub num_register_tokens: Option<usize>,
    /// Whether the final norm is applied to every map.
    pub apply_layernorm: bool,
    /// The neck of ours between the backbone and the heads. A field of the whole network's, `variant`,
    /// and not Hugging Face's.
    pub neck: Option<HfNeck>,
    /// Layers whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

impl Default for HfDinov2Config {
    fn default() -> Self {
        Self {
            num_channels: 3,
            image_size: 224,
            patch_size: 14,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            mlp_ratio: 4.0,
            use_swiglu_ffn: false,
            qkv_bias: true,
            layerscale_value: 1.0,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            drop_path_rate: 0.0,
            layer_norm_eps: 1e-6,
            initializer_range: 0.02,
            use_mask_token: true,
            num_register_tokens: None,
            apply_layernorm: true,
            neck: None,
            out_stages: vec![12],
        }
    }
}

impl HfDinov2Config {
    /// What Hugging Face's `Dinov2WithRegistersConfig` is by default.
    #[must_use]
    pub fn with_registers() -> Self {
        Self {
            patch_size: 16,
            num_register_tokens: Some(4),
            ..Self::default()
        }
    }

    /// Hidden channels of the perceptron.
    #[must_use]
    pub fn intermediate_size(&self) -> usize {
        plain_vit::inner_channels(self.hidden_size, self.mlp_ratio, self.use_swiglu_ffn)
    }

    /// Patches along one side of the image that positions were learned on.
    #[must_use]
    pub fn learned_side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Reads one without registers.
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let config = Self::parse_onto(&Self::default(), fields)?;
        Ok(Self {
            use_mask_token: fields.boolean("use_mask_token", true)?,
            ..config
        })
    }

    /// Reads one with registers.
    pub(crate) fn parse_with_registers(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let registers = fields.integer("num_register_tokens", 4, &(0..=MAX_REGISTERS))?;
        let config = Self::parse_onto(&Self::with_registers(), fields)?;
        Ok(Self {
            num_register_tokens: Some(registers),
            ..config
        })
    }

    fn parse_onto(default: &Self, fields: &Fields<'_>) -> Result<Self, ConfigError> {
        plain_vit::reshaped_only(fields)?;
        let use_swiglu_ffn = fields.boolean("use_swiglu_ffn", false)?;
        if !use_swiglu_ffn {
            gelu_only(fields)?;
        }
        let channels = 1..=MAX_CHANNELS;
        let layers = 1..=MAX_LAYERS;
        let num_hidden_layers =
            fields.integer("num_hidden_layers", default.num_hidden_layers, &layers)?;
        let rate = |name| fields.number(name, 0.0, &DROP_RATES);
        let config = Self {
            num_channels: fields.integer("num_channels", 3, &channels)?,
            image_size: fields.square("image_size", default.image_size, &(1..=MAX_IMAGE_SIDE))?,
            patch_size: fields.square("patch_size", default.patch_size, &(1..=MAX_PATCH))?,
            hidden_size: fields.integer("hidden_size", default.hidden_size, &channels)?,
            num_hidden_layers,
            num_attention_heads: fields.integer(
                "num_attention_heads",
                default.num_attention_heads,
                &channels,
            )?,
            mlp_ratio: fields.number("mlp_ratio", default.mlp_ratio, &(1.0..=MAX_MLP_RATIO))?,
            use_swiglu_ffn,
            qkv_bias: fields.boolean("qkv_bias", true)?,
            layerscale_value: fields.number("layerscale_value", 1.0, &(-1000.0..=1000.0))?,
            hidden_dropout_prob: rate("hidden_dropout_prob")?,
            attention_probs_dropout_prob: rate("attention_probs_dropout_prob")?,
            drop_path_rate: rate("drop_path_rate")?,
            layer_norm_eps: fields.number(
                "layer_norm_eps",
                default.layer_norm_eps,
                &(0.0..=1.0),
            )?,
            initializer_range: fields.number("initializer_range", 0.02, &(0.0..=1000.0))?,
            apply_layernorm: fields.boolean("apply_layernorm", true)?,
            out_stages: out_stages(fields, num_hidden_layers)?,
            ..default.clone()
        };
        plain_vit::check_heads(fields, config.hidden_size, config.num_attention_heads)?;
        plain_vit::check_patches(fields, config.image_size, config.patch_size)?;
        Ok(config)
    }
}

impl Family for HfDinov2Config {
    fn model_type(&self) -> &'static str {
        match self.num_register_tokens {
            None => "dinov2",
            Some(_) => "dinov2_with_registers",
        }
    }

    fn backbone_class(&self) -> &'static str {
        match self.num_register_tokens {
            None => "Dinov2Backbone",
            Some(_) => "Dinov2WithRegistersBackbone",
        }
    }

    fn title(&self) -> &'static str {
        match self.num_register_tokens {
            None => "DINOv2",
            Some(_) => "DINOv2 with registers",
        }
    }

    fn num_channels(&self) -> usize {
        self.num_channels
    }

    fn depths(&self) -> &[usize] {
        plain_vit::depths(self.num_hidden_layers)
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

    fn set_usual_stages(&mut self) {
        self.out_stages = plain_vit::quarters(self.num_hidden_layers);
    }

    fn variant(&self) -> Option<HfVariant> {
        self.neck.map(HfVariant::Neck)
    }

    fn put_variant(&mut self, variant: HfVariant) -> bool {
        plain_vit::put_variant(&mut self.neck, variant)
    }

    fn parameters(&self) -> f64 {
        let positions = (self.learned_side() as f64).powi(2) + 1.0;
        let tokens = self.num_register_tokens.unwrap_or(0) as f64 + 2.0;
        let sizes = Sizes {
            num_channels: self.num_channels,
            patch_size: self.patch_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            inner: self.intermediate_size(),
            matrices: if self.use_swiglu_ffn { 3 } else { 2 },
            tokens: positions + tokens,
        };
        sizes.parameters() + plain_vit::neck_parameters(self.neck, self.hidden_size)
    }

    fn write(&self, map: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| map.insert(name.into(), value);
        put("model_type", json!(self.model_type()));
        put("num_channels", json!(self.num_channels));
        put("image_size", json!(self.image_size));
        put("patch_size", json!(self.patch_size));
        put("hidden_size", json!(self.hidden_size));
        put("num_hidden_layers", json!(self.num_hidden_layers));
        put("num_attention_heads", json!(self.num_attention_heads));
        put("mlp_ratio", plain_vit::ratio(self.mlp_ratio));
        put("use_swiglu_ffn", json!(self.use_swiglu_ffn));
        put("hidden_act", json!("gelu"));
        put("qkv_bias", json!(self.qkv_bias));
        put("layerscale_value", json!(self.layerscale_value));
        put("hidden_dropout_prob", json!(self.hidden_dropout_prob));
        put(
            "attention_probs_dropout_prob",
            json!(self.attention_probs_dropout_prob),
        );
        put("drop_path_rate", json!(self.drop_path_rate));
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("initializer_range", json!(self.initializer_range));
        put("apply_layernorm", json!(self.apply_layernorm));
        put("reshape_hidden_states", json!(true));
        match self.num_register_tokens {
            None => put("use_mask_token", json!(self.use_mask_token)),
            Some(registers) => put("num_register_tokens", json!(registers)),
        };
    }
}
