//! What happens to logits: two bilinear resizes and an argmax, without ever holding them full-size.
//!
//! Upstream resizes the decode head's grid to the network's input size, then to the photo's size, then
//! takes the argmax; at 1536 x 2048 with 150 classes that is 1.9 GB of logits. Both resizes are linear
//! and separable, so one axis of both together is one sparse operator with at most four taps
//! ([`axis`]), which is applied tile by tile. In a tile most classes cannot win ([`tile`]).

mod argmax;
mod axis;
mod resize;
mod tile;

use std::convert::Infallible;

use crate::{Error, LabelMap};
use axis::AxisTaps;

/// The logits of one picture as a model gives them: `[num_labels, height, width]`, all finite.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    values: &'a [f32],
    num_labels: usize,
    size: [usize; 2],
}

impl<'a> Logits<'a> {
    /// Looks at `values` as `[num_labels, height, width]` logits, `size` being `[height, width]`.
    ///
    /// Every value is looked at once: a NaN or an infinity would win or poison an argmax in silence, and
    /// the pass over the small grid costs little beside the resize.
    ///
    /// # Errors
    ///
    /// - [`Error::BadSize`]: no class, more than 65,536 classes, or an empty grid.
    /// - [`Error::SizeMismatch`]: not `num_labels * height * width` values.
    /// - [`Error::NonFiniteLogit`]: the first NaN or infinity in class, row, column order.
    ///
    /// ```
    /// use upernet_image::Logits;
    ///
    /// assert!(Logits::new(&[0.0; 12], 3, [2, 2]).is_ok());
    /// let error = Logits::new(&[0.0, f32::NAN], 2, [1, 1]).unwrap_err();
    /// assert!(error.to_string().starts_with("logit of class 1 at row 0, column 0 is NaN"));
    /// ```
    pub fn new(values: &'a [f32], num_labels: usize, size: [usize; 2]) -> Result<Self, Error> {
        let shape = [num_labels, size[0], size[1]];
        let count = shape
            .iter()
            .try_fold(1, |count: usize, &side| count.checked_mul(side));
        if count.is_none_or(|count| count == 0) || num_labels > MOST_LABELS {
            return Err(Error::BadSize {
                what: "logits",
                size: shape.to_vec(),
            });
        }
        if count != Some(values.len()) {
            return Err(Error::SizeMismatch {
                what: "logits of num_labels x height x width values",
                expected: shape.to_vec(),
                found: vec![values.len()],
            });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let (label, place) = (index / (size[0] * size[1]), index % (size[0] * size[1]));
            return Err(Error::NonFiniteLogit {
                label,
                row: place / size[1],
                column: place % size[1],
                value: values[index],
            });
        }
        Ok(Self {
            values,
            num_labels,
            size,
        })
    }

    /// Resizes to `model_size`, then to `target`, and returns the class with the highest logit of each
    /// pixel; of equal ones the first.
    ///
    /// Sizes are `[height, width]`; bilinear with half-pixel centres (`align_corners=False`), as
    /// upstream. For logits that are at the network's input size already, give their own size as
    /// `model_size`: the first step is then the identity. Beside the result, memory is some 50 kB for
    /// each thread.
    ///
    /// Up to rounding this is the argmax of [`Logits::resized`], so it may differ from upstream's where
    /// two logits agree to about six digits.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if a side of a size is zero or too large to address.
    ///
    /// ```
    /// use upernet_image::Logits;
    ///
    /// let logits = Logits::new(&[0.0, 1.0, 0.5, 0.5], 2, [1, 2])?;
    /// let labels = logits.argmax_resized([1, 2], [1, 4])?;
    /// assert_eq!(labels.labels(), [1, 1, 0, 0]);
    /// # Ok::<(), upernet_image::Error>(())
    /// ```
    pub fn argmax_resized(
        &self,
        model_size: [usize; 2],
        target: [usize; 2],
    ) -> Result<LabelMap, Error> {
        let axes = self.axes(model_size, target)?;
        LabelMap::new(
            target,
            argmax::argmax(self, &axes, argmax::Candidates::Bounded),
        )
    }

