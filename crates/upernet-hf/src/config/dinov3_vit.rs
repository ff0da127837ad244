//! The part of a configuration that `DINOv3`'s plain transformer has.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError, HfNeck, HfVariant,
    family::Family,
    fields::Fields,
    limits::{DROP_RATES, MAX_CHANNELS, MAX_IMAGE_SIDE, MAX_LAYERS, MAX_PATCH, MAX_REGISTERS},
    plain_vit::{self, Sizes},
    stages::out_stages,
};

/// A `DINOv3` transformer as `DINOv3ViTConfig` describes it, checked and bounded.
///
/// The default is Hugging Face's, `DINOv3`'s ViT-S without registers, with the last layer as its only
/// feature map.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the file's")]
pub struct HfDinov3VitConfig {
    /// Channels of the image.
    pub num_channels: usize,
    /// Side of the training image, in pixels. Nothing depends on it.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of every layer.
    pub hidden_size: usize,
    /// Hidden channels of the perceptron.
    pub intermediate_size: usize,
    /// Layers, each a stage.
    pub num_hidden_layers: usize,
    /// Attention heads of every layer.
    pub num_attention_heads: usize,
    /// The perceptron's activation.
    pub hidden_act: HfGateActivation,
    /// Whether the perceptron is gated.
    pub use_gated_mlp: bool,
    /// Whether the query projection has a bias.
    pub query_bias: bool,
    /// Whether the key projection has one.
    pub key_bias: bool,
    /// Whether the value projection has one.
    pub value_bias: bool,
    /// Whether the projection after attention has one.
    pub proj_bias: bool,
    /// Whether the layers of the perceptron have one.
    pub mlp_bias: bool,
    /// Initial value of the learned factors of a branch's channels.
    pub layerscale_value: f64,
    /// Base of the wavelengths of rotary positions.
    pub rope_theta: f64,
    /// Learned tokens that belong to no patch.
    pub num_register_tokens: usize,
    /// How far training moves the places of patches, which run from -1 to 1.
    pub pos_embed_shift: Option<f64>,
    /// By what training multiplies or divides them at most, each coordinate on its own.
    pub pos_embed_jitter: Option<f64>,
    /// By what training multiplies or divides them at most, both together.
    pub pos_embed_rescale: Option<f64>,
    /// Probability of dropping an attention weight.
    pub attention_dropout: f64,
    /// Probability of dropping a residual branch, the same for all layers.
    pub drop_path_rate: f64,
    /// Epsilon of all norms.
    pub layer_norm_eps: f64,
    /// Standard deviation of a freshly initialised weight.
    pub initializer_range: f64,
    /// Whether the final norm is applied to every map; to the last layer's it is in any case.
    pub apply_layernorm: bool,
    /// The neck of ours between the backbone and the heads. A field of the whole network's, `variant`,
    /// and not Hugging Face's.
    pub neck: Option<HfNeck>,
    /// Layers whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

/// An activation that a perceptron of `DINOv3` is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HfGateActivation {
    /// The exact GELU.
    Gelu,
    /// `x * sigmoid(x)`.
    Silu,
}

impl Default for HfDinov3VitConfig {
    fn default() -> Self {
        Self {
            num_channels: 3,
            image_size: 224,
            patch_size: 16,
            hidden_size: 384,
            intermediate_size: 1536,
            num_hidden_layers: 12,
            num_attention_heads: 6,
            hidden_act: HfGateActivation::Gelu,
            use_gated_mlp: false,
            query_bias: true,
            key_bias: false,
            value_bias: true,
            proj_bias: true,
            mlp_bias: true,
            layerscale_value: 1.0,
            rope_theta: 100.0,
            num_register_tokens: 0,
            pos_embed_shift: None,
            pos_embed_jitter: None,
            pos_embed_rescale: Some(2.0),
            attention_dropout: 0.0,
            drop_path_rate: 0.0,
            layer_norm_eps: 1e-5,
            initializer_range: 0.02,
            apply_layernorm: true,
            neck: None,
            out_stages: vec![12],
        }
    }
}

