//! The field `variant`, which is ours: what a network has that Hugging Face's has not.

use serde_json::{Map, Value, json};

use crate::config::{ConfigError, HfBackboneConfig, fields::Fields};

const FIELD: &str = "variant";
const FEATURE_PYRAMID: &str = "feature_pyramid";
/// Maps that a feature pyramid is made of.
const LEVELS: usize = 4;

/// Reads the field and gives the backbone what it asks for.
pub(crate) fn read(
    fields: &Fields<'_>,
    backbone: &mut HfBackboneConfig,
) -> Result<(), ConfigError> {
    match fields.string(FIELD)? {
        None => Ok(()),
        Some(FEATURE_PYRAMID) if backbone.family_mut().put_feature_pyramid() => Ok(()),
        Some(FEATURE_PYRAMID) => Err(ConfigError::Disagree {
            first: fields.path(FIELD),
            second: "backbone_config.model_type".into(),
            detail: format!(
                "our feature pyramid is for dinov2, dinov2_with_registers, dinov3_vit, vit and vit_mae, \
                 not for {}",
                backbone.model_type()
            ),
        }),
        Some(other) => Err(ConfigError::Unsupported {
            field: fields.path(FIELD),
            found: other.into(),
            hint: format!(
                "supported is {FEATURE_PYRAMID}; without the field it is Hugging Face's network"
            ),
        }),
    }
}

/// Refuses a whole network without what its backbone cannot do without, and a pyramid that has not the
/// maps it is made of.
pub(crate) fn check(fields: &Fields<'_>, backbone: &HfBackboneConfig) -> Result<(), ConfigError> {
    if !backbone.has_feature_pyramid() {
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
    if backbone.has_feature_pyramid() {
        map.insert(FIELD.into(), json!(FEATURE_PYRAMID));
    }
}
