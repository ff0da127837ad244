//! Samples as a network takes them.

use std::path::PathBuf;

use super::LoaderOptions;
use crate::{Error, Sample};

/// Photos and labels of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Normalised photos, `[N, 3, H, W]`, red plane first.
    pub pixel_values: Vec<f32>,
    /// A label for each pixel, `[N, H, W]`; 255 does not count.
    pub labels: Vec<u16>,
    /// `[N, 3, H, W]`.
    pub shape: [usize; 4],
    /// The sample that each photo is from.
    pub names: Vec<String>,
}

/// What the network sees of each value of each channel.
///
/// Precision as in `upernet_image::ImageProcessor`, so that training and inference see the same numbers.
#[derive(Debug)]
pub(super) struct Normalization([[f32; 256]; 3]);

impl Normalization {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to f32 is the processor's rule"
    )]
    pub(super) fn new(options: &LoaderOptions) -> Self {
        Self([0, 1, 2].map(|channel| {
            let mean = options.mean[channel] as f32;
            let deviation = options.std[channel] as f32;
            std::array::from_fn(|sample| {
                ((sample as f64 * options.rescale_factor) as f32 - mean) / deviation
            })
        }))
    }
}

impl Batch {
    /// A batch without samples, with room for some of a size.
    pub(super) fn with_capacity(count: usize, [height, width]: [usize; 2]) -> Self {
        let pixels = count * height * width;
        Self {
            pixel_values: Vec::with_capacity(3 * pixels),
            labels: Vec::with_capacity(pixels),
            shape: [0, 3, height, width],
            names: Vec::with_capacity(count),
        }
    }

    /// Adds a sample.
    pub(super) fn push(
        &mut self,
        name: String,
        sample: &Sample,
        normalization: &Normalization,
    ) -> Result<(), Error> {
        let [_, _, height, width] = self.shape;
        if sample.labels.size() != [height, width] {
            return Err(Error::Invalid {
                path: PathBuf::from(name),
                problem: format!(
                    "is {:?} pixels after augmentation, not {:?} as the first of its batch; set \
                     random_crop and pad, or a batch size of 1",
                    sample.labels.size(),
                    [height, width]
                ),
            });
        }
        let (pixels, _) = sample.image.as_chunks::<3>();
        for (channel, values) in normalization.0.iter().enumerate() {
            let plane = pixels
                .iter()
                .map(|pixel| values[usize::from(pixel[channel])]);
            self.pixel_values.extend(plane);
        }
        self.labels.extend_from_slice(sample.labels.labels());
        self.names.push(name);
        self.shape[0] += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use upernet_image::{ImageProcessor, LabelMap, image::RgbImage};

    use super::*;

    fn sample(width: u32, height: u32) -> Sample {
        let samples = (0..3 * width * height).map(|at| u8::try_from(at * 7 % 256).unwrap());
        let size = [height as usize, width as usize];
        Sample {
            image: RgbImage::from_raw(width, height, samples.collect()).unwrap(),
            labels: LabelMap::new(size, vec![6; size[0] * size[1]]).unwrap(),
        }
    }

    #[test]
    fn numbers_are_those_that_inference_sees() {
        let processor = ImageProcessor {
            do_resize: false,
            ..ImageProcessor::default()
        };
        let normalization = Normalization::new(&LoaderOptions::default());
        let sample = sample(9, 5);
        let mut batch = Batch::with_capacity(1, [5, 9]);
        batch.push("a".into(), &sample, &normalization).unwrap();
        let expected = processor.process(&sample.image).unwrap();
        assert_eq!(batch.pixel_values, expected.pixels);
        assert_eq!(batch.labels, sample.labels.labels());
    }

    #[test]
    fn other_sizes_are_refused() {
        let normalization = Normalization::new(&LoaderOptions::default());
        let mut batch = Batch::with_capacity(2, [5, 9]);
        batch
            .push("a".into(), &sample(9, 5), &normalization)
            .unwrap();
        let error = batch
            .push("b".into(), &sample(9, 4), &normalization)
            .unwrap_err();
        assert!(
            error.to_string().starts_with("b: is [4, 9] pixels after"),
            "{error}"
        );
        assert_eq!(batch.shape, [1, 3, 5, 9]);
    }
}
