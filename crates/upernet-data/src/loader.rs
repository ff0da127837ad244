//! Augmented batches, decoded ahead on threads of their own.
//!
//! What a batch holds depends on its step alone, so a loader may start at any step, with any number of
//! workers, and give what an uninterrupted one gives there, bit for bit.

mod batch;
mod cache;
mod evaluation;
mod options;
mod order;
mod prefetch;
mod shared;

use std::sync::Arc;

use crate::{Error, SampleSource};
pub use batch::Batch;
pub use evaluation::EvaluationSamples;
pub use options::{LoaderOptions, Shard};
use prefetch::{Ahead, Prefetch};
use shared::Shared;

/// An endless stream of augmented batches.
///
/// Epochs are random orders of all samples and run into each other: no sample is dropped at the end of
/// one. Workers are threads of the loader alone; dropping it ends them after the sample they are at.
///
/// ```
/// use std::sync::Arc;
/// use upernet_data::loader::{Loader, LoaderOptions};
/// use upernet_data::{Error, Sample, SampleSource, augment::Augmentation};
/// use upernet_data::pixels::{LabelMap, image::RgbImage};
///
/// struct Plain(Vec<String>);
///
/// impl SampleSource for Plain {
///     fn len(&self) -> usize {
///         5
///     }
///
///     fn class_names(&self) -> &[String] {
///         &self.0
///     }
///
///     fn name(&self, index: usize) -> String {
///         format!("plain_{index}")
///     }
///
///     fn read(&self, _: usize) -> Result<Sample, Error> {
///         let labels = LabelMap::new([24, 32], vec![0; 24 * 32])?;
///         Ok(Sample { image: RgbImage::new(32, 24), labels })
///     }
/// }
///
/// let options = LoaderOptions {
///     batch_size: 2,
///     augmentation: Augmentation::mmseg([16, 16]),
///     ..LoaderOptions::default()
/// };
/// let mut loader = Loader::new(Arc::new(Plain(vec!["road".into()])), options)?;
/// let batch = loader.next_batch()?;
/// assert_eq!((batch.shape, batch.labels.len()), ([2, 3, 16, 16], 2 * 16 * 16));
/// assert_eq!(loader.step(), 1);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Loader {
    batches: Prefetch<Batch>,
}

impl Loader {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if an option makes no sense, there is no sample, or the system starts no
    /// further thread.
    pub fn new(source: Arc<dyn SampleSource>, options: LoaderOptions) -> Result<Self, Error> {
        options.check()?;
        if source.is_empty() {
            return Err(Error::Setting {
                name: "data",
                problem: "the split has no samples; give one that has".into(),
            });
        }
        let ahead = Ahead {
            workers: options.workers,
            items: options.prefetch,
            range: options.start_step..u64::MAX,
        };
        let shared = Shared::new(source, options);
        Ok(Self {
            batches: Prefetch::new(ahead, move |step, cancelled| shared.batch(step, cancelled))?,
        })
    }

    /// The step that [`next_batch`](Self::next_batch) gives next.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.batches.position()
    }

    /// Waits for the batch of the next step.
    ///
    /// After an error the step after it is next.
    ///
    /// # Errors
    ///
    /// The error of the first sample of the batch that cannot be read or augmented, or an error if
    /// samples of the batch have different sizes.
    pub fn next_batch(&mut self) -> Result<Batch, Error> {
        self.batches.next().unwrap_or_else(|| {
            Err(Error::Setting {
                name: "start_step",
                problem: "is past the last step that can be counted".into(),
            })
        })
    }
}

#[cfg(test)]
mod tests;
