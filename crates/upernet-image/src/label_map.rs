//! One class id for each pixel.

use crate::Error;

/// The label of pixels that belong to no class, in masks and in scores.
pub const IGNORE_LABEL: u16 = 255;

/// Class ids of a picture, row by row from the top.
///
/// ```
/// use upernet_image::LabelMap;
///
/// let map = LabelMap::new([2, 3], vec![0, 0, 1, 0, 7, 7])?;
/// assert_eq!(map.label(1, 2), 7);
/// assert_eq!(map.class_areas()[0].pixels, 3);
/// # Ok::<(), upernet_image::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    size: [usize; 2],
    labels: Vec<u16>,
}

/// How much of a picture a class covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassArea {
    /// The class id.
    pub label: u16,
    /// Number of pixels with this id.
    pub pixels: u64,
    /// Share of the picture, 0 to 1.
    pub fraction: f64,
}

impl LabelMap {
    /// Makes a map of `size` (`[height, width]`) from its labels, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::SizeMismatch`] if there are not `height * width` labels.
    pub fn new(size: [usize; 2], labels: Vec<u16>) -> Result<Self, Error> {
        if size[0].checked_mul(size[1]) != Some(labels.len()) {
            return Err(Error::SizeMismatch {
                what: "label map of height x width labels",
                expected: size.to_vec(),
                found: vec![labels.len()],
            });
        }
        Ok(Self { size, labels })
    }

    /// Returns `[height, width]` in pixels.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Returns all labels, row by row.
    #[must_use]
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// Gives the labels away, row by row.
    #[must_use]
    pub fn into_labels(self) -> Vec<u16> {
        self.labels
    }

    /// Returns the label of one pixel.
    ///
    /// # Panics
    ///
    /// Panics if the pixel is outside of the map.
    #[must_use]
    pub fn label(&self, row: usize, column: usize) -> u16 {
        let [height, width] = self.size;
        assert!(
            row < height && column < width,
            "pixel ({row}, {column}) is outside of a {height} x {width} label map"
        );
        self.labels[row * width + column]
    }

    /// Returns the classes that occur, the largest first and equal ones by id.
    ///
    /// [`IGNORE_LABEL`] is counted like any other id.
    #[must_use]
    pub fn class_areas(&self) -> Vec<ClassArea> {
        let largest = self
            .labels
            .iter()
            .max()
            .map_or(0, |&label| usize::from(label) + 1);
        let mut counts = vec![0_u64; largest];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        let total = self.labels.len() as f64;
        let mut areas: Vec<ClassArea> = (0..=u16::MAX)
            .zip(counts)
            .filter(|&(_, pixels)| pixels > 0)
            .map(|(label, pixels)| ClassArea {
                label,
                pixels,
                fraction: pixels as f64 / total,
            })
            .collect();
        areas.sort_by_key(|area| (std::cmp::Reverse(area.pixels), area.label));
        areas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_sorted_and_sum_to_one() {
        let map = LabelMap::new([3, 3], vec![5, 5, 2, 2, 65_535, 2, 5, 0, 255]).unwrap();
        let areas = map.class_areas();
        let ids: Vec<(u16, u64)> = areas.iter().map(|area| (area.label, area.pixels)).collect();
        assert_eq!(ids, [(2, 3), (5, 3), (0, 1), (255, 1), (65_535, 1)]);
        assert!((areas.iter().map(|area| area.fraction).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_empty_map_has_no_areas() {
        assert!(
            LabelMap::new([0, 4], vec![])
                .unwrap()
                .class_areas()
                .is_empty()
        );
    }

    #[test]
    fn wrong_counts_are_refused() {
        let error = LabelMap::new([2, 2], vec![0; 5]).unwrap_err().to_string();
        assert_eq!(
            error,
            "label map of height x width labels: expected [2, 2], found [5]"
        );
        assert!(LabelMap::new([usize::MAX, 2], vec![]).is_err());
    }

    #[test]
    #[should_panic(expected = "pixel (0, 2) is outside of a 2 x 2 label map")]
    fn label_outside_panics() {
        let _ = LabelMap::new([2, 2], vec![0; 4]).unwrap().label(0, 2);
    }
}
