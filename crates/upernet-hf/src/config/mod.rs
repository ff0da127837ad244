//! `config.json`: what a `UPerNet` is made of.
//!
//! Files of both generations of `transformers` are read: unknown fields are ignored at both levels,
//! absent ones have Hugging Face's defaults, and a choice that is not built is refused by its name.
//! Every number is bounded before anything is built from it.
//!
//! # Source
//!
//! `configuration_upernet.py`, `configuration_swin.py`, `configuration_swinv2.py`, `configuration_convnext.py`,
//! `configuration_convnextv2.py`, `configuration_resnet.py`, `configuration_beit.py`,
//! `configuration_pvt_v2.py` of `transformers` 4.57.6 and 5.23.0, and
//! `configuration_dinov3_convnext.py`, `configuration_dinov3_vit.py`, `configuration_dinov2.py`,
//! `configuration_dinov2_with_registers.py`, `configuration_vit.py`, `configuration_vit_mae.py` of
//! 5.23.0. `variant`, `neck_channels` and `pad_to_patches` are ours.

mod backbone;
mod beit;
mod convnext;
mod convnext_stages;
mod convnextv2;
mod dinov2;
mod dinov3_convnext;
mod dinov3_vit;
mod family;
pub(crate) mod fields;
mod head;
pub(crate) mod json_file;
mod labels;
pub(crate) mod limits;
mod neck;
mod plain_vit;
mod problem;
mod pvt_v2;
mod resnet;
mod shared;
mod stages;
mod swin;
mod swinv2;
mod variant;
mod vit;
mod windowed;
mod write;

use std::path::Path;

pub use beit::HfBeitConfig;
pub use convnext::HfConvNextConfig;
pub use convnextv2::HfConvNextV2Config;
pub use dinov2::HfDinov2Config;
pub use dinov3_convnext::HfDinov3ConvNextConfig;
pub use dinov3_vit::{HfDinov3VitConfig, HfGateActivation};
pub use neck::HfNeck;
pub use problem::ConfigError;
pub use pvt_v2::HfPvtV2Config;
pub use resnet::{HfResNetActivation, HfResNetConfig, HfResNetLayerType};
pub use swin::HfSwinConfig;
pub use swinv2::HfSwinV2Config;
pub use variant::HfVariant;
pub use vit::{HfVitConfig, HfVitOutputNorm, HfVitPretraining};

use crate::{
    config::{family::Family, fields::Fields},
    error::Error,
};

/// A `UPerNet` as `config.json` describes it, checked and bounded.
#[derive(Debug, Clone, PartialEq)]
pub struct HfConfig {
    /// The network that turns pixels into feature maps.
    pub backbone: HfBackboneConfig,
    /// Channels of the decode head.
    pub hidden_size: usize,
    /// Side of each grid of the pyramid pooling module, in cells.
    pub pool_scales: Vec<usize>,
    /// Whether there is a second head on the third feature map, for training.
    pub use_auxiliary_head: bool,
    /// Weight of the auxiliary head's loss.
    pub auxiliary_loss_weight: f64,
    /// Channels that the auxiliary head reads; `None` is those of the third feature map.
    pub auxiliary_in_channels: Option<usize>,
    /// Channels of the auxiliary head.
    pub auxiliary_channels: usize,
    /// 3x3 convolutions of the auxiliary head.
    pub auxiliary_num_convs: usize,
    /// Whether the auxiliary head appends its input to its convolutions' output.
    pub auxiliary_concat_input: bool,
    /// Label of pixels that do not count.
    pub loss_ignore_index: i64,
    /// Standard deviation of a freshly initialised weight of the heads.
    pub initializer_range: f64,
    /// Name of each class, in order of the class ids.
    pub id2label: Vec<String>,
}

/// The backbone families that are built.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HfBackboneConfig {
    /// Shifted-window transformer.
    Swin(HfSwinConfig),
    /// Shifted-window transformer, second generation.
    SwinV2(HfSwinV2Config),
    /// Modernised convolutional network.
    ConvNext(HfConvNextConfig),
    /// The same with a norm of each channel's response in place of learned scales.
    ConvNextV2(HfConvNextV2Config),
    /// `ConvNeXt` distilled from `DINOv3`, whose maps have no norms.
    Dinov3ConvNext(HfDinov3ConvNextConfig),
    /// Residual convolutional network.
    ResNet(HfResNetConfig),
    /// Plain transformer with biases for the offsets of patches, and a neck that makes a pyramid.
    Beit(HfBeitConfig),
    /// Plain transformer, self-supervised; with registers and without.
    Dinov2(HfDinov2Config),
    /// Plain transformer with rotary positions, self-supervised.
    Dinov3Vit(HfDinov3VitConfig),
    /// Pyramid vision transformer, second generation.
    PvtV2(HfPvtV2Config),
    /// Plain transformer, supervised or a masked autoencoder's; Hugging Face has no backbone of it.
    Vit(HfVitConfig),
}

