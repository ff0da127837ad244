//! Whether two masks hold the same class ids, whatever colours they show them in.

use std::path::Path;

use upernet_image::{DecodeLimits, LabelMap, read_label_png};

use crate::Failure;

/// Compares every pixel.
pub(crate) fn compare(found: &Path, expected: &Path) -> Result<(), Failure> {
    let read = |path: &Path| {
        read_label_png(path, &DecodeLimits::default()).map_err(|error| error.to_string())
    };
    same(&read(found)?, &read(expected)?).map_err(|problem| {
        let (found, expected) = (found.display(), expected.display());
        format!("{found} is not {expected}: {problem}")
    })
}

fn same(found: &LabelMap, expected: &LabelMap) -> Result<(), String> {
    if found.size() != expected.size() {
        return Err(format!(
            "{:?} pixels instead of {:?}",
            found.size(),
            expected.size()
        ));
    }
    let pairs = found.labels().iter().zip(expected.labels());
    match pairs.filter(|(a, b)| a != b).count() {
        0 => Ok(()),
        differ => Err(format!(
            "{differ} of {} pixels differ",
            found.labels().len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(labels: &[u16]) -> LabelMap {
        LabelMap::new([1, labels.len()], labels.to_vec()).expect("as many labels as pixels")
    }

    #[test]
    fn every_pixel_counts() {
        assert_eq!(same(&map(&[1, 2, 3]), &map(&[1, 2, 3])), Ok(()));
        assert_eq!(
            same(&map(&[1, 2, 4]), &map(&[1, 2, 3])),
            Err("1 of 3 pixels differ".to_owned())
        );
        assert!(same(&map(&[1]), &map(&[1, 1])).is_err());
    }
}
