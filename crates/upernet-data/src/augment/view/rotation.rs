//! Turning about the centre.

use super::{Window, floor};

/// A turn of a photo about its centre, within its own size.
///
/// Places are in pixels from the upper left corner; pixel `i` covers `i..i + 1`.
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    cosine: f64,
    sine: f64,
    /// `[height, width]` of the photo.
    size: [usize; 2],
}

impl Rotation {
    /// A turn clockwise.
    pub(super) fn new(degrees: f64, size: [usize; 2]) -> Self {
        let angle = degrees.to_radians();
        Self {
            cosine: angle.cos(),
            sine: angle.sin(),
            size,
        }
    }

    /// Calls `visit` with where each pixel's centre was before the turn, row by row; `None` where the
    /// photo did not reach.
    pub(super) fn for_each(&self, window: Window, mut visit: impl FnMut(Option<[f64; 2]>)) {
        let [height, width] = self.size.map(|side| side as f64);
        for row in window.rows() {
            for column in window.columns() {
                let place = self.before([row as f64 + 0.5, column as f64 + 0.5]);
                let [y, x] = place;
                let inside = y >= 0.0 && x >= 0.0 && y < height && x < width;
                visit(inside.then_some(place));
            }
        }
    }

    /// The part of the photo that a window of the outcome is made of.
    pub(super) fn needed(&self, window: Window) -> Window {
        let bottom = (window.top + window.height) as f64;
        let right = (window.left + window.width) as f64;
        let [top, left] = [window.top as f64, window.left as f64];
        let corners = [[top, left], [top, right], [bottom, left], [bottom, right]]
            .map(|corner| self.before(corner));
        let [(top, height), (left, width)] = [0, 1].map(|axis| {
            let places = corners.map(|corner| corner[axis]);
            let near = places.into_iter().fold(f64::INFINITY, f64::min);
            let far = places.into_iter().fold(f64::NEG_INFINITY, f64::max);
            // One pixel more on each side: neighbours are blended.
            let end = self.size[axis] as f64 - 1.0;
            let first = floor((near - 1.0).clamp(0.0, end));
            (first, floor((far + 1.0).clamp(0.0, end)) + 1 - first)
        });
        Window {
            top,
            left,
            height,
            width,
        }
    }

    /// Blends the four pixels around each place; `pixels` are those of `needed`.
    pub(super) fn turn(
        &self,
        pixels: &[[u8; 3]],
        needed: Window,
        window: Window,
        fill: [u8; 3],
    ) -> Vec<[u8; 3]> {
        let mut turned = Vec::with_capacity(window.height * window.width);
        self.for_each(window, |place| {
            turned.push(place.map_or(fill, |[y, x]| {
                let (upper, lower, down) = neighbours(y, needed.top, needed.height);
                let (former, latter, along) = neighbours(x, needed.left, needed.width);
                let [above, below] = [upper, lower].map(|row| &pixels[row * needed.width..]);
                let weights = [
                    (STEPS - down) * (STEPS - along),
                    (STEPS - down) * along,
                    down * (STEPS - along),
                    down * along,
                ];
                let pixels = [above[former], above[latter], below[former], below[latter]];
                blend(pixels, weights)
            }));
        });
        turned
    }

    fn before(&self, [y, x]: [f64; 2]) -> [f64; 2] {
        let [middle, center] = self.size.map(|side| side as f64 / 2.0);
        let [down, along] = [y - middle, x - center];
        [
            middle - self.sine * along + self.cosine * down,
            center + self.cosine * along + self.sine * down,
        ]
    }
}

/// Places between the centres of two neighbours.
const STEPS: u32 = 256;

/// The two pixels whose centres are around a place, from `first` on, and the steps from the former.
fn neighbours(place: f64, first: usize, count: usize) -> (usize, usize, u32) {
    let place = (place - 0.5 - first as f64).clamp(0.0, (count - 1) as f64);
    let former = floor(place);
    let latter = (former + 1).min(count - 1);
    (former, latter, steps(place - former as f64))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of one pixel"
)]
fn steps(share: f64) -> u32 {
    (share * f64::from(STEPS) + 0.5) as u32
}

/// The mean of four pixels, rounded to the nearest; the weights' sum is the square of the steps.
fn blend(pixels: [[u8; 3]; 4], weights: [u32; 4]) -> [u8; 3] {
    const HALF: u32 = STEPS * STEPS / 2;
    [0, 1, 2].map(|channel| {
        let weighted = pixels.iter().zip(weights);
        let sum: u32 = weighted
            .map(|(pixel, weight)| u32::from(pixel[channel]) * weight)
            .sum();
        // Bits 16 to 23: the sum divided by the square of the steps.
        (sum + HALF).to_le_bytes()[2]
    })
}