impl Default for HfBackboneConfig {
    /// What Hugging Face means by a `UPerNet` whose `backbone_config` is `null` or missing: ResNet-50
    /// with the maps of all four stages.
    fn default() -> Self {
        Self::ResNet(HfResNetConfig::default()).with_all_stages()
    }
}

/// A family's own configuration is a backbone's; it returns the stages that it says.
macro_rules! from_families {
    ($($variant:ident($config:ty),)+) => {$(
        impl From<$config> for HfBackboneConfig {
            fn from(config: $config) -> Self {
                Self::$variant(config)
            }
        }
    )+};
}

from_families! {
    Swin(HfSwinConfig),
    SwinV2(HfSwinV2Config),
    ConvNext(HfConvNextConfig),
    ConvNextV2(HfConvNextV2Config),
    Dinov3ConvNext(HfDinov3ConvNextConfig),
    Dinov2(HfDinov2Config),
    Dinov3Vit(HfDinov3VitConfig),
    Vit(HfVitConfig),
    ResNet(HfResNetConfig),
    PvtV2(HfPvtV2Config),
    Beit(HfBeitConfig),
}

/// The `model_type` of each backbone family that is built.
pub const SUPPORTED_BACKBONES: [&str; 13] = [
    "swin",
    "swinv2",
    "convnext",
    "convnextv2",
    "dinov3_convnext",
    "resnet",
    "beit",
    "dinov2",
    "dinov2_with_registers",
    "dinov3_vit",
    "pvt_v2",
    "vit",
    "vit_mae",
];

impl HfConfig {
    /// Describes a `UPerNet` of Hugging Face's default head on `backbone`, with two unnamed classes.
    ///
    /// ```
    /// use upernet_hf::config::{HfBackboneConfig, HfConfig, HfConvNextConfig};
    ///
    /// let backbone = HfBackboneConfig::from(HfConvNextConfig::default()).with_all_stages();
    /// let config = HfConfig::new(backbone);
    /// assert_eq!((config.hidden_size, config.num_labels()), (512, 2));
    /// ```
    #[must_use]
    pub fn new(backbone: HfBackboneConfig) -> Self {
        Self {
            backbone,
            hidden_size: 512,
            pool_scales: vec![1, 2, 3, 6],
            use_auxiliary_head: true,
            auxiliary_loss_weight: 0.4,
            auxiliary_in_channels: None,
            auxiliary_channels: 256,
            auxiliary_num_convs: 1,
            auxiliary_concat_input: false,
            loss_ignore_index: 255,
            initializer_range: 0.02,
            id2label: vec!["LABEL_0".into(), "LABEL_1".into()],
        }
    }

    /// Reads the text of a `config.json`.
    ///
    /// ```
    /// use upernet_hf::config::{HfBackboneConfig, HfConfig};
    ///
    /// let text = br#"{
    ///     "model_type": "upernet",
    ///     "num_labels": 150,
    ///     "backbone_config": {
    ///         "model_type": "swin",
    ///         "out_features": ["stage1", "stage2", "stage3", "stage4"]
    ///     }
    /// }"#;
    /// let config = HfConfig::from_json(text)?;
    /// assert_eq!(config.num_labels(), 150);
    /// assert_eq!(config.backbone.out_channels(), [96, 192, 384, 768]);
    /// # Ok::<(), upernet_hf::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that names the field if the text is not JSON, contradicts itself, is out of
    /// bounds, or asks for something that is not built.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        let value = json_file::parse(text)?;
        head::parse(&Fields::top(&value)?)
    }

    /// Reads a `config.json`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it cannot be read, and those of
    /// [`from_json`](Self::from_json).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = json_file::read(path)?;
        Self::from_json(&text).map_err(|problem| Error::Config {
            path: path.into(),
            problem,
        })
    }

    /// Returns the number of classes.
    #[must_use]
    pub fn num_labels(&self) -> usize {
        self.id2label.len()
    }

    /// Returns the channels that the auxiliary head reads, or `None` if there is no such head.
    #[must_use]
    pub fn auxiliary_input_channels(&self) -> Option<usize> {
        let third = self.backbone.out_channels().get(2).copied();
        self.use_auxiliary_head
            .then_some(self.auxiliary_in_channels.or(third))
            .flatten()
    }
}

