//! All samples once, in order, as they are.

use std::sync::Arc;

use super::prefetch::{Ahead, Prefetch};
use super::shared::guarded;
use crate::{Error, Sample, SampleSource};

/// Every sample of a source with its index, in order and without augmentation, decoded ahead.
///
/// After an error the sample after it is next.
///
/// ```
/// use std::sync::Arc;
/// use upernet_data::{Error, Sample, SampleSource, loader::EvaluationSamples};
/// use upernet_data::pixels::{LabelMap, image::RgbImage};
///
/// struct Sizes;
///
/// impl SampleSource for Sizes {
///     fn len(&self) -> usize {
///         3
///     }
///
///     fn class_names(&self) -> &[String] {
///         &[]
///     }
///
///     fn name(&self, index: usize) -> String {
///         index.to_string()
///     }
///
///     fn read(&self, index: usize) -> Result<Sample, Error> {
///         let labels = LabelMap::new([1 + index, 1], vec![0; 1 + index])?;
///         Ok(Sample { image: RgbImage::new(1, labels.size()[0] as u32), labels })
///     }
/// }
///
/// let (workers, prefetch) = (1, 4);
/// for item in EvaluationSamples::new(Arc::new(Sizes), workers, prefetch)? {
///     let (index, sample) = item?;
///     assert_eq!(sample.labels.size(), [1 + index, 1]);
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct EvaluationSamples {
    samples: Prefetch<(usize, Sample)>,
    count: u64,
}

impl EvaluationSamples {
    /// Starts `workers` threads, or none, with at most `prefetch` samples in work or ready.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `prefetch` is zero or the system starts no further thread.
    #[expect(
        clippy::missing_panics_doc,
        reason = "indices come from the length, which fits"
    )]
    pub fn new(
        source: Arc<dyn SampleSource>,
        workers: usize,
        prefetch: usize,
    ) -> Result<Self, Error> {
        if prefetch == 0 {
            return Err(Error::Setting {
                name: "prefetch",
                problem: "use at least one sample".into(),
            });
        }
        let count = source.len() as u64;
        let ahead = Ahead {
            workers,
            items: prefetch,
            range: 0..count,
        };
        let samples = Prefetch::new(ahead, move |number, _| {
            let index = usize::try_from(number).expect("below the number of samples");
            let name = source.name(index);
            guarded(&name, || Ok((index, source.read(index)?)))
        })?;
        Ok(Self { samples, count })
    }
}

impl Iterator for EvaluationSamples {
    type Item = Result<(usize, Sample), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.samples.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.count - self.samples.position()).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}