    /// Resizes to `model_size`, then to `target`, and returns all logits: `[num_labels, height, width]`.
    ///
    /// Takes four bytes for each class and pixel; [`Logits::stream_resized`] does not.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if a side of a size is zero or too large to address.
    ///
    /// ```
    /// use upernet_image::Logits;
    ///
    /// let logits = Logits::new(&[0.0, 1.0], 1, [1, 2])?;
    /// assert_eq!(logits.resized([1, 2], [1, 4])?, [0.0, 0.25, 0.75, 1.0]);
    /// # Ok::<(), upernet_image::Error>(())
    /// ```
    pub fn resized(&self, model_size: [usize; 2], target: [usize; 2]) -> Result<Vec<f32>, Error> {
        let axes = self.axes(model_size, target)?;
        let mut values = Vec::with_capacity(self.num_labels * target[0] * target[1]);
        let collected: Result<(), Infallible> = resize::stream(self, &axes, |chunk| {
            values.extend_from_slice(chunk);
            Ok(())
        });
        let Ok(()) = collected;
        Ok(values)
    }

    /// Resizes as [`Logits::resized`] does, but hands the values to `sink` in order, piece by piece.
    ///
    /// Each piece is some whole rows of one class. Memory is one class's grid stretched to the target's
    /// width, plus at most 256 rows.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] as in [`Logits::resized`], and the first error that `sink` returns.
    ///
    /// ```
    /// use std::io::Write;
    /// use upernet_image::Logits;
    ///
    /// let logits = Logits::new(&[0.5; 6], 3, [1, 2])?;
    /// let mut file = Vec::new();
    /// logits.stream_resized([4, 4], [7, 9], |piece| {
    ///     piece.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
    /// })?;
    /// assert_eq!(file.len(), 3 * 7 * 9 * 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stream_resized<E: From<Error>>(
        &self,
        model_size: [usize; 2],
        target: [usize; 2],
        sink: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let axes = self.axes(model_size, target)?;
        resize::stream(self, &axes, sink)
    }

    /// Number of classes.
    #[must_use]
    pub fn num_labels(&self) -> usize {
        self.num_labels
    }

    /// `[height, width]` of the grid.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The operators of both axes, rows first.
    fn axes(&self, model_size: [usize; 2], target: [usize; 2]) -> Result<[AxisTaps; 2], Error> {
        for (what, size) in [
            ("model input size", model_size),
            ("size of the result", target),
        ] {
            let count = size[0]
                .checked_mul(size[1])
                .and_then(|n| n.checked_mul(self.num_labels));
            let fits = size.iter().all(|&side| u32::try_from(side).is_ok());
            if count.is_none_or(|n| n == 0 || n > MOST_VALUES) || !fits {
                return Err(Error::BadSize {
                    what,
                    size: size.to_vec(),
                });
            }
        }
        Ok([0, 1].map(|axis| AxisTaps::new(self.size[axis], model_size[axis], target[axis])))
    }

    /// One class's grid.
    fn plane(&self, label: usize) -> &'a [f32] {
        let count = self.size[0] * self.size[1];
        &self.values[label * count..][..count]
    }
}

/// Ids are stored in 16 bits.
const MOST_LABELS: usize = 1 << 16;

/// What one allocation of f32 may hold at most.
const MOST_VALUES: usize = isize::MAX as usize / size_of::<f32>();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let message = |values: &[f32], num_labels, size| {
            Logits::new(values, num_labels, size)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(&[], 0, [2, 2]),
            "logits: size [0, 2, 2] is empty or too large"
        );
        assert_eq!(
            message(&[], 3, [0, 2]),
            "logits: size [3, 0, 2] is empty or too large"
        );
        assert!(message(&[0.0], usize::MAX, [2, 2]).contains("too large"));
        assert!(message(&[0.0; 7], 2, [2, 2]).contains("expected [2, 2, 2], found [7]"));
        assert!(message(&vec![0.0; 65_537], 65_537, [1, 1]).contains("too large"));
    }

    #[test]
    fn the_first_infinity_is_named() {
        let mut values = [0.0; 24];
        values[12 + 5] = f32::NEG_INFINITY;
        values[23] = f32::NAN;
        let error = Logits::new(&values, 2, [3, 4]).unwrap_err();
        let expected = "logit of class 1 at row 1, column 1 is -inf; logits must be finite";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn impossible_targets_are_refused() {
        let logits = Logits::new(&[1.0, 2.0], 2, [1, 1]).unwrap();
        for size in [[0, 1], [1, 0], [usize::MAX, 2], [1 << 31, 1 << 31]] {
            assert!(logits.argmax_resized([1, 1], size).is_err(), "{size:?}");
            assert!(logits.resized(size, [1, 1]).is_err(), "{size:?}");
        }
    }
}