impl HfDinov3VitConfig {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        plain_vit::reshaped_only(fields)?;
        let default = Self::default();
        let channels = 1..=MAX_CHANNELS;
        let size = |name, default| fields.integer(name, default, &channels);
        let num_hidden_layers = fields.integer(
            "num_hidden_layers",
            default.num_hidden_layers,
            &(1..=MAX_LAYERS),
        )?;
        let config = Self {
            num_channels: size("num_channels", default.num_channels)?,
            image_size: fields.square("image_size", default.image_size, &(1..=MAX_IMAGE_SIDE))?,
            patch_size: fields.square("patch_size", default.patch_size, &(1..=MAX_PATCH))?,
            hidden_size: size("hidden_size", default.hidden_size)?,
            intermediate_size: size("intermediate_size", default.intermediate_size)?,
            num_hidden_layers,
            num_attention_heads: size("num_attention_heads", default.num_attention_heads)?,
            hidden_act: HfGateActivation::parse(fields)?,
            use_gated_mlp: fields.boolean("use_gated_mlp", default.use_gated_mlp)?,
            query_bias: fields.boolean("query_bias", default.query_bias)?,
            key_bias: fields.boolean("key_bias", default.key_bias)?,
            value_bias: fields.boolean("value_bias", default.value_bias)?,
            proj_bias: fields.boolean("proj_bias", default.proj_bias)?,
            mlp_bias: fields.boolean("mlp_bias", default.mlp_bias)?,
            layerscale_value: fields.number("layerscale_value", 1.0, &(-1000.0..=1000.0))?,
            rope_theta: fields.number("rope_theta", default.rope_theta, &(1e-3..=1e9))?,
            num_register_tokens: fields.integer("num_register_tokens", 0, &(0..=MAX_REGISTERS))?,
            pos_embed_shift: fields.optional_number("pos_embed_shift", None, &(0.0..=1000.0))?,
            pos_embed_jitter: fields.optional_number("pos_embed_jitter", None, &(1.0..=1000.0))?,
            pos_embed_rescale: fields.optional_number(
                "pos_embed_rescale",
                default.pos_embed_rescale,
                &(1.0..=1000.0),
            )?,
            attention_dropout: fields.number("attention_dropout", 0.0, &DROP_RATES)?,
            drop_path_rate: fields.number("drop_path_rate", 0.0, &DROP_RATES)?,
            layer_norm_eps: fields.number(
                "layer_norm_eps",
                default.layer_norm_eps,
                &(0.0..=1.0),
            )?,
            initializer_range: fields.number("initializer_range", 0.02, &(0.0..=1000.0))?,
            apply_layernorm: fields.boolean("apply_layernorm", default.apply_layernorm)?,
            neck: None,
            out_stages: out_stages(fields, num_hidden_layers)?,
        };
        plain_vit::check_heads(fields, config.hidden_size, config.num_attention_heads)?;
        let head = config.hidden_size / config.num_attention_heads;
        if !head.is_multiple_of(4) {
            return Err(ConfigError::Disagree {
                first: fields.path("hidden_size"),
                second: fields.path("num_attention_heads"),
                detail: format!(
                    "rotary positions need heads of a multiple of 4 channels, these have {head}"
                ),
            });
        }
        Ok(config)
    }
}

impl HfGateActivation {
    fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        match fields.string("hidden_act")? {
            None | Some("gelu") => Ok(Self::Gelu),
            Some("silu") => Ok(Self::Silu),
            Some(other) => Err(ConfigError::Unsupported {
                field: fields.path("hidden_act"),
                found: other.into(),
                hint: "supported are gelu, silu".into(),
            }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::Silu => "silu",
        }
    }
}

impl Family for HfDinov3VitConfig {
    fn model_type(&self) -> &'static str {
        "dinov3_vit"
    }

    fn backbone_class(&self) -> &'static str {
        "DINOv3ViTBackbone"
    }

    fn title(&self) -> &'static str {
        "DINOv3 ViT"
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
        let sizes = Sizes {
            num_channels: self.num_channels,
            patch_size: self.patch_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            inner: self.intermediate_size,
            matrices: if self.use_gated_mlp { 3 } else { 2 },
            tokens: self.num_register_tokens as f64 + 2.0,
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
        put("intermediate_size", json!(self.intermediate_size));
        put("num_hidden_layers", json!(self.num_hidden_layers));
        put("num_attention_heads", json!(self.num_attention_heads));
        put("hidden_act", json!(self.hidden_act.name()));
        put("use_gated_mlp", json!(self.use_gated_mlp));
        put("query_bias", json!(self.query_bias));
        put("key_bias", json!(self.key_bias));
        put("value_bias", json!(self.value_bias));
        put("proj_bias", json!(self.proj_bias));
        put("mlp_bias", json!(self.mlp_bias));
        put("layerscale_value", json!(self.layerscale_value));
        put("rope_theta", json!(self.rope_theta));
        put("num_register_tokens", json!(self.num_register_tokens));
        put("pos_embed_shift", json!(self.pos_embed_shift));
        put("pos_embed_jitter", json!(self.pos_embed_jitter));
        put("pos_embed_rescale", json!(self.pos_embed_rescale));
        put("attention_dropout", json!(self.attention_dropout));
        put("drop_path_rate", json!(self.drop_path_rate));
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("initializer_range", json!(self.initializer_range));
        put("apply_layernorm", json!(self.apply_layernorm));
        put("reshape_hidden_states", json!(true));
    }
}
