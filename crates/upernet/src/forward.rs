//! From the network's input to logits or labels, at once or through windows.

use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};
use upernet_image::{LabelMap, Logits, ProcessedImage, image::RgbImage};
use upernet_zoo::check_input;

use crate::{
    Error, Inference, Prediction, Segmentation, Segmenter, Timings,
    slide::{Grid, WindowLogits, slide},
};

/// Bytes that sums of logits may take.
const MOST_BYTES: u64 = 8 << 30;

/// A photo as the network takes it, and how long that took.
#[derive(Debug)]
pub(crate) struct Input {
    image: ProcessedImage,
    time: Duration,
}

impl Segmenter {
    /// Makes the network's input of a photo.
    pub(crate) fn input(&self, photo: &RgbImage) -> Result<Input, Error> {
        let start = Instant::now();
        let image = self.processor().process(photo)?;
        let [height, width] = self.inference().window(image.size);
        check_input(self.config(), [1, 3, height, width])?;
        Ok(Input {
            image,
            time: start.elapsed(),
        })
    }

    /// The windows that an input takes; `None` if it goes into the network as a whole.
    pub(crate) fn windows(&self, input: &Input) -> Option<Grid> {
        match self.inference() {
            Inference::Whole => None,
            Inference::Slide { crop, stride } => {
                Some(Grid::new(input.image.size, crop, stride)).filter(|grid| !grid.is_single())
            }
        }
    }

    /// Computes the logits of a photo.
    pub(crate) fn predict_input(
        &self,
        photo: &RgbImage,
        input: Input,
    ) -> Result<(Prediction, Timings), Error> {
        let start = Instant::now();
        let (preprocess, input_size) = (input.time, input.image.size);
        let logits = match self.windows(&input) {
            None => self.logits_of(input.image.pixels, input_size)?,
            Some(grid) => self.average(&input.image, &grid)?,
        };
        let timings = Timings {
            preprocess,
            forward: start.elapsed(),
            ..Timings::default()
        };
        let prediction = Prediction {
            logits: logits.values,
            num_labels: logits.num_labels,
            size: logits.size,
            input_size,
            photo_size: size_of(photo),
        };
        Ok((prediction, timings))
    }

    /// Labels a photo at its own size, band by band: all its logits are never there.
    pub(crate) fn segment_in_bands(
        &self,
        input: &Input,
        grid: &Grid,
    ) -> Result<Segmentation, Error> {
        check_memory(self.config().num_labels(), grid, 0)?;
        let image = &input.image;
        let [height, width] = grid.size();
        let start = Instant::now();
        let mut postprocess = Duration::ZERO;
        let mut labels = Vec::with_capacity(height * width);
        slide(
            grid,
            |place| self.logits_of(cut(image, place, grid.window()), grid.window()),
            |rows| {
                let start = Instant::now();
                let size = [rows.rows, width];
                let logits = Logits::new(rows.values, rows.num_labels, size)?;
                labels.extend_from_slice(logits.argmax_resized(size, size)?.labels());
                postprocess += start.elapsed();
                Ok(())
            },
        )?;
        Ok(Segmentation {
            labels: LabelMap::new([height, width], labels)?,
            timings: Timings {
                preprocess: input.time,
                forward: start.elapsed().saturating_sub(postprocess),
                postprocess,
            },
        })
    }

    /// The averaged logits of every pixel of the input.
    fn average(&self, image: &ProcessedImage, grid: &Grid) -> Result<WindowLogits, Error> {
        let [height, width] = grid.size();
        let num_labels = self.config().num_labels();
        check_memory(num_labels, grid, count([4 * num_labels, height, width]))?;
        let mut values = vec![0.0; num_labels * height * width];
        slide(
            grid,
            |place| self.logits_of(cut(image, place, grid.window()), grid.window()),
            |rows| {
                for (label, plane) in rows.values.chunks_exact(rows.rows * width).enumerate() {
                    let start = (label * height + rows.first) * width;
                    values[start..start + plane.len()].copy_from_slice(plane);
                }
                Ok(())
            },
        )?;
        Ok(WindowLogits {
            values,
            num_labels,
            size: grid.size(),
        })
    }

    /// Runs the network on `pixels`, `[3, height, width]`.
    fn logits_of(
        &self,
        pixels: Vec<f32>,
        [height, width]: [usize; 2],
    ) -> Result<WindowLogits, Error> {
        let pixels = TensorData::new(pixels, [1, 3, height, width]);
        let logits = self
            .model()
            .forward_decode(Tensor::from_data(pixels, self.device()));
        let [_, num_labels, height, width] = logits.dims();
        assert_eq!(
            num_labels,
            self.config().num_labels(),
            "the network has other classes than its config"
        );
        let values = logits.try_into_vec_as::<f32>();
        let values = values.map_err(|error| Error::Backend {
            message: error.to_string(),
        })?;
        Ok(WindowLogits {
            values,
            num_labels,
            size: [height, width],
        })
    }
}

/// Refuses windows whose sums, and `more` bytes beside them, take too much.
fn check_memory(num_labels: usize, grid: &Grid, more: u64) -> Result<(), Error> {
    let [height, _] = grid.window();
    let [_, width] = grid.size();
    let bytes = more.saturating_add(count([2 * 4 * num_labels, height, width]));
    if bytes > MOST_BYTES {
        return Err(Error::LogitsTooLarge {
            size: grid.size(),
            num_labels,
            bytes,
            limit: MOST_BYTES,
        });
    }
    Ok(())
}

/// `[height, width]` of a photo, in pixels.
pub(crate) fn size_of(photo: &RgbImage) -> [usize; 2] {
    [photo.height() as usize, photo.width() as usize]
}

/// The part of an image in a window whose upper left pixel is at `[row, column]`: `[3, height, width]`.
fn cut(image: &ProcessedImage, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Vec<f32> {
    let mut pixels = Vec::with_capacity(3 * height * width);
    let rows = image.pixels.chunks_exact(image.size[1]);
    for plane in 0..3 {
        let first = plane * image.size[0] + top;
        for row in rows.clone().skip(first).take(height) {
            pixels.extend_from_slice(&row[left..left + width]);
        }
    }
    pixels
}

/// How many values a tensor of this shape has.
fn count(shape: [usize; 3]) -> u64 {
    shape
        .into_iter()
        .fold(1, |count: u64, side| count.saturating_mul(side as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_out_of_every_plane() {
        let image = ProcessedImage {
            pixels: (0..24).map(|value: u8| f32::from(value)).collect(),
            size: [2, 4],
        };
        let pixels = cut(&image, [1, 2], [1, 2]);
        assert_eq!(pixels, [6.0, 7.0, 14.0, 15.0, 22.0, 23.0]);
        assert_eq!(cut(&image, [0, 0], [2, 4]), image.pixels);
    }

    #[test]
    fn logits_of_large_photos_are_refused_and_bands_of_them_are_not() {
        let grid = Grid::new([20_000, 25_000], [512, 512], [341, 341]);
        assert!(check_memory(5, &grid, 0).is_ok());
        let all = count([4 * 5, 20_000, 25_000]);
        let error = check_memory(5, &grid, all).expect_err("10 GB");
        assert_eq!(
            error.to_string(),
            format!(
                "the logits of 20000 x 25000 pixels, 5 classes each, would take {} bytes, \
                 at most {} are allowed; use lower windows and no logits, or a smaller photo",
                5 * 25_000_u64 * (4 * 20_000 + 8 * 512),
                8_u64 << 30
            )
        );
    }
}
