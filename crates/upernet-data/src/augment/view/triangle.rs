//! A window of a photo resized with a triangle filter.
//!
//! The weights are those of Pillow's bilinear resize (`upernet_image::resize_photo`), which widens the
//! filter when it shrinks; the arithmetic is in single precision and rounds once. On one thread and for
//! the window alone, since the other threads belong to the network.

use std::ops::Range;

use super::Window;

/// Resizes `pixels` of size `source` to `target` and gives a window of the outcome.
pub(super) fn resize(
    pixels: &[[u8; 3]],
    source: [usize; 2],
    target: [usize; 2],
    window: Window,
) -> Vec<[u8; 3]> {
    let rows = Filter::new(source[0], target[0], window.rows());
    let columns = Filter::new(source[1], target[1], window.columns());
    let Range { start, end } = columns.covered();
    let mut blended = vec![0.0; 3 * (end - start)];
    let mut resized = Vec::with_capacity(window.height * window.width);
    for position in 0..window.height {
        let (first, weights) = rows.taps(position);
        blended.fill(0.0);
        for (row, &weight) in (first..).zip(weights) {
            let samples = pixels[row * source[1]..][start..end].as_flattened();
            for (sum, &sample) in blended.iter_mut().zip(samples) {
                *sum += weight * f32::from(sample);
            }
        }
        let (blended, _) = blended.as_chunks::<3>();
        resized.extend((0..window.width).map(|position| {
            let (first, weights) = columns.taps(position);
            along_row(&blended[first - start..], weights)
        }));
    }
    resized
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "weighted means of bytes, rounded to the nearest"
)]
fn along_row(blended: &[[f32; 3]], weights: &[f32]) -> [u8; 3] {
    let mut sums = [0.5; 3];
    for (pixel, &weight) in blended.iter().zip(weights) {
        for (sum, &sample) in sums.iter_mut().zip(pixel) {
            *sum += weight * sample;
        }
    }
    sums.map(|sum| sum as u8)
}

/// For each position of a range of one axis: which source pixels count, and how much.
#[derive(Debug)]
struct Filter {
    /// First source pixel, and where its weights lie.
    taps: Vec<(usize, Range<usize>)>,
    weights: Vec<f32>,
}

impl Filter {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positions are clamped to the axis and weights rounded"
    )]
    fn new(source: usize, target: usize, positions: Range<usize>) -> Self {
        let scale = source as f64 / target as f64;
        let support = scale.max(1.0);
        let bound = |place: f64| (place + 0.5).clamp(0.0, source as f64) as usize;
        let mut filter = Self {
            taps: Vec::with_capacity(positions.len()),
            weights: Vec::new(),
        };
        let mut exact = Vec::new();
        for position in positions {
            let center = (position as f64 + 0.5) * scale;
            let covered = bound(center - support)..bound(center + support);
            exact.clear();
            exact.extend(covered.clone().map(|place| {
                let distance = (place as f64 + 0.5 - center).abs() / support;
                (1.0 - distance).max(0.0)
            }));
            let sum: f64 = exact.iter().sum();
            let from = filter.weights.len();
            let shares = exact.iter().map(|weight| (weight / sum) as f32);
            filter.weights.extend(shares);
            filter
                .taps
                .push((covered.start, from..filter.weights.len()));
        }
        filter
    }

    fn taps(&self, position: usize) -> (usize, &[f32]) {
        let (first, weights) = &self.taps[position];
        (*first, &self.weights[weights.clone()])
    }

    /// All source pixels that count for any position.
    fn covered(&self) -> Range<usize> {
        match (self.taps.first(), self.taps.last()) {
            (Some(first), Some(last)) => first.0..last.0 + last.1.len(),
            _ => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::RngExt;
    use upernet_image::{Resample, image::RgbImage, resize_photo};

    use super::super::floor;
    use super::*;
    use crate::random;

    fn noise(size: [usize; 2]) -> RgbImage {
        let mut random = random(11, 0, (size[0] * 1000 + size[1]) as u64);
        let samples = (0..3 * size[0] * size[1])
            .map(|_| random.random())
            .collect();
        RgbImage::from_raw(
            size[1].try_into().unwrap(),
            size[0].try_into().unwrap(),
            samples,
        )
        .unwrap()
    }

    proptest! {
        // Pillow rounds between the two passes as well, hence one step.
        #[test]
        fn windows_are_those_of_pillows_resize_within_one_step(
            source in [1_usize..40, 1_usize..40],
            target in [1_usize..60, 1_usize..60],
            parts in [0.0_f64..1.0, 0.0_f64..1.0],
        ) {
            let photo = noise(source);
            let whole = resize_photo(&photo, target, Resample::Bilinear).unwrap();
            let [top, left] = [0, 1].map(|axis| floor(target[axis] as f64 * parts[axis]));
            let window = Window { top, left, height: target[0] - top, width: target[1] - left };
            let (whole, _) = whole.as_chunks::<3>();
            let expected = window.cut(whole, target[1]);
            let found = resize(photo.as_chunks::<3>().0, source, target, window);
            prop_assert_eq!(found.len(), expected.len());
            for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
                prop_assert!(found.abs_diff(*expected) <= 1, "{} {}", found, expected);
            }
        }
    }

    #[test]
    fn plain_stays_plain() {
        let pixels = [[7, 130, 255]; 9 * 5];
        let window = Window {
            top: 1,
            left: 2,
            height: 3,
            width: 7,
        };
        for target in [[4, 9], [17, 30], [5, 9]] {
            let resized = resize(&pixels, [9, 5], target, window);
            assert!(resized.iter().all(|&pixel| pixel == [7, 130, 255]));
        }
    }
}