impl HfBackboneConfig {
    /// Returns Hugging Face's name of the family.
    #[must_use]
    pub fn model_type(&self) -> &'static str {
        self.family().model_type()
    }

    /// Returns the family's name as its paper writes it.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.family().title()
    }

    /// Returns the channels of the image.
    #[must_use]
    pub fn num_channels(&self) -> usize {
        self.family().num_channels()
    }

    /// Returns the blocks of each stage.
    #[must_use]
    pub fn depths(&self) -> &[usize] {
        self.family().depths()
    }

    /// Returns the stages whose maps are returned, from 1, ascending.
    #[must_use]
    pub fn out_stages(&self) -> &[usize] {
        self.family().out_stages()
    }

    /// Returns the channels of each stage, returned or not.
    #[must_use]
    pub fn stage_channels(&self) -> Vec<usize> {
        self.family().stage_channels()
    }

    /// Returns what the network has that Hugging Face's has not; most have nothing.
    #[must_use]
    pub fn variant(&self) -> Option<HfVariant> {
        self.family().variant()
    }

    /// Returns the neck of ours that makes maps of four sizes of the backbone's, before the heads read
    /// them. A `BEiT`'s own neck is Hugging Face's, and is not meant.
    #[must_use]
    pub fn neck(&self) -> Option<HfNeck> {
        match self.variant() {
            Some(HfVariant::Neck(neck)) => Some(neck),
            _ => None,
        }
    }

    /// Returns the channels of each feature map, as the heads read it.
    ///
    /// A stage that [`out_stages`](Self::out_stages) names and the backbone lacks is left out; a
    /// configuration that was read has none.
    #[must_use]
    pub fn out_channels(&self) -> Vec<usize> {
        let channels = self.stage_channels();
        let index = |stage: &usize| stage.checked_sub(1);
        let returned = self
            .out_stages()
            .iter()
            .filter_map(|stage| channels.get(index(stage)?).copied());
        match self.neck() {
            Some(neck) => returned.map(|own| neck.out_channels(own)).collect(),
            None => returned.collect(),
        }
    }

    pub(crate) fn family(&self) -> &dyn Family {
        match self {
            Self::Swin(swin) => swin,
            Self::SwinV2(swin) => swin,
            Self::ConvNext(convnext) => convnext,
            Self::ConvNextV2(convnext) => convnext,
            Self::Dinov3ConvNext(convnext) => convnext,
            Self::ResNet(resnet) => resnet,
            Self::Beit(beit) => beit,
            Self::Dinov2(vit) => vit,
            Self::Dinov3Vit(vit) => vit,
            Self::PvtV2(pvt) => pvt,
            Self::Vit(vit) => vit,
        }
    }

    pub(crate) fn family_mut(&mut self) -> &mut dyn Family {
        match self {
            Self::Swin(swin) => swin,
            Self::SwinV2(swin) => swin,
            Self::ConvNext(convnext) => convnext,
            Self::ConvNextV2(convnext) => convnext,
            Self::Dinov3ConvNext(convnext) => convnext,
            Self::ResNet(resnet) => resnet,
            Self::Beit(beit) => beit,
            Self::Dinov2(vit) => vit,
            Self::Dinov3Vit(vit) => vit,
            Self::PvtV2(pvt) => pvt,
            Self::Vit(vit) => vit,
        }
    }

    fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let family = fields
            .string("model_type")?
            .ok_or_else(|| ConfigError::Missing {
                field: fields.path("model_type"),
                hint: "it names the backbone family, such as swin",
            })?;
        match family {
            "swin" => Ok(Self::Swin(HfSwinConfig::parse(fields)?)),
            "swinv2" => Ok(Self::SwinV2(HfSwinV2Config::parse(fields)?)),
            "convnext" => Ok(Self::ConvNext(HfConvNextConfig::parse(fields)?)),
            "convnextv2" => Ok(Self::ConvNextV2(HfConvNextV2Config::parse(fields)?)),
            "dinov3_convnext" => {
                let convnext = HfDinov3ConvNextConfig::parse(fields)?;
                Ok(Self::Dinov3ConvNext(convnext))
            }
            "resnet" => Ok(Self::ResNet(HfResNetConfig::parse(fields)?)),
            "beit" => Ok(Self::Beit(HfBeitConfig::parse(fields)?)),
            "dinov2" => Ok(Self::Dinov2(HfDinov2Config::parse(fields)?)),
            "dinov2_with_registers" => {
                let vit = HfDinov2Config::parse_with_registers(fields)?;
                Ok(Self::Dinov2(vit))
            }
            "dinov3_vit" => Ok(Self::Dinov3Vit(HfDinov3VitConfig::parse(fields)?)),
            "pvt_v2" => Ok(Self::PvtV2(HfPvtV2Config::parse(fields)?)),
            "vit" => {
                let vit = HfVitConfig::parse(fields, HfVitPretraining::Classifier)?;
                Ok(Self::Vit(vit))
            }
            "vit_mae" => {
                let vit = HfVitConfig::parse(fields, HfVitPretraining::MaskedAutoencoder)?;
                Ok(Self::Vit(vit))
            }
            other => Err(ConfigError::Unsupported {
                field: fields.path("model_type"),
                found: other.into(),
                hint: format!("supported are {}", SUPPORTED_BACKBONES.join(", ")),
            }),
        }
    }
}
