//! Transforms of a photo and its labels together.
//!
//! The stages are those of mmsegmentation's training pipelines, in their order: resize, rotate, crop,
//! flip, distort the colours, pad. Where a pixel of the outcome comes from is settled first, so that only
//! the window that the crop keeps is ever resized.

mod flip;
mod pad;
mod photometric_distortion;
mod random_crop;
mod random_resize;
mod rotate;
mod setting;
mod view;

use serde::{Deserialize, Serialize};

use crate::{Error, Random, Sample};
pub use flip::Flip;
pub use pad::Pad;
pub use photometric_distortion::PhotometricDistortion;
pub use random_crop::RandomCrop;
pub use random_resize::RandomResize;
pub use rotate::Rotate;
use view::View;

/// What happens to each training sample; a stage that is absent does nothing.
///
/// In a config file a section given is a stage that runs, and what it leaves out has mmsegmentation's
/// value. [`Augmentation::default`] is what mmsegmentation does for crops of 512 x 512.
///
/// ```
/// use upernet_data::{Sample, augment::Augmentation, random};
/// use upernet_data::pixels::{LabelMap, image::RgbImage};
///
/// let augmentation = Augmentation::mmseg([64, 80]);
/// let sample = Sample {
///     image: RgbImage::new(120, 90),
///     labels: LabelMap::new([90, 120], vec![3; 90 * 120])?,
/// };
/// let augmented = augmentation.apply(&sample, &mut random(7, 0, 0))?;
/// assert_eq!(augmented.labels.size(), [64, 80]);
/// assert_eq!(augmented.image.dimensions(), (80, 64));
/// # Ok::<(), upernet_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Resizes by a random ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_resize: Option<RandomResize>,
    /// Turns by a random angle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotate>,
    /// Keeps a window at a random place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_crop: Option<RandomCrop>,
    /// Mirrors left and right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flip: Option<Flip>,
    /// Changes brightness, contrast, saturation and hue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photometric_distortion: Option<PhotometricDistortion>,
    /// Fills up to a size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad: Option<Pad>,
    /// Colour, red first, of pixels that no photo covers: by default `ImageNet`'s mean, which the
    /// network sees as zero. Their label is [`IGNORE_LABEL`](upernet_image::IGNORE_LABEL).
    #[serde(default = "mean_color")]
    pub fill: [u8; 3],
}

impl Default for Augmentation {
    fn default() -> Self {
        Self::mmseg(RandomCrop::default().size)
    }
}

impl Augmentation {
    /// Does nothing, as validation wants it.
    #[must_use]
    pub fn none() -> Self {
        Self {
            random_resize: None,
            rotate: None,
            random_crop: None,
            flip: None,
            photometric_distortion: None,
            pad: None,
            fill: mean_color(),
        }
    }

    /// What mmsegmentation's recipes do: every stage but [`Rotate`], to crops of `[height, width]`.
    ///
    /// Upstream: `train_pipeline` of `configs/_base_/datasets/ade20k.py`, with each photo's own size
    /// for the scale that is written there.
    #[must_use]
    pub fn mmseg(size: [usize; 2]) -> Self {
        Self {
            random_resize: Some(RandomResize::default()),
            rotate: None,
            random_crop: Some(RandomCrop {
                size,
                ..RandomCrop::default()
            }),
            flip: Some(Flip::default()),
            photometric_distortion: Some(PhotometricDistortion::default()),
            pad: Some(Pad::default()),
            fill: mean_color(),
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] that names the field.
    pub fn check(&self) -> Result<(), Error> {
        if let Some(stage) = &self.random_resize {
            stage.check()?;
        }
        if let Some(stage) = &self.rotate {
            stage.check()?;
        }
        if let Some(stage) = &self.random_crop {
            stage.check()?;
        }
        if let Some(stage) = &self.flip {
            stage.check()?;
        }
        if let Some(stage) = &self.photometric_distortion {
            stage.check()?;
        }
        if let Some(stage) = &self.pad {
            stage.check(self.random_crop.as_ref().map(|crop| crop.size))?;
        }
        Ok(())
    }

    /// The size of every outcome, `[height, width]` in pixels, if it is the same for all photos: that of
    /// [`RandomCrop`], with [`Pad`] to at least as much.
    #[must_use]
    pub fn output_size(&self) -> Option<[usize; 2]> {
        let crop = self.random_crop.as_ref()?.size;
        let padded = self.pad.as_ref()?.size.unwrap_or(crop);
        (padded[0] >= crop[0] && padded[1] >= crop[1]).then_some(padded)
    }

    /// Transforms a sample; equal numbers from `random` give equal bytes.
    ///
    /// # Errors
    ///
    /// An error if a setting makes no sense, the photo is empty or not as large as its labels, or it
    /// would be resized to more than 2^28 pixels.
    pub fn apply(&self, sample: &Sample, random: &mut Random) -> Result<Sample, Error> {
        self.check()?;
        let source = size_of(sample)?;
        let resized = match &self.random_resize {
            Some(stage) => stage.draw(source, random),
            None => source,
        };
        let degrees = self.rotate.as_ref().and_then(|stage| stage.draw(random));
        let view = View::new(source, resized, degrees);
        let (window, mut labels) = match &self.random_crop {
            Some(stage) => stage.draw(&view, &sample.labels, random)?,
            None => (view.whole(), view.labels(&sample.labels, view.whole())?),
        };
        let mut image = view.photo(&sample.image, window, self.fill)?;
        if let Some(stage) = &self.flip
            && stage.draw(random)
        {
            (image, labels) = (flip::mirror_photo(image), flip::mirror_labels(labels)?);
        }
        if let Some(stage) = &self.photometric_distortion {
            stage.draw(random).apply(&mut image);
        }
        let sample = Sample { image, labels };
        match &self.pad {
            Some(stage) => stage.apply(
                sample,
                self.random_crop.as_ref().map(|crop| crop.size),
                self.fill,
            ),
            None => Ok(sample),
        }
    }
}

/// `ImageNet`'s mean, 0.485, 0.456 and 0.406 of 255.
fn mean_color() -> [u8; 3] {
    [124, 116, 104]
}

fn size_of(sample: &Sample) -> Result<[usize; 2], Error> {
    let size = [sample.image.height(), sample.image.width()].map(|side| side as usize);
    if size != sample.labels.size() {
        return Err(Error::Image(upernet_image::Error::SizeMismatch {
            what: "labels of a photo",
            expected: size.to_vec(),
            found: sample.labels.size().to_vec(),
        }));
    }
    if size.contains(&0) {
        return Err(Error::Image(upernet_image::Error::BadSize {
            what: "photo to augment",
            size: size.to_vec(),
        }));
    }
    Ok(size)
}

#[cfg(test)]
mod tests;
