//! Finds JPEG files that end too early.
//!
//! The decoder below fills what is missing with grey and reports nothing, so a half-downloaded photo
//! would be segmented as if it were whole. Source of the layout: ITU-T T.81, annex B.

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// Walks the segments of a JPEG file and says whether they end with an end-of-image marker.
///
/// Segments are skipped by their length, so that a thumbnail inside EXIF data is not taken for the
/// end; bytes after the end are allowed, as phones append video there.
pub(super) fn has_end_of_image(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some((marker, after)) = next_marker(rest) {
        rest = match marker {
            END_OF_IMAGE => return true,
            // Restart markers and TEM stand alone.
            0x01 | 0xD0..=0xD8 => after,
            _ => match skip_segment(after) {
                Some(after_segment) => after_segment,
                None => return false,
            },
        };
        if marker == START_OF_SCAN {
            rest = skip_entropy_coded(rest);
        }
    }
    false
}

/// Returns the next marker and what follows it; fill bytes and stray bytes are passed over.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let start = bytes
        .windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF))?;
    Some((bytes[start + 1], &bytes[start + 2..]))
}

/// Skips a segment's two length bytes, which count themselves, and its content.
fn skip_segment(bytes: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]));
    bytes.get(length.max(2)..)
}

/// Skips coded data up to a marker: in it, 0xFF is followed by a zero or by a restart marker.
fn skip_entropy_coded(bytes: &[u8]) -> &[u8] {
    let is_marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7 | 0xFF);
    bytes
        .windows(2)
        .position(is_marker)
        .map_or(&[], |start| &bytes[start..])
}

#[cfg(test)]
mod tests {
    use super::has_end_of_image;

    const SCAN: &[u8] = &[0xFF, 0xDA, 0, 3, 9, 0x12, 0xFF, 0, 0x34, 0xFF, 0xD0, 0x56];

    fn file(parts: &[&[u8]]) -> Vec<u8> {
        [&[&[0xFF, 0xD8][..]], parts].concat().concat()
    }

    #[test]
    fn end_after_a_scan_is_found_with_bytes_behind_it() {
        assert!(has_end_of_image(&file(&[SCAN, &[0xFF, 0xD9]])));
        assert!(has_end_of_image(&file(&[
            SCAN,
            SCAN,
            &[0xFF, 0xFF, 0xD9, 1, 2, 3]
        ])));
    }

    #[test]
    fn end_inside_a_segment_does_not_count() {
        let thumbnail = [0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9];
        assert!(!has_end_of_image(&file(&[&thumbnail, SCAN])));
        assert!(has_end_of_image(&file(&[&thumbnail, SCAN, &[0xFF, 0xD9]])));
    }

    #[test]
    fn every_shorter_file_is_cut_off() {
        let whole = file(&[&[0xFF, 0xE0, 0, 4, 1, 2], SCAN, &[0xFF, 0xD9]]);
        assert!(has_end_of_image(&whole));
        for length in 0..whole.len() {
            assert!(!has_end_of_image(&whole[..length]), "cut at {length}");
        }
    }
}
