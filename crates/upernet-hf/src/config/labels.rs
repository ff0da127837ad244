//! The class names: `id2label`, or `num_labels` alone.

use serde_json::{Map, Value};

use crate::config::{
    ConfigError,
    fields::{Fields, out_of_range, wrong_type},
    limits::{MAX_LABEL_BYTES, MAX_LABELS},
};

/// Classes of a configuration that names none.
const DEFAULT_LABELS: usize = 2;

/// Reads the class names in order of their ids.
pub(crate) fn labels(fields: &Fields<'_>) -> Result<Vec<String>, ConfigError> {
    let count = fields.optional_integer("num_labels", &(1..=MAX_LABELS))?;
    let Some(value) = fields.get("id2label") else {
        return Ok(default_labels(count.unwrap_or(DEFAULT_LABELS)));
    };
    let map = value.as_object();
    let map = map.ok_or_else(|| wrong_type("id2label", "an object of class names", value))?;
    if !(1..=MAX_LABELS).contains(&map.len()) {
        return Err(out_of_range(
            "id2label",
            format!("an object of {} names", map.len()),
            &(1..=MAX_LABELS),
        ));
    }
    if let Some(count) = count.filter(|&count| count != map.len()) {
        return Err(ConfigError::Disagree {
            first: "num_labels".into(),
            second: "id2label".into(),
            detail: format!(
                "the first says {count} classes, the second names {}",
                map.len()
            ),
        });
    }
    (0..map.len()).map(|id| label(map, id)).collect()
}

fn label(map: &Map<String, Value>, id: usize) -> Result<String, ConfigError> {
    let value = map
        .get(&id.to_string())
        .ok_or_else(|| ConfigError::LabelGap {
            count: map.len(),
            missing: id,
        })?;
    let field = || format!("id2label.{id}");
    let name = value
        .as_str()
        .ok_or_else(|| wrong_type(&field(), "a string", value))?;
    if name.len() > MAX_LABEL_BYTES {
        return Err(ConfigError::OutOfRange {
            field: field(),
            found: format!("a name of {} bytes", name.len()),
            allowed: format!("up to {MAX_LABEL_BYTES}"),
        });
    }
    Ok(name.into())
}

/// Returns the names that Hugging Face gives to classes without one.
fn default_labels(count: usize) -> Vec<String> {
    (0..count).map(|id| format!("LABEL_{id}")).collect()
}
