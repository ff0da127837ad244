//! Windows of a photo resized and turned, made without making the rest of it.

mod nearest;
mod rotation;
mod triangle;

use upernet_image::{IGNORE_LABEL, LabelMap, image::RgbImage};

use crate::Error;
use nearest::nearest;
use rotation::Rotation;

/// Most pixels of a window.
const MOST_PIXELS: usize = 1 << 28;

/// A photo resized and turned, of which nothing is computed yet.
#[derive(Clone, Debug)]
pub(super) struct View {
    source: [usize; 2],
    resized: [usize; 2],
    rotation: Option<Rotation>,
}

/// A part of a view, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl View {
    /// A photo of size `source`, resized to `resized` and turned clockwise about its centre.
    pub(super) fn new(source: [usize; 2], resized: [usize; 2], degrees: Option<f64>) -> Self {
        Self {
            source,
            resized,
            rotation: degrees.map(|degrees| Rotation::new(degrees, resized)),
        }
    }

    /// All of the view.
    pub(super) fn whole(&self) -> Window {
        let [height, width] = self.resized;
        Window {
            top: 0,
            left: 0,
            height,
            width,
        }
    }

    /// The labels in a window: each the one under the pixel's centre, or none beyond the photo.
    pub(super) fn labels(&self, labels: &LabelMap, window: Window) -> Result<LabelMap, Error> {
        window.check()?;
        let Some(rotation) = &self.rotation else {
            return Ok(LabelMap::new(
                [window.height, window.width],
                self.sample_labels(labels, window),
            )?);
        };
        let [height, width] = self.source;
        let [down, along] = [0, 1].map(|axis| self.source[axis] as f64 / self.resized[axis] as f64);
        let pixels = labels.labels();
        let mut turned = Vec::with_capacity(window.height * window.width);
        rotation.for_each(window, |place| {
            turned.push(place.map_or(IGNORE_LABEL, |[y, x]| {
                let (row, column) = (floor(y * down), floor(x * along));
                pixels[row.min(height - 1) * width + column.min(width - 1)]
            }));
        });
        Ok(LabelMap::new([window.height, window.width], turned)?)
    }

    /// The pixels in a window, `fill` beyond the photo.
    pub(super) fn photo(
        &self,
        photo: &RgbImage,
        window: Window,
        fill: [u8; 3],
    ) -> Result<RgbImage, Error> {
        window.check()?;
        let (pixels, _) = photo.as_chunks::<3>();
        let pixels = match &self.rotation {
            None => self.resize(pixels, window),
            Some(rotation) => {
                let needed = rotation.needed(window);
                needed.check()?;
                let resized = self.resize(pixels, needed);
                rotation.turn(&resized, needed, window, fill)
            }
        };
        window.photo_of(pixels)
    }

    fn resize(&self, pixels: &[[u8; 3]], window: Window) -> Vec<[u8; 3]> {
        if self.source == self.resized {
            return window.cut(pixels, self.source[1]);
        }
        triangle::resize(pixels, self.source, self.resized, window)
    }

    fn sample_labels(&self, labels: &LabelMap, window: Window) -> Vec<u16> {
        let width = self.source[1];
        let columns = nearest(width, self.resized[1], window.columns());
        let mut sampled = Vec::with_capacity(window.height * window.width);
        for row in nearest(self.source[0], self.resized[0], window.rows()) {
            let pixels = &labels.labels()[row * width..][..width];
            sampled.extend(columns.iter().map(|&column| pixels[column]));
        }
        sampled
    }
}

impl Window {
    fn rows(self) -> std::ops::Range<usize> {
        self.top..self.top + self.height
    }

    fn columns(self) -> std::ops::Range<usize> {
        self.left..self.left + self.width
    }

    /// Copies the window out of rows of `width` pixels.
    fn cut(self, pixels: &[[u8; 3]], width: usize) -> Vec<[u8; 3]> {
        let mut kept = Vec::with_capacity(self.height * self.width);
        for row in self.rows() {
            kept.extend_from_slice(&pixels[row * width..][self.columns()]);
        }
        kept
    }

    fn check(self) -> Result<(), Error> {
        match self.height.checked_mul(self.width) {
            Some(1..=MOST_PIXELS) => Ok(()),
            _ => Err(self.bad_size()),
        }
    }

    fn photo_of(self, pixels: Vec<[u8; 3]>) -> Result<RgbImage, Error> {
        let side = |side: usize| u32::try_from(side).map_err(|_| self.bad_size());
        RgbImage::from_raw(
            side(self.width)?,
            side(self.height)?,
            pixels.into_flattened(),
        )
        .ok_or_else(|| self.bad_size())
    }

    fn bad_size(self) -> Error {
        Error::Image(upernet_image::Error::BadSize {
            what: "photo resized by random_resize",
            size: vec![self.height, self.width],
        })
    }
}

/// The pixel that a place at or right of the first pixel's edge lies in.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places lie inside of the photo"
)]
fn floor(place: f64) -> usize {
    place as u32 as usize
}

#[cfg(test)]
mod tests;
