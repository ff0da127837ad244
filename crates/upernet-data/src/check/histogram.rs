//! How many pixels each class has.

use rayon::prelude::*;
use upernet_image::{IGNORE_LABEL, LabelMap};

use crate::{Error, SampleSource};

/// Counts the pixels of each class over all samples, in parallel; ignored pixels are not counted.
///
/// # Errors
///
/// Returns the error of a sample that cannot be read.
///
/// ```
/// use upernet_data::{Error, Sample, SampleSource, check::histogram};
/// use upernet_image::{LabelMap, image::RgbImage};
///
/// struct Two([String; 2]);
/// impl SampleSource for Two {
///     fn len(&self) -> usize { 2 }
///     fn class_names(&self) -> &[String] { &self.0 }
///     fn name(&self, index: usize) -> String { index.to_string() }
///     fn read(&self, index: usize) -> Result<Sample, Error> {
///         let labels = LabelMap::new([1, 3], vec![0, index as u16, 255])?;
///         Ok(Sample { image: RgbImage::new(3, 1), labels })
///     }
/// }
/// assert_eq!(histogram(&Two(["road".to_owned(), "car".to_owned()]))?, [3, 1]);
/// # Ok::<(), Error>(())
/// ```
pub fn histogram(samples: &dyn SampleSource) -> Result<Vec<u64>, Error> {
    let num_classes = samples.class_names().len();
    let none = || vec![0; num_classes];
    (0..samples.len())
        .into_par_iter()
        .try_fold(none, |mut counts, index| {
            add(&mut counts, &samples.read(index)?.labels);
            Ok(counts)
        })
        .try_reduce(none, |some, others| {
            Ok(some.iter().zip(others).map(|(a, b)| a + b).collect())
        })
}

fn add(counts: &mut [u64], labels: &LabelMap) {
    for &label in labels.labels() {
        if label != IGNORE_LABEL
            && let Some(count) = counts.get_mut(usize::from(label))
        {
            *count += 1;
        }
    }
}
