//! The part of a configuration that ViT has, pretrained as a classifier or as a masked autoencoder.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError, HfNeck, HfVariant,
    family::Family,
    fields::Fields,
    limits::{DROP_RATES, MAX_CHANNELS, MAX_IMAGE_SIDE, MAX_LAYERS, MAX_PATCH},
    plain_vit::{self, Sizes},
    shared::gelu_only,
    stages::out_stages,
};

/// A ViT as `ViTConfig` or `ViTMAEConfig` describes it, checked and bounded.
///
/// Hugging Face has no backbone of it, so what is on it is ours. The default is Hugging Face's, ViT-B
/// with patches of 16 pixels, with the last layer as its only feature map, under our feature pyramid.
#[derive(Debug, Clone, PartialEq)]
pub struct HfVitConfig {
    /// What the encoder was pretrained as.
    pub pretraining: HfVitPretraining,
    /// Channels of the image.
    pub num_channels: usize,
    /// Side of the image that positions were learned on, in pixels.
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
    /// Whether query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// Probability of dropping an activation after the embedding and at the end of a branch.
    pub hidden_dropout_prob: f64,
    /// Probability of dropping an attention weight.
    pub attention_probs_dropout_prob: f64,
    /// Epsilon of all norms.
    pub layer_norm_eps: f64,
    /// Standard deviation of a freshly initialised weight.
    pub initializer_range: f64,
    /// Which maps the final norm is applied to. A field of `DINOv2`'s, here ours.
    pub apply_layernorm: HfVitOutputNorm,
    /// Whether an image is filled up with zeros to whole patches, at the bottom and on the right, as in
    /// mmsegmentation; otherwise what no whole patch covers is left out. A field of ours.
    pub pad_to_patches: bool,
    /// The neck between the backbone and the heads; `None` is maps of one size. A field of the whole
    /// network's, `variant`.
    pub neck: Option<HfNeck>,
    /// Layers whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

/// What the encoder of a ViT was pretrained as. The encoder is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HfVitPretraining {
    /// A classifier: `vit`.
    Classifier,
    /// The encoder of a masked autoencoder: `vit_mae`.
    MaskedAutoencoder,
}

/// Which maps of a ViT its final norm is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HfVitOutputNorm {
    /// To each: `true` in a `config.json`.
    Every,
    /// To that of the network's last layer alone: `"last"`.
    Last,
    /// To none, and there is no such norm: `false`.
    Never,
}

impl Default for HfVitConfig {
    fn default() -> Self {
        Self {
            pretraining: HfVitPretraining::Classifier,
            num_channels: 3,
            image_size: 224,
            patch_size: 16,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            qkv_bias: true,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            layer_norm_eps: 1e-12,
            initializer_range: 0.02,
            apply_layernorm: HfVitOutputNorm::Every,
            pad_to_patches: false,
            neck: Some(HfNeck::FeaturePyramid),
            out_stages: vec![12],
        }
    }
}

impl HfVitConfig {
    /// Patches along one side of the image that positions were learned on.
    #[must_use]
    pub fn learned_side(&self) -> usize {
        self.image_size / self.patch_size
    }

    pub(crate) fn parse(
        fields: &Fields<'_>,
        pretraining: HfVitPretraining,
    ) -> Result<Self, ConfigError> {
        plain_vit::reshaped_only(fields)?;
        gelu_only(fields)?;
        let default = Self::default();
        let channels = 1..=MAX_CHANNELS;
        let size = |name, default| fields.integer(name, default, &channels);
        let rate = |name| fields.number(name, 0.0, &DROP_RATES);
        let num_hidden_layers = fields.integer(
            "num_hidden_layers",
            default.num_hidden_layers,
            &(1..=MAX_LAYERS),
        )?;
        let config = Self {
            pretraining,
            num_channels: size("num_channels", default.num_channels)?,
            image_size: fields.square("image_size", default.image_size, &(1..=MAX_IMAGE_SIDE))?,
            patch_size: fields.square("patch_size", default.patch_size, &(1..=MAX_PATCH))?,
            hidden_size: size("hidden_size", default.hidden_size)?,
            intermediate_size: size("intermediate_size", default.intermediate_size)?,
            num_hidden_layers,
            num_attention_heads: size("num_attention_heads", default.num_attention_heads)?,
            qkv_bias: fields.boolean("qkv_bias", default.qkv_bias)?,
            hidden_dropout_prob: rate("hidden_dropout_prob")?,
            attention_probs_dropout_prob: rate("attention_probs_dropout_prob")?,
            layer_norm_eps: fields.number(
                "layer_norm_eps",
                default.layer_norm_eps,
                &(0.0..=1.0),
            )?,
            initializer_range: fields.number("initializer_range", 0.02, &(0.0..=1000.0))?,
            apply_layernorm: HfVitOutputNorm::parse(fields, default.apply_layernorm)?,
            pad_to_patches: fields.boolean("pad_to_patches", default.pad_to_patches)?,
            neck: default.neck,
            out_stages: out_stages(fields, num_hidden_layers)?,
        };
        plain_vit::check_heads(fields, config.hidden_size, config.num_attention_heads)?;
        plain_vit::check_patches(fields, config.image_size, config.patch_size)?;
        Ok(config)
    }
}

impl HfVitOutputNorm {
    const FIELD: &str = "apply_layernorm";
    const LAST: &str = "last";

    fn parse(fields: &Fields<'_>, default: Self) -> Result<Self, ConfigError> {
        match fields.get(Self::FIELD) {
            Some(value) if value == Self::LAST => Ok(Self::Last),
            Some(Value::String(other)) => Err(ConfigError::Unsupported {
                field: fields.path(Self::FIELD),
                found: other.clone(),
                hint: "supported are true, false and \"last\"".into(),
            }),
            Some(_) if fields.boolean(Self::FIELD, true)? => Ok(Self::Every),
            Some(_) => Ok(Self::Never),
            None => Ok(default),
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Every => json!(true),
            Self::Last => json!(Self::LAST),
            Self::Never => json!(false),
        }
    }
}

impl Family for HfVitConfig {
    fn model_type(&self) -> &'static str {
        match self.pretraining {
            HfVitPretraining::Classifier => "vit",
            HfVitPretraining::MaskedAutoencoder => "vit_mae",
        }
    }

    fn backbone_class(&self) -> &'static str {
        match self.pretraining {
            HfVitPretraining::Classifier => "ViTModel",
            HfVitPretraining::MaskedAutoencoder => "ViTMAEModel",
        }
    }

    fn title(&self) -> &'static str {
        match self.pretraining {
            HfVitPretraining::Classifier => "ViT",
            HfVitPretraining::MaskedAutoencoder => "MAE ViT",
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
        Some(self.neck.map_or(HfVariant::SingleScale, HfVariant::Neck))
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
            matrices: 2,
            tokens: (self.learned_side() as f64).powi(2) + 2.0,
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
        put("hidden_act", json!("gelu"));
        put("qkv_bias", json!(self.qkv_bias));
        put("hidden_dropout_prob", json!(self.hidden_dropout_prob));
        put(
            "attention_probs_dropout_prob",
            json!(self.attention_probs_dropout_prob),
        );
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("initializer_range", json!(self.initializer_range));
        put("apply_layernorm", self.apply_layernorm.value());
        put("pad_to_patches", json!(self.pad_to_patches));
    }
}
