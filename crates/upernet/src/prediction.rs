//! What the network says of one photo.

use std::time::{Duration, Instant};

use upernet_image::{LabelMap, Logits};

use crate::Error;

/// Logits of one photo, from which masks of any size are made.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub(crate) logits: Vec<f32>,
    pub(crate) num_labels: usize,
    /// `[height, width]` of the logits.
    pub(crate) size: [usize; 2],
    /// `[height, width]` of the network's input, in pixels.
    pub(crate) input_size: [usize; 2],
    /// `[height, width]` of the photo, in pixels.
    pub(crate) photo_size: [usize; 2],
}

/// The class of every pixel of a photo.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Segmentation {
    /// Class ids at the photo's size.
    pub labels: LabelMap,
    /// How long each step took.
    pub timings: Timings,
}

/// How long each step of a segmentation took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Resizing and normalising the photo.
    pub preprocess: Duration,
    /// The network, its result brought to the host.
    pub forward: Duration,
    /// Resizing the logits and taking the best class.
    pub postprocess: Duration,
}

impl Prediction {
    /// The class of every pixel at the photo's size.
    ///
    /// Equal to upsampling the logits to the network's input, then to the photo, then taking the
    /// class with the largest logit, the first of equals; done in one pass without the large logits.
    ///
    /// # Errors
    ///
    /// Returns an error if a logit is NaN or the sizes are out of bounds.
    pub fn labels(&self) -> Result<LabelMap, Error> {
        Ok(self
            .view()?
            .argmax_resized(self.input_size, self.photo_size)?)
    }

    /// [`labels`](Self::labels), with the time that it took added to the `timings` of the steps before.
    ///
    /// # Errors
    ///
    /// As [`labels`](Self::labels).
    pub fn segmentation(&self, mut timings: Timings) -> Result<Segmentation, Error> {
        let start = Instant::now();
        let labels = self.labels()?;
        timings.postprocess += start.elapsed();
        Ok(Segmentation { labels, timings })
    }

    /// Logits at the network's own resolution, or at its input's if windows were averaged, `[num_labels, height, width]`, row-major.
    #[must_use]
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// `[num_labels, height, width]` of [`logits`](Self::logits).
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        let [height, width] = self.size;
        [self.num_labels, height, width]
    }

    /// `[height, width]` of the photo, in pixels.
    #[must_use]
    pub fn photo_size(&self) -> [usize; 2] {
        self.photo_size
    }

    /// Hands out the logits at the photo's size, `[num_labels, height, width]`, row-major, piece by
    /// piece, so that they are never in memory as a whole.
    ///
    /// # Errors
    ///
    /// Returns an error if the sizes are out of bounds, and whatever `sink` returns.
    pub fn stream_logits<E: From<upernet_image::Error>>(
        &self,
        sink: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let view = Logits::new(&self.logits, self.num_labels, self.size)?;
        view.stream_resized(self.input_size, self.photo_size, sink)
    }

    fn view(&self) -> Result<Logits<'_>, Error> {
        Ok(Logits::new(&self.logits, self.num_labels, self.size)?)
    }
}
