//! Checks that every backbone family shares.

use crate::config::{ConfigError, fields::Fields, limits::MAX_BLOCKS};

/// Refuses every activation but GELU.
pub(crate) fn gelu_only(fields: &Fields<'_>) -> Result<(), ConfigError> {
    match fields.string("hidden_act")? {
        None | Some("gelu") => Ok(()),
        Some(other) => Err(ConfigError::Unsupported {
            field: fields.path("hidden_act"),
            found: other.into(),
            hint: "supported is gelu".into(),
        }),
    }
}

/// Refuses more blocks, over all stages, than a network may have.
pub(crate) fn total_blocks(fields: &Fields<'_>, depths: &[usize]) -> Result<(), ConfigError> {
    let total: usize = depths.iter().sum();
    if total > MAX_BLOCKS {
        return Err(ConfigError::OutOfRange {
            field: fields.path("depths"),
            found: format!("{total} blocks in all"),
            allowed: format!("up to {MAX_BLOCKS}"),
        });
    }
    Ok(())
}
