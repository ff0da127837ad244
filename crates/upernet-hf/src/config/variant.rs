//! The field `variant`, which is ours: what a network has that Hugging Face's has not.

use serde_json::{Map, Value, json};

use crate::config::{ConfigError, HfBackboneConfig, fields::Fields};

const FIELD: &str = "variant";
/// Maps that a feature pyramid is made of.
const LEVELS: usize = 4;

/// What a network has that Hugging Face's has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HfVariant {
    /// A plain transformer's maps become maps of four sizes: mmsegmentation's `Feature2Pyramid`.
    FeaturePyramid,
    /// A `ResNet` begins with three 3x3 convolutions: mmsegmentation's `ResNetV1c`.
    DeepStem,
}

impl HfVariant {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::FeaturePyramid, Self::DeepStem];

    /// Its name in a `config.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FeaturePyramid => "feature_pyramid",
            Self::DeepStem => "deep_stem",
        }
    }

    /// What it is and which backbones have a place for it, as "field ... disagree: " goes on.
    fn place(self) -> &'static str {
        match self {
            Self::FeaturePyramid => {
                "our feature pyramid is for dinov2, dinov2_with_registers, dinov3_vit, vit and vit_mae"
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
    let variant = HfVariant::ALL
        .into_iter()
        .find(|variant| variant.name() == name);
    let Some(variant) = variant else {
        let names = HfVariant::ALL.map(HfVariant::name).join(", ");
        return Err(ConfigError::Unsupported {
            field: fields.path(FIELD),
            found: name.into(),
            hint: format!("supported are {names}; without the field it is Hugging Face's network"),
        });
    };
    if backbone.family_mut().put_variant(variant) {
        return Ok(());
    }
    Err(ConfigError::Disagree {
        first: fields.path(FIELD),
        second: "backbone_config.model_type".into(),
        detail: format!("{}, not for {}", variant.place(), backbone.model_type()),
    })
}

/// Refuses a whole network without what its backbone cannot do without, and a pyramid that has not the
/// maps it is made of.
pub(crate) fn check(fields: &Fields<'_>, backbone: &HfBackboneConfig) -> Result<(), ConfigError> {
    if backbone.variant() != Some(HfVariant::FeaturePyramid) {
        return Ok(());
    }
    if fields.get(FIELD).is_none() {
        return Err(ConfigError::Missing {
            field: fields.path(FIELD),
            hint: "Hugging Face has no backbone of a ViT; write \"feature_pyramid\" for ours",
        });
    }
    let found = backbone.out_stages().len();
    if found == LEVELS {
        return Ok(());
    }
    let usual = backbone.clone().with_all_stages();
    let names = usual.out_stages().iter();
    let names: Vec<_> = names.map(|stage| format!("\"stage{stage}\"")).collect();
    Err(ConfigError::Stages {
        field: "backbone_config.out_features".into(),
        problem: format!(
            "names {found} of the layers, a feature pyramid is made of {LEVELS}, such as [{}]",
            names.join(", ")
        ),
    })
}

/// Writes the field, if the network needs it.
pub(crate) fn write(backbone: &HfBackboneConfig, map: &mut Map<String, Value>) {
    if let Some(variant) = backbone.variant() {
        map.insert(FIELD.into(), json!(variant.name()));
    }
}
