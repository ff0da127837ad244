//! Keeping a window at a random place.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use upernet_image::{IGNORE_LABEL, LabelMap};

use super::setting::{check_probability, check_size};
use super::view::{View, Window};
use crate::{Error, Random};

/// How often a window that one class fills is drawn again.
const TRIES: usize = 10;

/// Keeps a window at a random place; a smaller side is kept whole.
///
/// Upstream: mmsegmentation's `RandomCrop`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomCrop {
    /// `[height, width]` of the window, in pixels.
    pub size: [usize; 2],
    /// Largest share of the labelled pixels that one class may have, 0 to 1. A window over it is drawn
    /// again, up to ten times; the last one is taken as it is. 1 takes any window.
    pub cat_max_ratio: f64,
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self {
            size: [512, 512],
            cat_max_ratio: 0.75,
        }
    }
}

impl RandomCrop {
    pub(super) fn check(&self) -> Result<(), Error> {
        check_size("random_crop.size", self.size)?;
        check_probability("random_crop.cat_max_ratio", self.cat_max_ratio)
    }

    /// Draws a window of a view, and gives the labels in it.
    pub(super) fn draw(
        &self,
        view: &View,
        labels: &LabelMap,
        random: &mut Random,
    ) -> Result<(Window, LabelMap), Error> {
        let mut window = self.draw_window(view.whole(), random);
        let mut kept = view.labels(labels, window)?;
        if self.cat_max_ratio < 1.0 {
            for _ in 0..TRIES {
                if is_mixed(&kept, self.cat_max_ratio) {
                    break;
                }
                window = self.draw_window(view.whole(), random);
                kept = view.labels(labels, window)?;
            }
        }
        Ok((window, kept))
    }

    fn draw_window(&self, whole: Window, random: &mut Random) -> Window {
        let [height, width] = [
            self.size[0].min(whole.height),
            self.size[1].min(whole.width),
        ];
        Window {
            top: random.random_range(0..=whole.height - height),
            left: random.random_range(0..=whole.width - width),
            height,
            width,
        }
    }
}

/// Whether there are several classes, and none has `most` of the labelled pixels or more.
fn is_mixed(labels: &LabelMap, most: f64) -> bool {
    let areas = labels.class_areas();
    let mut classes = areas
        .iter()
        .filter(|area| area.label != IGNORE_LABEL)
        .map(|area| area.pixels);
    let (Some(largest), rest) = (classes.next(), classes.sum::<u64>()) else {
        return false;
    };
    rest > 0 && (largest as f64) < most * (largest + rest) as f64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::random;

    #[rstest]
    #[case::mixed(&[0, 0, 1, 255], true)]
    #[case::one_class(&[4, 4, 4, 255], false)]
    #[case::exactly_three_quarters(&[0, 0, 0, 1], false)]
    #[case::ignored_do_not_count(&[0, 0, 0, 1, 1, 255, 255, 255, 255, 255], true)]
    #[case::nothing_labelled(&[255, 255], false)]
    fn a_class_may_have_three_quarters_at_most(#[case] labels: &[u16], #[case] mixed: bool) {
        let labels = LabelMap::new([1, labels.len()], labels.to_vec()).unwrap();
        assert_eq!(is_mixed(&labels, 0.75), mixed);
    }

    /// Class 0, but for a corner of 12 x 12 with class 1.
    fn corner() -> LabelMap {
        let labels = (0..40 * 60).map(|at| u16::from(at / 60 < 12 && at % 60 < 12));
        LabelMap::new([40, 60], labels.collect()).unwrap()
    }

    #[test]
    fn windows_of_one_class_are_drawn_again() {
        let view = View::new([40, 60], [40, 60], None);
        let mixed = |cat_max_ratio: f64| {
            let stage = RandomCrop {
                size: [16, 16],
                cat_max_ratio,
            };
            (0..500)
                .filter(|&index| {
                    let (_, kept) = stage
                        .draw(&view, &corner(), &mut random(3, 0, index))
                        .unwrap();
                    is_mixed(&kept, 0.75)
                })
                .count()
        };
        // The corner's part of a window is 144 of 256 pixels at most, so only too little of it counts:
        // a quarter, 64, or less.
        let offsets = (0..=24)
            .flat_map(|top| (0..=44).map(move |left| (top, left)))
            .filter(|&(top, left)| {
                let [rows, columns] = [top, left].map(|offset: u32| 12_u32.saturating_sub(offset));
                rows * columns > 64
            })
            .count() as f64;
        let once = offsets / (25.0 * 45.0);
        let in_eleven = 1.0 - (1.0 - once).powi(11);
        for (count, share) in [(mixed(1.0), once), (mixed(0.75), in_eleven)] {
            let deviation = (500.0 * share * (1.0 - share)).sqrt();
            let distance = (count as f64 - 500.0 * share).abs();
            assert!(distance < 4.0 * deviation, "{count} of 500, not {share}");
        }
    }

    #[test]
    fn every_place_is_drawn_and_small_sides_stay_whole() {
        let view = View::new([3, 9], [3, 9], None);
        let labels = LabelMap::new([3, 9], vec![0; 27]).unwrap();
        let stage = RandomCrop {
            size: [5, 7],
            cat_max_ratio: 1.0,
        };
        let mut lefts = [0; 3];
        for index in 0..60 {
            let (window, kept) = stage
                .draw(&view, &labels, &mut random(9, 0, index))
                .unwrap();
            assert_eq!((window.top, kept.size()), (0, [3, 7]));
            lefts[window.left] += 1;
        }
        assert!(lefts.iter().all(|&count| count > 5), "{lefts:?}");
    }
}
