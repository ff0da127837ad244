//! Turning by a random angle.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::setting::{check_number, check_probability};
use crate::{Error, Random};

/// Turns a photo about its centre; its size stays, and corners that nothing covers are filled.
///
/// Upstream: mmsegmentation's `RandomRotate`, with the numbers of `PSPNet`'s recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotate {
    /// The angle is drawn evenly from `-degrees..=degrees`.
    pub degrees: f64,
    /// How often a photo is turned at all, 0 to 1.
    pub probability: f64,
}

impl Default for Rotate {
    fn default() -> Self {
        Self {
            degrees: 10.0,
            probability: 0.5,
        }
    }
}

impl Rotate {
    pub(super) fn check(&self) -> Result<(), Error> {
        check_number("rotate.degrees", self.degrees, 180.0)?;
        check_probability("rotate.probability", self.probability)
    }

    /// Draws the angle in degrees, clockwise; nothing if the photo is not turned.
    pub(super) fn draw(&self, random: &mut Random) -> Option<f64> {
        random
            .random_bool(self.probability)
            .then(|| random.random_range(-self.degrees..=self.degrees))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn angles_fill_their_range_and_half_of_the_photos_stay() {
        let stage = Rotate {
            degrees: 30.0,
            probability: 0.5,
        };
        let angles: Vec<f64> = (0..2000)
            .filter_map(|index| stage.draw(&mut random(1, 2, index)))
            .collect();
        // 2,000 throws of a coin: the standard deviation is 22.
        assert!((890..=1110).contains(&angles.len()), "{}", angles.len());
        assert!(angles.iter().all(|angle| angle.abs() <= 30.0));
        assert!(angles.iter().any(|&angle| angle > 28.0));
        assert!(angles.iter().any(|&angle| angle < -28.0));
    }

    #[test]
    fn numbers_without_meaning_are_refused() {
        let stage = Rotate {
            degrees: -3.0,
            probability: 0.5,
        };
        assert_eq!(
            stage.check().unwrap_err().to_string(),
            "rotate.degrees: -3 is out of range; use a number from 0 to 180"
        );
        let stage = Rotate {
            degrees: 3.0,
            probability: 1.5,
        };
        assert_eq!(
            stage.check().unwrap_err().to_string(),
            "rotate.probability: 1.5 is no probability; use a number from 0 to 1"
        );
    }
}
