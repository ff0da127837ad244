//! The image processor that Hugging Face runs before `UperNet`.
//!
//! Upstream: `SegformerImageProcessor`, the class that `AutoImageProcessor` picks for it; the field
//! names are those of `preprocessor_config.json`.

use image::RgbImage;
use rayon::prelude::*;

use crate::{Error, IGNORE_LABEL, LabelMap, Resample, resize_labels, resize_photo};

/// Turns a photo into the network's input, and a mask into its labels.
///
/// The default is what all published `openmmlab/upernet-*` checkpoints use: 512 x 512 (the aspect ratio
/// is not kept), bilinear, divided by 255, `ImageNet` mean and deviation.
///
/// ```
/// use upernet_image::{ImageProcessor, image::{Rgb, RgbImage}};
///
/// let processor = ImageProcessor { size: [64, 80], ..ImageProcessor::default() };
/// let input = processor.process(&RgbImage::from_pixel(9, 9, Rgb([255, 0, 0])))?;
/// assert_eq!((input.size, input.pixels.len()), ([64, 80], 3 * 64 * 80));
/// assert!((input.pixels[0] - (1.0 - 0.485) / 0.229).abs() < 1e-6);
/// # Ok::<(), upernet_image::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the switches of the file that configures it"
)]
pub struct ImageProcessor {
    /// Whether photos and masks are resized to `size`.
    pub do_resize: bool,
    /// `[height, width]` of the network's input, in pixels.
    pub size: [usize; 2],
    /// How photos are resized; masks are always resized by nearest.
    pub resample: Resample,
    /// Whether samples are multiplied by `rescale_factor`.
    pub do_rescale: bool,
    /// Usually 1/255.
    pub rescale_factor: f64,
    /// Whether `image_mean` is subtracted and `image_std` divided by, after rescaling.
    pub do_normalize: bool,
    /// Mean of each channel, red first, in the rescaled range.
    pub image_mean: [f64; 3],
    /// Standard deviation of each channel, red first, in the rescaled range.
    pub image_std: [f64; 3],
    /// Whether masks count from 1 with 0 for "no class", as ADE20K's do: 0 becomes 255, others drop by 1.
    pub do_reduce_labels: bool,
}

/// A photo as the network takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessedImage {
    /// `[3, height, width]`, red plane first.
    pub pixels: Vec<f32>,
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
}

impl Default for ImageProcessor {
    fn default() -> Self {
        Self {
            do_resize: true,
            size: [512, 512],
            resample: Resample::Bilinear,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean: [0.485, 0.456, 0.406],
            image_std: [0.229, 0.224, 0.225],
            do_reduce_labels: false,
        }
    }
}

impl ImageProcessor {
    /// Resizes, rescales and normalises a photo.
    ///
    /// Equal to Hugging Face's Pillow back end; its torchvision back end differs by one step of 255 at
    /// some pixels when it shrinks a photo.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if the photo or `size` is empty, [`Error::BadSetting`] for a `size` over
    /// 8,192 x 8,192 pixels in all, a zero or non-finite `image_std`, or another number that is not
    /// finite.
    pub fn process(&self, photo: &RgbImage) -> Result<ProcessedImage, Error> {
        self.check_pixels()?;
        let table = self.sample_table()?;
        let resized;
        let photo = if self.do_resize {
            resized = resize_photo(photo, self.size, self.resample)?;
            &resized
        } else {
            photo
        };
        let size = [photo.height() as usize, photo.width() as usize];
        if size.contains(&0) {
            return Err(Error::BadSize {
                what: "photo to process",
                size: size.to_vec(),
            });
        }
        let (pixels, _) = photo.as_chunks::<3>();
        let mut planes = vec![0.0; 3 * pixels.len()];
        planes
            .par_chunks_mut(pixels.len())
            .enumerate()
            .for_each(|(channel, plane)| {
                for (value, pixel) in plane.iter_mut().zip(pixels) {
                    *value = table[channel][usize::from(pixel[channel])];
                }
            });
        Ok(ProcessedImage {
            pixels: planes,
            size,
        })
    }

    /// Reduces (if asked for) and resizes a mask, in this order.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if the mask or `size` is empty, [`Error::BadSetting`] for a `size` over
    /// 8,192 x 8,192 pixels in all.
    ///
    /// ```
    /// use upernet_image::{ImageProcessor, LabelMap};
    ///
    /// let processor =
    ///     ImageProcessor { size: [1, 6], do_reduce_labels: true, ..ImageProcessor::default() };
    /// let labels = processor.process_labels(&LabelMap::new([1, 3], vec![0, 1, 255])?)?;
    /// assert_eq!(labels.labels(), [255, 255, 0, 0, 255, 255]);
    /// # Ok::<(), upernet_image::Error>(())
    /// ```
    pub fn process_labels(&self, labels: &LabelMap) -> Result<LabelMap, Error> {
        self.check_pixels()?;
        let reduced;
        let labels = if self.do_reduce_labels {
            let ids = labels
                .labels()
                .iter()
                .map(|&label| reduce_label(label))
                .collect();
            reduced = LabelMap::new(labels.size(), ids)?;
            &reduced
        } else {
            labels
        };
        if self.do_resize {
            resize_labels(labels, self.size)
        } else {
            Ok(labels.clone())
        }
    }

