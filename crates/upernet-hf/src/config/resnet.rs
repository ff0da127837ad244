//! `ResNet`'s part of a configuration.

use serde_json::{Map, Value, json};

use crate::config::{
    ConfigError, HfVariant,
    family::Family,
    fields::Fields,
    limits::{MAX_BLOCKS, MAX_CHANNELS, MAX_STAGES},
    shared::total_blocks,
    stages::out_stages,
};

/// A bottleneck's inner convolutions have this part of the channels.
const REDUCTION: usize = 4;

/// A `ResNet` backbone as `ResNetConfig` describes it, checked and bounded.
///
/// The default is ResNet-50 as Hugging Face defines it, with the last stage as its only feature map.
#[derive(Debug, Clone, PartialEq)]
pub struct HfResNetConfig {
    /// Channels of the image.
    pub num_channels: usize,
    /// Channels of the stem.
    pub embedding_size: usize,
    /// Whether the stem is three 3x3 convolutions, of which the first two have half of its channels, and
    /// not one of 7x7. It is the `variant` that mmsegmentation calls `ResNetV1c`, and not Hugging Face's.
    pub deep_stem: bool,
    /// Channels of each stage.
    pub hidden_sizes: Vec<usize>,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// What a block is made of.
    pub layer_type: HfResNetLayerType,
    /// The activation after the stem and after each block; every other convolution has a ReLU.
    pub hidden_act: HfResNetActivation,
    /// Whether the first stage halves the map, as all later ones do.
    pub downsample_in_first_stage: bool,
    /// Whether a bottleneck that halves the map does so in its first convolution; in its second one
    /// else.
    pub downsample_in_bottleneck: bool,
    /// Stages whose maps are returned, from 1, ascending.
    pub out_stages: Vec<usize>,
}

/// What a block of a `ResNet` is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HfResNetLayerType {
    /// Two 3x3 convolutions.
    Basic,
    /// A 3x3 convolution of a quarter of the channels, between two of 1x1.
    Bottleneck,
}

/// An activation that a `ResNet` is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HfResNetActivation {
    /// `max(x, 0)`.
    Relu,
    /// The exact GELU.
    Gelu,
}

impl Default for HfResNetConfig {
    fn default() -> Self {
        Self {
            num_channels: 3,
            embedding_size: 64,
            deep_stem: false,
            hidden_sizes: vec![256, 512, 1024, 2048],
            depths: vec![3, 4, 6, 3],
            layer_type: HfResNetLayerType::Bottleneck,
            hidden_act: HfResNetActivation::Relu,
            downsample_in_first_stage: false,
            downsample_in_bottleneck: false,
            out_stages: vec![4],
        }
    }
}

impl HfResNetConfig {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let (stages, channels) = (1..=MAX_STAGES, 1..=MAX_CHANNELS);
        let depths = fields.integers("depths", &default.depths, &stages, &(1..=MAX_BLOCKS))?;
        total_blocks(fields, &depths)?;
        let layer_type = HfResNetLayerType::parse(fields)?;
        let least = match layer_type {
            HfResNetLayerType::Basic => 1,
            HfResNetLayerType::Bottleneck => REDUCTION,
        };
        let sizes = least..=MAX_CHANNELS;
        let config = Self {
            num_channels: fields.integer("num_channels", default.num_channels, &channels)?,
            embedding_size: fields.integer("embedding_size", default.embedding_size, &channels)?,
            deep_stem: false,
            hidden_sizes: fields.integers(
                "hidden_sizes",
                &default.hidden_sizes,
                &stages,
                &sizes,
            )?,
            layer_type,
            hidden_act: HfResNetActivation::parse(fields)?,
            downsample_in_first_stage: fields.boolean("downsample_in_first_stage", false)?,
            downsample_in_bottleneck: fields.boolean("downsample_in_bottleneck", false)?,
            out_stages: out_stages(fields, depths.len())?,
            depths,
        };
        let (stages, found) = (config.depths.len(), config.hidden_sizes.len());
        if found != stages {
            return Err(ConfigError::Disagree {
                first: fields.path("depths"),
                second: fields.path("hidden_sizes"),
                detail: format!("the first has {stages} stages, the second {found}"),
            });
        }
        Ok(config)
    }

    /// Channels within a deep stem.
    #[must_use]
    pub fn stem_channels(&self) -> usize {
        (self.embedding_size / 2).max(1)
    }

    /// Parameters of a block, batch normalisation left out.
    fn block_parameters(&self, [input, output]: [usize; 2], stride: usize) -> f64 {
        let shortcut = input != output || stride != 1;
        let inner = (output / REDUCTION) as f64;
        let (input, output) = (input as f64, output as f64);
        let layers = match self.layer_type {
            HfResNetLayerType::Basic => 9.0 * output * (input + output),
            HfResNetLayerType::Bottleneck => inner * (input + 9.0 * inner + output),
        };
        layers + if shortcut { input * output } else { 0.0 }
    }
}

