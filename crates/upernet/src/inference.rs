//! How the network goes over a photo.

use crate::Error;

/// Whether the network sees a photo at once or through a window.
///
/// # Example
///
/// ```
/// use upernet::Inference;
///
/// let inference = Inference::slide([512, 512]);
/// assert_eq!(inference, Inference::Slide { crop: [512, 512], stride: [341, 341] });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inference {
    /// All of it at once.
    #[default]
    Whole,
    /// Through overlapping windows, the logits of a pixel averaged over all that see it.
    ///
    /// As mmsegmentation's mode `slide`: windows lie `stride` apart, the last one of a row or column is
    /// moved back to the border, logits are brought to the window's size before they are summed, and a
    /// photo that is smaller than the crop is one window of its own size. A photo that one window
    /// covers gives what [`Whole`](Self::Whole) gives, to the bit.
    ///
    /// Windows go over the network's input, that is, over the photo as the processor resizes it. A
    /// processor that resizes to one size leaves nothing to slide over:
    /// [`InputSize::Photo`](crate::InputSize::Photo) turns it off.
    ///
    /// # Memory
    ///
    /// One window is in the network at a time. [`segment`](crate::Segmenter::segment) sums the logits of
    /// a band as high as a window: 8 bytes for each class, row of the crop and column of the photo
    /// (4 for sums, 4 for the rows that are finished). [`predict`](crate::Segmenter::predict), and
    /// `segment` where the processor resizes photos, keep the logits of every pixel beside it, 4 bytes
    /// for each class. What would take more than 8 GiB is an error.
    Slide {
        /// `[height, width]` of a window, in pixels.
        crop: [usize; 2],
        /// `[height, width]` from one window to the next, in pixels; at least 1, at most the crop's.
        stride: [usize; 2],
    },
}

/// At which size photos go into the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputSize {
    /// As the model's processor says.
    #[default]
    Processor,
    /// At the photo's own, whatever the processor says.
    Photo,
}

impl Inference {
    /// Windows of `crop` = `[height, width]` pixels that overlap by a third, as the published recipes
    /// have them (crop 512, stride 341; crop 640, stride 426).
    #[must_use]
    pub fn slide(crop: [usize; 2]) -> Self {
        Self::Slide {
            crop,
            stride: crop.map(|side| (side - side.div_ceil(3)).max(1)),
        }
    }

    /// `[height, width]` of what the network sees at once of an input of `size`.
    pub(crate) fn window(self, size: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Whole => size,
            Self::Slide { crop, .. } => [crop[0].min(size[0]), crop[1].min(size[1])],
        }
    }

    /// Checks that windows cover every photo.
    pub(crate) fn check(self) -> Result<(), Error> {
        match self {
            Self::Slide { crop, stride }
                if (0..2).any(|axis| !(1..=crop[axis]).contains(&stride[axis])) =>
            {
                Err(Error::Windows { crop, stride })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_those_of_the_recipes() {
        for (crop, stride) in [(512, 341), (640, 426), (2, 1), (1, 1)] {
            let slide = Inference::slide([crop, crop]);
            assert_eq!(
                slide,
                Inference::Slide {
                    crop: [crop; 2],
                    stride: [stride; 2]
                }
            );
            assert!(slide.check().is_ok());
        }
    }

    #[test]
    fn windows_with_gaps_are_refused() {
        for (crop, stride) in [([8, 8], [9, 8]), ([8, 8], [8, 0]), ([0, 8], [1, 8])] {
            let error = Inference::Slide { crop, stride }.check().expect_err("gaps");
            assert!(error.to_string().starts_with("windows of "), "{error}");
        }
    }
}
