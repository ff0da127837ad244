//! Random brightness, contrast, saturation and hue.

mod color;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use upernet_image::image::RgbImage;

use super::setting::{check_number, check_probability, check_range};
use crate::{Error, Random};
use color::ColorChange;

/// Changes brightness, contrast, saturation and hue, each at random and by a random amount.
///
/// Contrast comes before or after the two others, at random. Upstream: mmsegmentation's
/// `PhotoMetricDistortion`; brightness and contrast are equal to it, while saturation and hue are not
/// rounded to `OpenCV`'s 8 bits on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhotometricDistortion {
    /// How often each of the four changes is made, 0 to 1.
    pub probability: f64,
    /// What is added to every sample is drawn from `-brightness_delta..=brightness_delta`, of 255.
    pub brightness_delta: f64,
    /// What samples are multiplied by is drawn from this range.
    pub contrast_range: [f64; 2],
    /// What the saturation is multiplied by is drawn from this range.
    pub saturation_range: [f64; 2],
    /// What is added to the hue is drawn from `-hue_delta..=hue_delta`, in `OpenCV`'s steps of two
    /// degrees.
    pub hue_delta: f64,
}

impl Default for PhotometricDistortion {
    fn default() -> Self {
        Self {
            probability: 0.5,
            brightness_delta: 32.0,
            contrast_range: [0.5, 1.5],
            saturation_range: [0.5, 1.5],
            hue_delta: 18.0,
        }
    }
}

/// What is done to one photo.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distortion {
    /// What becomes of each value of a sample before the colours change.
    before: Option<[u8; 256]>,
    color: ColorChange,
    /// What becomes of each value of a sample afterwards.
    after: Option<[u8; 256]>,
}

impl PhotometricDistortion {
    pub(super) fn check(&self) -> Result<(), Error> {
        const FACTORS: [f64; 2] = [0.0, 100.0];
        check_probability("photometric_distortion.probability", self.probability)?;
        check_number(
            "photometric_distortion.brightness_delta",
            self.brightness_delta,
            255.0,
        )?;
        check_range(
            "photometric_distortion.contrast_range",
            self.contrast_range,
            FACTORS,
        )?;
        check_range(
            "photometric_distortion.saturation_range",
            self.saturation_range,
            FACTORS,
        )?;
        check_number("photometric_distortion.hue_delta", self.hue_delta, 90.0)
    }

    /// Draws what is done to a photo.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "colours are computed in single precision"
    )]
    pub(super) fn draw(&self, random: &mut Random) -> Distortion {
        let brightness = self.draw_amount([-self.brightness_delta, self.brightness_delta], random);
        let contrast_first = random.random_bool(0.5);
        let contrast = self.draw_amount(self.contrast_range, random);
        let saturation = self.draw_amount(self.saturation_range, random);
        let hue = self.draw_amount([-self.hue_delta, self.hue_delta], random);

        let brighter = brightness.map(|delta| curve(1.0, delta));
        let contrasted = contrast.map(|factor| curve(factor, 0.0));
        let (before, after) = match (brighter, contrasted) {
            (Some(first), Some(second)) if contrast_first => {
                (Some(first.map(|value| second[usize::from(value)])), None)
            }
            (None, Some(second)) if contrast_first => (Some(second), None),
            (first, second) => (first, second),
        };
        Distortion {
            before,
            color: ColorChange {
                saturation: saturation.map(|factor| factor as f32),
                hue: hue.map(|steps| steps as f32),
            },
            after,
        }
    }

    fn draw_amount(&self, [low, high]: [f64; 2], random: &mut Random) -> Option<f64> {
        random
            .random_bool(self.probability)
            .then(|| random.random_range(low..=high))
    }
}

impl Distortion {
    /// Changes a photo.
    pub(super) fn apply(&self, photo: &mut RgbImage) {
        let (pixels, _) = photo.as_chunks_mut::<3>();
        if let Some(curve) = &self.before {
            apply_curve(curve, pixels);
        }
        self.color.apply(pixels);
        if let Some(curve) = &self.after {
            apply_curve(curve, pixels);
        }
    }
}

/// `clip(value * factor + offset, 0, 255)` for each value, cut off to whole numbers as upstream does.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held in range first, and cut off as upstream does"
)]
fn curve(factor: f64, offset: f64) -> [u8; 256] {
    let mut values = [0; 256];
    for (value, changed) in (0..=u8::MAX).zip(&mut values) {
        // Upstream multiplies in single precision.
        let exact = f32::from(value) * factor as f32 + offset as f32;
        *changed = exact.clamp(0.0, 255.0) as u8;
    }
    values
}

fn apply_curve(curve: &[u8; 256], pixels: &mut [[u8; 3]]) {
    for sample in pixels.as_flattened_mut() {
        *sample = curve[usize::from(*sample)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    // mmseg's convert(): (img.astype(float32) * alpha + beta).clip(0, 255).astype(uint8), by hand.
    #[test]
    fn brightness_and_contrast_are_those_of_mmseg() {
        let darker = curve(1.0, -20.5);
        assert_eq!(
            [darker[0], darker[20], darker[100], darker[255]],
            [0, 0, 79, 234]
        );
        let brighter = curve(1.0, 31.75);
        assert_eq!([brighter[0], brighter[100], brighter[240]], [31, 131, 255]);
        let flatter = curve(0.7, 0.0);
        assert_eq!([flatter[0], flatter[11], flatter[255]], [0, 7, 178]);
        let steeper = curve(1.5, 0.0);
        assert_eq!([steeper[1], steeper[99], steeper[200]], [1, 148, 255]);
    }

    #[test]
    fn each_change_is_made_half_of_the_time_and_contrast_on_either_side() {
        let stage = PhotometricDistortion::default();
        let draws: Vec<Distortion> = (0..2000)
            .map(|index| stage.draw(&mut random(4, 0, index)))
            .collect();
        let share = |has: fn(&Distortion) -> bool| {
            draws.iter().filter(|draw| has(draw)).count() as f64 / 2000.0
        };
        // The standard deviation of a share of 2,000 is at most 0.0112.
        for (found, expected) in [
            (share(|draw| draw.color.saturation.is_some()), 0.5),
            (share(|draw| draw.color.hue.is_some()), 0.5),
            // Contrast was drawn, and for the end.
            (share(|draw| draw.after.is_some()), 0.25),
            // Brightness, or contrast for the beginning: 1 - 1/2 * 3/4.
            (share(|draw| draw.before.is_some()), 0.625),
        ] {
            assert!((found - expected).abs() < 0.045, "{found}, not {expected}");
        }
    }

    #[test]
    fn brightness_comes_before_contrast() {
        let stage = PhotometricDistortion {
            probability: 1.0,
            brightness_delta: 0.0,
            contrast_range: [0.5, 0.5],
            ..PhotometricDistortion::default()
        };
        for index in 0..20 {
            let draw = stage.draw(&mut random(4, 0, index));
            let half = Some(curve(0.5, 0.0));
            let same = Some(curve(1.0, 0.0));
            assert!(
                (draw.before == half && draw.after.is_none())
                    || (draw.before == same && draw.after == half)
            );
        }
    }

    #[test]
    fn nothing_changes_at_probability_zero() {
        let stage = PhotometricDistortion {
            probability: 0.0,
            ..PhotometricDistortion::default()
        };
        let pixels: Vec<u8> = (0..=254).collect();
        let mut photo = RgbImage::from_raw(17, 5, pixels.clone()).unwrap();
        stage.draw(&mut random(0, 0, 0)).apply(&mut photo);
        assert_eq!(photo.into_raw(), pixels);
    }
}