impl HfResNetLayerType {
    fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        match fields.string("layer_type")? {
            None | Some("bottleneck") => Ok(Self::Bottleneck),
            Some("basic") => Ok(Self::Basic),
            Some(other) => Err(ConfigError::Unsupported {
                field: fields.path("layer_type"),
                found: other.into(),
                hint: "supported are basic, bottleneck".into(),
            }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bottleneck => "bottleneck",
        }
    }
}

impl HfResNetActivation {
    fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        match fields.string("hidden_act")? {
            None | Some("relu") => Ok(Self::Relu),
            Some("gelu") => Ok(Self::Gelu),
            Some(other) => Err(ConfigError::Unsupported {
                field: fields.path("hidden_act"),
                found: other.into(),
                hint: "supported are relu, gelu".into(),
            }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
        }
    }
}

impl Family for HfResNetConfig {
    fn model_type(&self) -> &'static str {
        "resnet"
    }

    fn backbone_class(&self) -> &'static str {
        "ResNetBackbone"
    }

    fn title(&self) -> &'static str {
        "ResNet"
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

    fn variant(&self) -> Option<HfVariant> {
        self.deep_stem.then_some(HfVariant::DeepStem)
    }

    fn put_variant(&mut self, variant: HfVariant) -> bool {
        self.deep_stem = variant == HfVariant::DeepStem;
        self.deep_stem
    }

    fn parameters(&self) -> f64 {
        let (input, output) = (self.num_channels as f64, self.embedding_size as f64);
        let stem = if self.deep_stem {
            let inner = self.stem_channels() as f64;
            9.0 * inner * (input + inner + output)
        } else {
            49.0 * input * output
        };
        let inputs = std::iter::once(&self.embedding_size).chain(&self.hidden_sizes);
        let stages = inputs.zip(&self.hidden_sizes).zip(&self.depths).enumerate();
        let stages = stages.map(|(stage, ((&input, &output), &depth))| {
            let halves = stage > 0 || self.downsample_in_first_stage;
            let first = self.block_parameters([input, output], if halves { 2 } else { 1 });
            first + depth.saturating_sub(1) as f64 * self.block_parameters([output; 2], 1)
        });
        stem + stages.sum::<f64>()
    }

    fn write(&self, map: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| map.insert(name.into(), value);
        put("model_type", json!(self.model_type()));
        put("num_channels", json!(self.num_channels));
        put("embedding_size", json!(self.embedding_size));
        put("hidden_sizes", json!(self.hidden_sizes));
        put("depths", json!(self.depths));
        put("layer_type", json!(self.layer_type.name()));
        put("hidden_act", json!(self.hidden_act.name()));
        put(
            "downsample_in_first_stage",
            json!(self.downsample_in_first_stage),
        );
        put(
            "downsample_in_bottleneck",
            json!(self.downsample_in_bottleneck),
        );
    }
}
