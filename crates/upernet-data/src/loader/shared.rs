//! What all workers of a loader share, and how one of them makes a batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::batch::Normalization;
use super::cache::Cache;
use super::order::Order;
use super::prefetch::panic_message;
use super::{Batch, LoaderOptions};
use crate::{Error, Sample, SampleSource, random};

/// The draws that augment a sample.
const STREAM: u64 = u64::from_be_bytes(*b"augments");

/// What makes the batch of any step.
pub(super) struct Shared {
    source: Arc<dyn SampleSource>,
    options: LoaderOptions,
    normalization: Normalization,
    order: Order,
    cache: Cache,
}

impl Shared {
    /// # Panics
    ///
    /// Panics if the source has no samples.
    pub(super) fn new(source: Arc<dyn SampleSource>, options: LoaderOptions) -> Self {
        Self {
            normalization: Normalization::new(&options),
            order: Order::new(options.seed, source.len()),
            cache: Cache::new(options.cache_bytes),
            source,
            options,
        }
    }

    /// Makes the batch of a step, or an error as soon as `cancelled` is set.
    pub(super) fn batch(&self, step: u64, cancelled: &AtomicBool) -> Result<Batch, Error> {
        let count = self.options.batch_size;
        let shard = self.options.shard;
        let first = (step * shard.count as u64 + shard.index as u64) * count as u64;
        let mut batch: Option<Batch> = None;
        for position in first..first + count as u64 {
            if cancelled.load(Ordering::Relaxed) {
                return Err(stopped());
            }
            let index = self.order.sample(position);
            let name = self.source.name(index);
            let sample = guarded(&name, || self.augmented(index, position))?;
            let size = sample.labels.size();
            batch
                .get_or_insert_with(|| Batch::with_capacity(count, size))
                .push(name, &sample, &self.normalization)?;
        }
        batch.ok_or_else(stopped)
    }

    fn augmented(&self, index: usize, position: u64) -> Result<Sample, Error> {
        let mut random = random(self.options.seed, STREAM, position);
        let sample = self.decoded(index)?;
        self.options.augmentation.apply(&sample, &mut random)
    }

    fn decoded(&self, index: usize) -> Result<Arc<Sample>, Error> {
        if let Some(sample) = self.cache.get(index) {
            return Ok(sample);
        }
        let sample = Arc::new(self.source.read(index)?);
        self.cache.keep(index, &sample);
        Ok(sample)
    }
}

/// Makes an error of a panic, which names the sample.
pub(super) fn guarded<T>(name: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Whatever a panic leaves halfway belongs to the sample and is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Error::Invalid {
            path: PathBuf::from(name),
            problem: format!("its reader failed: {}", panic_message(&*panic)),
        })
    })
}

fn stopped() -> Error {
    Error::Setting {
        name: "workers",
        problem: "the loader was dropped".into(),
    }
}
