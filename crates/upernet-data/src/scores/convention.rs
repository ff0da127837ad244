//! What a score leaves open unless it is said.

use std::fmt;

use serde::{Deserialize, Serialize};
use upernet_image::IGNORE_LABEL;

use super::ConfusionMatrix;
use crate::Error;

/// How scores are counted. Its text is a sentence to print with every score.
///
/// The default is mmsegmentation's.
///
/// ```
/// use upernet_data::scores::Convention;
///
/// assert_eq!(
///     Convention::default().to_string(),
///     "a class that neither truth nor prediction has is left out of the mean (as mmsegmentation does); \
///      pixels labelled 255 do not count; compared at the size of each mask"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Convention {
    /// What a class that does not occur contributes.
    pub absent_classes: AbsentClasses,
    /// The true label of pixels that do not count.
    pub ignore_id: u16,
    /// The size at which labels are compared.
    pub resolution: Resolution,
}

/// What a class contributes to a mean if its own score is zero divided by zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbsentClasses {
    /// Nothing: the mean is over the other classes. mmsegmentation's `nanmean`.
    #[default]
    Skip,
    /// A score of 0, and the mean is over all classes. Ultralytics' since its pull request 24552 of
    /// May 2026, and scikit-learn's `zero_division=0`.
    Zero,
}

/// The size at which truth and prediction are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The size of each mask on disk: predictions are resized to it. mmsegmentation's.
    #[default]
    Mask,
    /// One size, `[height, width]` in pixels, to which the masks were resized or cropped.
    Fixed([usize; 2]),
}

impl Default for Convention {
    fn default() -> Self {
        Self {
            absent_classes: AbsentClasses::default(),
            ignore_id: IGNORE_LABEL,
            resolution: Resolution::default(),
        }
    }
}

impl Convention {
    /// Makes an empty matrix that leaves out the pixels which this convention does not count.
    ///
    /// # Errors
    ///
    /// Returns an error unless there are 1 to 4096 classes.
    pub fn matrix(&self, num_labels: usize) -> Result<ConfusionMatrix, Error> {
        ConfusionMatrix::with_ignore_id(num_labels, self.ignore_id)
    }
}

impl fmt::Display for Convention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}; pixels labelled {} do not count; {}",
            self.absent_classes, self.ignore_id, self.resolution
        )
    }
}

impl fmt::Display for AbsentClasses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Skip => {
                "a class that neither truth nor prediction has is left out of the mean \
                 (as mmsegmentation does)"
            }
            Self::Zero => {
                "a class that neither truth nor prediction has counts as 0 in the mean \
                 (as Ultralytics does)"
            }
        })
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask => formatter.write_str("compared at the size of each mask"),
            Self::Fixed([height, width]) => {
                write!(
                    formatter,
                    "compared at {height} x {width} pixels (height x width)"
                )
            }
        }
    }
}

impl AbsentClasses {
    /// Divides, where a denominator of zero is the score of an absent class.
    pub(super) fn ratio(self, part: u64, whole: u64) -> Option<f64> {
        match (whole, self) {
            (0, Self::Skip) => None,
            (0, Self::Zero) => Some(0.0),
            _ => Some(part as f64 / whole as f64),
        }
    }
}

/// The mean of the scores that are defined; nothing if none is.
pub(super) fn mean(scores: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = scores
        .into_iter()
        .flatten()
        .fold((0.0, 0_u32), |(sum, count), score| (sum + score, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conventions_in_a_config_file() {
        let read = |text| toml::from_str::<Convention>(text);
        assert_eq!(read("").unwrap(), Convention::default());
        let convention = Convention {
            absent_classes: AbsentClasses::Zero,
            ignore_id: 0,
            resolution: Resolution::Fixed([512, 1024]),
        };
        let text = "absent_classes = \"zero\"\nignore_id = 0\nresolution = { fixed = [512, 1024] }";
        assert_eq!(read(text).unwrap(), convention);
        let text = toml::to_string(&convention).unwrap();
        assert_eq!(read(&text).unwrap(), convention);
        for text in [
            "absent_classes = \"nan\"",
            "absent = \"zero\"",
            "ignore_id = -1",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn matrices_leave_out_what_the_convention_does_not_count() {
        let convention = Convention {
            ignore_id: 3,
            ..Convention::default()
        };
        assert_eq!(convention.matrix(2).unwrap().ignore_id(), 3);
    }

    #[test]
    fn the_mean_of_nothing_is_nothing() {
        assert_eq!(mean([None, Some(1.0), Some(0.0)]), Some(0.5));
        assert_eq!(mean([None, None]), None);
    }
}
