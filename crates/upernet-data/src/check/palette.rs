//! Whether the palette of an indexed mask tells the same story as its ids.

use std::io::Cursor;
use std::path::Path;

use upernet_image::DecodeLimits;

use super::inspect::{Mask, Value};
use crate::dataset::{LabelMapping, read_bounded};

/// Whether a colour of the palette belongs to another class than the id that shows it.
///
/// The palette is not what counts, but where colours have classes it shows an order of classes that was
/// changed between annotation and export.
pub(super) fn differs(
    path: &Path,
    mask: &Mask,
    mapping: &LabelMapping,
    limits: &DecodeLimits,
) -> bool {
    if !mapping.has_colors() || mask.is_colored() {
        return false;
    }
    let Some(palette) = palette(path, limits) else {
        return false;
    };
    let (colors, _) = palette.as_chunks::<3>();
    mask.values.keys().any(|&value| {
        let Value::Id(id) = value else { return false };
        let shown = colors
            .get(usize::from(id))
            .and_then(|&color| mapping.class_of_color(color));
        shown.is_some_and(|shown| mapping.class_of_id(id).is_some_and(|class| class != shown))
    })
}

fn palette(path: &Path, limits: &DecodeLimits) -> Option<Vec<u8>> {
    let bytes = read_bounded(path, limits.max_bytes).ok()?;
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // 1 MB of a profile or of a text may inflate to 1 GB.
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    let reader = decoder.read_info().ok()?;
    reader
        .info()
        .palette
        .as_ref()
        .map(|palette| palette.to_vec())
}