    /// The network's value for each of a channel's 256 samples.
    ///
    /// Precision as upstream: the product in f64, rounded to f32; mean and deviation in f32.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to f32 is upstream's rule"
    )]
    fn sample_table(&self) -> Result<[[f32; 256]; 3], Error> {
        self.check_numbers()?;
        let mut table = [[0.0; 256]; 3];
        for (channel, values) in table.iter_mut().enumerate() {
            let (mean, deviation) = (
                self.image_mean[channel] as f32,
                self.image_std[channel] as f32,
            );
            for (sample, value) in (0..=u8::MAX).zip(values) {
                let factor = if self.do_rescale {
                    self.rescale_factor
                } else {
                    1.0
                };
                let rescaled = (f64::from(sample) * factor) as f32;
                *value = if self.do_normalize {
                    (rescaled - mean) / deviation
                } else {
                    rescaled
                };
            }
        }
        Ok(table)
    }

    /// The size comes from a file, so it is bounded before it becomes an allocation.
    fn check_pixels(&self) -> Result<(), Error> {
        let pixels = self.size[0].saturating_mul(self.size[1]);
        if self.do_resize && pixels > MOST_PIXELS {
            return Err(Error::BadSetting {
                name: "size",
                found: format!("{:?}", self.size),
                expected: "use at most 8192 x 8192 pixels in all",
            });
        }
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "f32 is what will divide")]
    fn check_numbers(&self) -> Result<(), Error> {
        let bad = |name, found, expected| {
            Err(Error::BadSetting {
                name,
                found,
                expected,
            })
        };
        if self.do_rescale && !(self.rescale_factor as f32).is_finite() {
            let found = self.rescale_factor.to_string();
            return bad(
                "rescale_factor",
                found,
                "use a finite number such as 0.00392156862745098",
            );
        }
        if self.do_normalize {
            if self
                .image_mean
                .iter()
                .any(|&mean| !(mean as f32).is_finite())
            {
                return bad(
                    "image_mean",
                    format!("{:?}", self.image_mean),
                    "use finite numbers",
                );
            }
            if self.image_std.iter().any(|&std| !(std as f32).is_normal()) {
                let found = format!("{:?}", self.image_std);
                return bad("image_std", found, "use finite numbers other than zero");
            }
        }
        Ok(())
    }
}

const MOST_PIXELS: usize = 8192 * 8192;

/// Upstream computes 0 -> 255, then minus 1, then 254 -> 255: both "no class" and "ignore" end as 255.
fn reduce_label(label: u16) -> u16 {
    if label == 0 || label == IGNORE_LABEL {
        IGNORE_LABEL
    } else {
        label - 1
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn plain() -> ImageProcessor {
        ImageProcessor {
            do_resize: false,
            do_rescale: false,
            do_normalize: false,
            ..ImageProcessor::default()
        }
    }

    #[test]
    fn steps_can_be_left_out() {
        let photo = RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let raw = plain().process(&photo).unwrap();
        assert_eq!(
            (raw.pixels, raw.size),
            (vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0], [1, 2])
        );
        let processor = ImageProcessor {
            do_normalize: true,
            image_std: [2.0; 3],
            image_mean: [1.0; 3],
            ..plain()
        };
        assert_eq!(
            processor.process(&photo).unwrap().pixels,
            [0.0, 1.5, 0.5, 2.0, 1.0, 2.5]
        );
    }

    #[test]
    fn reduced_labels_follow_upstream() {
        assert_eq!(
            [0, 1, 150, 254, 255, 256].map(reduce_label),
            [255, 0, 149, 253, 255, 255]
        );
    }

    #[test]
    fn meaningless_numbers_are_refused_by_name() {
        let photo = RgbImage::from_pixel(1, 1, Rgb([0; 3]));
        let message =
            |processor: ImageProcessor| processor.process(&photo).unwrap_err().to_string();
        let default = ImageProcessor::default;
        let zero = message(ImageProcessor {
            image_std: [1.0, 0.0, 1.0],
            ..default()
        });
        assert_eq!(
            zero,
            "image_std: [1.0, 0.0, 1.0] is not valid; use finite numbers other than zero"
        );
        let huge = message(ImageProcessor {
            rescale_factor: 1e300,
            ..default()
        });
        assert!(huge.starts_with("rescale_factor: 1"), "{huge}");
        let mean = message(ImageProcessor {
            image_mean: [f64::NAN; 3],
            ..default()
        });
        assert!(mean.starts_with("image_mean: [NaN"), "{mean}");
        let size = message(ImageProcessor {
            size: [0, 512],
            ..default()
        });
        assert!(size.contains("[0, 512]"), "{size}");
        let bomb = message(ImageProcessor {
            size: [1_000_000, 1_000_000],
            ..default()
        });
        assert!(
            bomb.starts_with("size: [1000000, 1000000] is not valid"),
            "{bomb}"
        );
    }

    #[test]
    fn an_empty_photo_is_refused_without_resizing_too() {
        assert!(plain().process(&RgbImage::new(0, 0)).is_err());
    }
}
