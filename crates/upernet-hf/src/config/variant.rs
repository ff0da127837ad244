//! The field `variant`, which is ours: what a network has that Hugging Face's has not.

use serde_json::{Map, Value, json};

use crate::config::{ConfigError, HfBackboneConfig, HfNeck, fields::Fields, limits::MAX_CHANNELS};

const FIELD: &str = "variant";

/// Channels of the maps that a multi-level neck makes.
const NECK_CHANNELS: &str = "neck_channels";

/// What a network has that Hugging Face's has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HfVariant {
    /// A plain transformer's maps become maps of four sizes.
    Neck(HfNeck),
    /// The heads read the maps of a plain transformer as they are, all of one size. Only where Hugging
    /// Face has no backbone of it: elsewhere that is its own network, and no variant.
    SingleScale,
    /// A `ResNet` begins with three 3x3 convolutions: mmsegmentation's `ResNetV1c`.
    DeepStem,
}

impl HfVariant {
    /// Its name in a `config.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Neck(HfNeck::FeaturePyramid) => "feature_pyramid",
            Self::Neck(HfNeck::MultiLevel { .. }) => "multi_level_neck",
            Self::SingleScale => "single_scale",
            Self::DeepStem => "deep_stem",
        }
    }

    /// One of each name; those with numbers have what they are by default on `backbone`.
    fn all(backbone: &HfBackboneConfig) -> [Self; 4] {
        let channels = backbone.stage_channels().last().copied().unwrap_or(1);
        [
            Self::Neck(HfNeck::FeaturePyramid),
            Self::Neck(HfNeck::MultiLevel { channels }),
            Self::SingleScale,
            Self::DeepStem,
        ]
    }

    /// The same with the numbers that the file says.
    fn with_fields(self, fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let Self::Neck(HfNeck::MultiLevel { channels }) = self else {
            return Ok(self);
        };
        let channels = fields.integer(NECK_CHANNELS, channels, &(1..=MAX_CHANNELS))?;
        Ok(Self::Neck(HfNeck::MultiLevel { channels }))
    }

    /// What it is and which backbones have a place for it, as "fields ... disagree: " goes on.
    fn place(self) -> &'static str {
        match self {
            Self::Neck(_) | Self::SingleScale => {
                "our necks are for dinov2, dinov2_with_registers, dinov3_vit, vit and vit_mae"
            }
            Self::DeepStem => "a deep stem is for resnet",
        }
    }
}

/// Reads the field and gives the backbone what it asks for.
pub(crate) fn read(
    fields: &Fields<'_>,
    backbone: &mut HfBackboneConfig,
) -> Result<(), ConfigError> {
    let Some(name) = fields.string(FIELD)? else {
        return Ok(());
    };
    let all = HfVariant::all(backbone);
    let Some(variant) = all.into_iter().find(|variant| variant.name() == name) else {
        let names = all.map(HfVariant::name).join(", ");
        return Err(ConfigError::Unsupported {
            field: fields.path(FIELD),
            found: name.into(),
            hint: format!("supported are {names}; without the field it is Hugging Face's network"),
        });
    };
    if backbone
        .family_mut()
        .put_variant(variant.with_fields(fields)?)
    {
        return Ok(());
    }
    Err(ConfigError::Disagree {
        first: fields.path(FIELD),
        second: "backbone_config.model_type".into(),
        detail: format!("{}, not for {}", variant.place(), backbone.model_type()),
    })
}

/// Refuses a whole network without what its backbone cannot do without, and a neck that has not the maps
/// it is made for.
pub(crate) fn check(fields: &Fields<'_>, backbone: &HfBackboneConfig) -> Result<(), ConfigError> {
    // Only a ViT has one that nobody asked for.
    if backbone.variant().is_some() && fields.get(FIELD).is_none() {
        return Err(ConfigError::Missing {
            field: fields.path(FIELD),
            hint: "Hugging Face has no backbone of a ViT; write \"feature_pyramid\" or \
                   \"multi_level_neck\" for one under a neck of ours, or \"single_scale\"",
        });
    }
    let found = backbone.out_stages().len();
    if backbone.neck().is_none() || found == HfNeck::LEVELS {
        return Ok(());
    }
    let usual = backbone.clone().with_all_stages();
    let names = usual.out_stages().iter();
    let names: Vec<_> = names.map(|stage| format!("\"stage{stage}\"")).collect();
    Err(ConfigError::Stages {
        field: "backbone_config.out_features".into(),
        problem: format!(
            "names {found} of the layers, a neck is made for {}, such as [{}]",
            HfNeck::LEVELS,
            names.join(", ")
        ),
    })
}

/// Writes the field, if the network needs it, and what belongs to it.
pub(crate) fn write(backbone: &HfBackboneConfig, map: &mut Map<String, Value>) {
    if let Some(variant) = backbone.variant() {
        map.insert(FIELD.into(), json!(variant.name()));
    }
    if let Some(HfNeck::MultiLevel { channels }) = backbone.neck() {
        map.insert(NECK_CHANNELS.into(), json!(channels));
    }
}
