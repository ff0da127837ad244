//! What a loader is asked for.

use crate::Error;
use crate::augment::Augmentation;

/// Most samples of a batch, over all devices.
const MOST_SAMPLES: usize = 1 << 16;
/// Most threads, and most batches ahead.
const MOST_WORKERS: usize = 1 << 10;
/// Steps are counted up to here: times the samples of a batch, they still fit 64 bits.
const LAST_STEP: u64 = 1 << 47;

/// What a [`Loader`](super::Loader) gives, and how it works.
///
/// The first part decides what batches hold; `workers`, `prefetch` and `cache_bytes` only how soon
/// they come.
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderOptions {
    /// Samples of each batch, of one device.
    pub batch_size: usize,
    /// Decides the order of samples and every draw of the augmentation.
    pub seed: u64,
    /// What happens to each sample.
    pub augmentation: Augmentation,
    /// Multiplies samples of 0 to 255; usually 1/255.
    pub rescale_factor: f64,
    /// Mean of each channel, red first, in the rescaled range.
    pub mean: [f64; 3],
    /// Standard deviation of each channel, red first, in the rescaled range.
    pub std: [f64; 3],
    /// The first step.
    pub start_step: u64,
    /// Which part of each step's samples this loader gives.
    pub shard: Shard,
    /// Threads that decode and augment; 0 does it in the caller's.
    pub workers: usize,
    /// Most batches in work or ready, which bounds the memory.
    pub prefetch: usize,
    /// Most bytes of decoded samples that are kept, so that later epochs need not decode them; 0 keeps
    /// none.
    pub cache_bytes: u64,
}

/// One of several loaders that share each step's samples, as devices that train together do.
///
/// `count` loaders of `batch_size` give what a single one of `count * batch_size` gives, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            batch_size: 1,
            seed: 0,
            augmentation: Augmentation::default(),
            rescale_factor: 1.0 / 255.0,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            start_step: 0,
            shard: Shard::default(),
            workers: 1,
            prefetch: 2,
            cache_bytes: 512 << 20,
        }
    }
}

impl LoaderOptions {
    /// Checks every number.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] that names the field.
    pub fn check(&self) -> Result<(), Error> {
        self.augmentation.check()?;
        let Shard { index, count } = self.shard;
        let is_scale = |number: f64| number.is_finite() && number != 0.0;
        let wrong = if !(1..=MOST_SAMPLES).contains(&self.batch_size.saturating_mul(count.max(1))) {
            Some((
                "batch_size",
                format!("use 1 to {MOST_SAMPLES} samples over all devices"),
            ))
        } else if index >= count {
            Some((
                "shard",
                format!("there is no shard {index} of {count}; count from 0"),
            ))
        } else if self.start_step > LAST_STEP {
            Some(("start_step", format!("use at most {LAST_STEP}")))
        } else if self.workers > MOST_WORKERS {
            Some(("workers", format!("use at most {MOST_WORKERS} threads")))
        } else if !(1..=MOST_WORKERS).contains(&self.prefetch) {
            Some(("prefetch", format!("use 1 to {MOST_WORKERS} batches")))
        } else if !is_scale(self.rescale_factor) {
            Some((
                "rescale_factor",
                "use a finite number that is not zero".into(),
            ))
        } else if !self.mean.iter().all(|mean| mean.is_finite()) {
            Some(("mean", "use three finite numbers".into()))
        } else if !self.std.iter().all(|&std| is_scale(std)) {
            Some(("std", "use three finite numbers that are not zero".into()))
        } else {
            None
        };
        wrong.map_or(Ok(()), |(name, problem)| {
            Err(Error::Setting { name, problem })
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::batch(LoaderOptions { batch_size: 0, ..LoaderOptions::default() }, "batch_size: use 1 to")]
    #[case::prefetch(LoaderOptions { prefetch: 0, ..LoaderOptions::default() }, "prefetch: use 1 to")]
    #[case::workers(LoaderOptions { workers: 5000, ..LoaderOptions::default() }, "workers: use at most")]
    #[case::std(LoaderOptions { std: [1.0, 0.0, 1.0], ..LoaderOptions::default() }, "std: use three")]
    #[case::mean(LoaderOptions { mean: [f64::NAN; 3], ..LoaderOptions::default() }, "mean: use three")]
    #[case::step(LoaderOptions { start_step: u64::MAX, ..LoaderOptions::default() }, "start_step: use")]
    #[case::shard(
        LoaderOptions { shard: Shard { index: 2, count: 2 }, ..LoaderOptions::default() },
        "shard: there is no shard 2 of 2"
    )]
    #[case::no_shards(
        LoaderOptions { shard: Shard { index: 0, count: 0 }, ..LoaderOptions::default() },
        "shard: there is no shard 0 of 0"
    )]
    #[case::scale(
        LoaderOptions { rescale_factor: 0.0, ..LoaderOptions::default() },
        "rescale_factor: use a finite"
    )]
    fn options_without_meaning_are_refused(#[case] options: LoaderOptions, #[case] message: &str) {
        let error = options.check().unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
