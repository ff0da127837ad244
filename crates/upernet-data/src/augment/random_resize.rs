//! Resizing by a random ratio.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::setting::{check_range, check_size};
use crate::{Error, Random};

/// Resizes a photo by a random ratio; its aspect stays.
///
/// The photo is bilinear, with the filter widened when it shrinks; labels take the nearest pixel.
/// Upstream: mmcv's `RandomResize` with `keep_ratio=True`, whose bilinear filter never widens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomResize {
    /// Size at ratio 1, in pixels: the photo is fitted into it, long side into long side. Absent: the
    /// photo's own size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<[usize; 2]>,
    /// The ratio is drawn evenly from this range, both ends included.
    pub ratio_range: [f64; 2],
    /// `[height, width]` in pixels below which no photo is shrunk, to spare padding. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<[usize; 2]>,
}

impl Default for RandomResize {
    fn default() -> Self {
        Self {
            scale: None,
            ratio_range: [0.5, 2.0],
            min_size: None,
        }
    }
}

impl RandomResize {
    pub(super) fn check(&self) -> Result<(), Error> {
        if let Some(scale) = self.scale {
            check_size("random_resize.scale", scale)?;
        }
        if let Some(size) = self.min_size {
            check_size("random_resize.min_size", size)?;
        }
        check_range("random_resize.ratio_range", self.ratio_range, [0.01, 100.0])
    }

    /// Draws the size that a photo of size `source` is resized to.
    pub(super) fn draw(&self, source: [usize; 2], random: &mut Random) -> [usize; 2] {
        let [low, high] = self.ratio_range;
        let ratio = random.random_range(low..=high);
        let sides = source.map(|side| side as f64);
        let fitted = self.scale.map_or(ratio, |scale| {
            let (long, short) = (sides[0].max(sides[1]), sides[0].min(sides[1]));
            let (long_scale, short_scale) = (scale[0].max(scale[1]), scale[0].min(scale[1]));
            ratio * (long_scale as f64 / long).min(short_scale as f64 / short)
        });
        let factor = self.min_size.map_or(fitted, |least| {
            fitted
                .max(least[0] as f64 / sides[0])
                .max(least[1] as f64 / sides[1])
        });
        sides.map(|side| rounded(side * factor))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive product of a side and a checked factor"
)]
fn rounded(side: f64) -> usize {
    (side + 0.5).max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::random;

    fn fixed(ratio: f64) -> RandomResize {
        RandomResize {
            ratio_range: [ratio; 2],
            ..RandomResize::default()
        }
    }

    // mmcv.rescale_size((w, h), scale): factor = min(max(scale) / max(h, w), min(scale) / min(h, w)),
    // int(side * factor + 0.5).
    #[rstest]
    #[case::own_size(None, 1.0, [360, 480], [360, 480])]
    #[case::half(None, 0.5, [361, 481], [181, 241])]
    #[case::landscape(Some([512, 2048]), 1.0, [683, 512], [683, 512])]
    #[case::wide(Some([512, 2048]), 1.0, [500, 1000], [512, 1024])]
    #[case::long_side_decides(Some([512, 512]), 2.0, [500, 1000], [512, 1024])]
    #[case::never_empty(None, 0.01, [7, 300], [1, 3])]
    fn sizes_are_those_of_mmcv(
        #[case] scale: Option<[usize; 2]>,
        #[case] ratio: f64,
        #[case] source: [usize; 2],
        #[case] expected: [usize; 2],
    ) {
        let stage = RandomResize {
            scale,
            ..fixed(ratio)
        };
        assert_eq!(stage.draw(source, &mut random(0, 0, 0)), expected);
    }

    #[test]
    fn no_side_falls_below_the_least_size() {
        let stage = RandomResize {
            min_size: Some([256, 320]),
            ..fixed(0.5)
        };
        // 256 / 360 = 0.711 is more than 320 / 480 = 0.667; 480 * 0.711 = 341.3.
        assert_eq!(stage.draw([360, 480], &mut random(0, 0, 0)), [256, 341]);
    }

    #[test]
    fn ratios_fill_their_range_evenly() {
        let stage = RandomResize::default();
        let mut counts = [0_usize; 3];
        for index in 0..3000 {
            let [height, _] = stage.draw([1000, 1000], &mut random(5, 1, index));
            assert!((500..=2000).contains(&height), "{height}");
            counts[(height - 500).min(1499) / 500] += 1;
        }
        // Three equal parts of 3,000: the standard deviation of a count is 26.
        for count in counts {
            assert!((870..=1130).contains(&count), "{counts:?}");
        }
    }

    #[rstest]
    #[case::order([2.0, 0.5])]
    #[case::zero([0.0, 1.0])]
    #[case::huge([1.0, 1e9])]
    #[case::not_a_number([f64::NAN, 1.0])]
    fn ranges_without_meaning_are_refused(#[case] ratio_range: [f64; 2]) {
        let stage = RandomResize {
            ratio_range,
            ..RandomResize::default()
        };
        let error = stage.check().unwrap_err().to_string();
        assert!(error.starts_with("random_resize.ratio_range: ["), "{error}");
    }
}
