use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use rstest::rstest;
use upernet_image::{LabelMap, image::RgbImage};

use super::*;
use crate::augment::Augmentation;
use crate::{Sample, random};

/// Noise of odd sizes, no two samples alike, that may misbehave at one index.
#[derive(Default)]
struct Noise {
    len: usize,
    classes: Vec<String>,
    reads: AtomicUsize,
    pause: Duration,
    missing: Option<usize>,
    panicking: Option<usize>,
}

impl SampleSource for Noise {
    fn len(&self) -> usize {
        self.len
    }

    fn class_names(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        format!("noise_{index}.png")
    }

    fn read(&self, index: usize) -> Result<Sample, Error> {
        thread::sleep(self.pause);
        self.reads.fetch_add(1, Ordering::Relaxed);
        assert!(self.panicking != Some(index), "cannot decode {index}");
        if self.missing == Some(index) {
            return Err(Error::NotFound {
                path: self.name(index).into(),
                problem: "is gone".into(),
            });
        }
        let mut random = random(99, 0, index as u64);
        let [height, width] = [17 + index % 5, 23 + index % 3];
        let samples = (0..3 * height * width).map(|_| random.random()).collect();
        let labels = (0..height * width).map(|_| random.random_range(0..4));
        Ok(Sample {
            image: RgbImage::from_raw(
                u32::try_from(width).unwrap(),
                u32::try_from(height).unwrap(),
                samples,
            )
            .unwrap(),
            labels: LabelMap::new([height, width], labels.collect())?,
        })
    }
}

fn noise(len: usize) -> Arc<Noise> {
    Arc::new(Noise {
        len,
        ..Noise::default()
    })
}

fn options() -> LoaderOptions {
    LoaderOptions {
        batch_size: 3,
        seed: 21,
        augmentation: Augmentation {
            rotate: Some(crate::augment::Rotate::default()),
            ..Augmentation::mmseg([12, 14])
        },
        workers: 0,
        ..LoaderOptions::default()
    }
}

fn batches(source: &Arc<Noise>, options: LoaderOptions, count: usize) -> Vec<Batch> {
    let source: Arc<dyn SampleSource> = source.clone();
    let mut loader = Loader::new(source, options).unwrap();
    (0..count).map(|_| loader.next_batch().unwrap()).collect()
}

/// Seven samples and batches of three: epochs end within batches.
#[rstest]
#[case::one_worker(1, 1, 0)]
#[case::more_workers_than_room(4, 2, 1 << 20)]
#[case::two_workers(2, 5, 2000)]
#[case::three_workers(3, 3, 1 << 20)]
#[case::caller(0, 4, 1 << 20)]
fn any_start_and_any_workers_give_the_same_bytes(
    #[case] workers: usize,
    #[case] prefetch: usize,
    #[case] cache_bytes: u64,
) {
    let source = noise(7);
    let expected = batches(&source, options(), 20);
    for start_step in [0, 1, 2, 7, 19] {
        let resumed = LoaderOptions {
            start_step,
            workers,
            prefetch,
            cache_bytes,
            ..options()
        };
        let skipped = usize::try_from(start_step).unwrap();
        let found = batches(&source, resumed, 20 - skipped);
        assert!(found == expected[skipped..], "from step {start_step}");
    }
}

#[test]
fn batches_hold_what_each_position_asks_for() {
    let source = noise(7);
    let batches = batches(&source, options(), 7);
    let mut names: Vec<&str> = Vec::new();
    for batch in &batches {
        assert_eq!(batch.shape, [3, 3, 12, 14]);
        assert_eq!(batch.pixel_values.len(), 3 * 3 * 12 * 14);
        assert_eq!(batch.labels.len(), 3 * 12 * 14);
        names.extend(batch.names.iter().map(String::as_str));
    }
    for epoch in names.chunks(7) {
        let mut epoch = epoch.to_vec();
        epoch.sort_unstable();
        let all: Vec<String> = (0..7).map(|index| source.name(index)).collect();
        assert_eq!(epoch, all);
    }
    // The same sample is augmented anew in each epoch.
    let first = |epoch: usize| {
        let at = epoch * 7
            + names[epoch * 7..]
                .iter()
                .position(|name| *name == "noise_0.png")
                .unwrap();
        &batches[at / 3].pixel_values[at % 3 * 3 * 12 * 14..][..3 * 12 * 14]
    };
    assert_ne!(first(0), first(1));
}

#[test]
fn other_seeds_give_other_batches() {
    let source = noise(7);
    let other = LoaderOptions {
        seed: 22,
        ..options()
    };
    assert_ne!(batches(&source, options(), 1), batches(&source, other, 1));
}

#[test]
fn shards_together_are_one_larger_loader() {
    let source = noise(7);
    let whole = LoaderOptions {
        batch_size: 6,
        ..options()
    };
    let [first, second] = [0, 1].map(|index| {
        let shard = Shard { index, count: 2 };
        batches(
            &source,
            LoaderOptions {
                shard,
                workers: 2,
                ..options()
            },
            5,
        )
    });
    for (step, whole) in batches(&source, whole, 5).into_iter().enumerate() {
        let [first, second] = [&first[step], &second[step]];
        assert_eq!(whole.names, [&first.names[..], &second.names].concat());
        assert_eq!(whole.labels, [&first.labels[..], &second.labels].concat());
        let values = [&first.pixel_values[..], &second.pixel_values].concat();
        assert!(whole.pixel_values == values, "step {step}");
    }
}

#[rstest]
#[case::caller(0)]
#[case::workers(3)]
fn an_error_comes_at_its_step_and_the_next_step_goes_on(#[case] workers: usize) {
    let source = Arc::new(Noise {
        len: 7,
        missing: Some(4),
        ..Noise::default()
    });
    let mut loader = Loader::new(
        source.clone(),
        LoaderOptions {
            workers,
            prefetch: 4,
            ..options()
        },
    )
    .unwrap();
    let expected = batches(&noise(7), options(), 9);
    let mut errors = 0;
    for (step, expected) in expected.iter().enumerate() {
        assert_eq!(loader.step(), step as u64);
        let found = loader.next_batch();
        if expected.names.contains(&"noise_4.png".to_owned()) {
            assert_eq!(found.unwrap_err().to_string(), "noise_4.png: is gone");
            errors += 1;
        } else {
            assert!(found.unwrap() == *expected, "step {step}");
        }
    }
    assert!(
        errors >= 3,
        "27 samples have the missing one at least three times: {errors}"
    );
}

#[rstest]
#[case::caller(0)]
#[case::worker(1)]
fn a_panic_of_a_reader_is_an_error_that_names_the_sample(#[case] workers: usize) {
    let source = Arc::new(Noise {
        len: 1,
        panicking: Some(0),
        ..Noise::default()
    });
    let mut loader = Loader::new(
        source.clone(),
        LoaderOptions {
            workers,
            ..options()
        },
    )
    .unwrap();
    for _ in 0..3 {
        let error = loader.next_batch().unwrap_err().to_string();
        assert_eq!(error, "noise_0.png: its reader failed: cannot decode 0");
    }
    let mut samples = EvaluationSamples::new(source, workers, 1).unwrap();
    let error = samples.next().unwrap().unwrap_err().to_string();
    assert_eq!(error, "noise_0.png: its reader failed: cannot decode 0");
    assert!(samples.next().is_none());
}

#[test]
fn sizes_that_differ_in_a_batch_are_an_error() {
    let unsized_options = LoaderOptions {
        augmentation: Augmentation::none(),
        ..options()
    };
    let mut loader = Loader::new(noise(7), unsized_options).unwrap();
    let errors = (0..7).filter_map(|_| loader.next_batch().err()).count();
    assert!(errors > 0);
}

#[test]
fn dropping_ends_the_workers_within_a_sample() {
    let source = Arc::new(Noise {
        len: 50,
        pause: Duration::from_millis(20),
        ..Noise::default()
    });
    let started = Instant::now();
    let slow = LoaderOptions {
        batch_size: 1000,
        workers: 2,
        prefetch: 8,
        ..options()
    };
    drop(Loader::new(source.clone(), slow).unwrap());
    let reads = source.reads.load(Ordering::Relaxed);
    // A batch takes 20 seconds.
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(reads < 1000, "a batch was finished for nobody");
    thread::sleep(Duration::from_millis(60));
    assert_eq!(source.reads.load(Ordering::Relaxed), reads);
}

#[test]
fn no_more_than_prefetch_is_made_ahead() {
    let source = noise(7);
    let ahead = LoaderOptions {
        batch_size: 1,
        workers: 3,
        prefetch: 4,
        cache_bytes: 0,
        ..options()
    };
    let mut loader = Loader::new(source.clone(), ahead).unwrap();
    for step in 1..=3 {
        loader.next_batch().unwrap();
        let waited = Instant::now();
        while source.reads.load(Ordering::Relaxed) < step + 4
            && waited.elapsed() < Duration::from_secs(5)
        {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(20));
        assert_eq!(source.reads.load(Ordering::Relaxed), step + 4);
    }
}

#[test]
fn cached_samples_are_read_once() {
    let source = noise(7);
    let cached = LoaderOptions {
        workers: 1,
        ..options()
    };
    batches(&source, cached, 21);
    assert_eq!(source.reads.load(Ordering::Relaxed), 7);
}

#[test]
fn a_source_without_samples_is_refused() {
    let error = Loader::new(noise(0), options()).unwrap_err().to_string();
    assert_eq!(error, "data: the split has no samples; give one that has");
}

#[rstest]
#[case::caller(0, 1)]
#[case::one(1, 1)]
#[case::three(3, 2)]
fn evaluation_gives_every_sample_once_in_order(#[case] workers: usize, #[case] prefetch: usize) {
    let source = noise(9);
    let samples = EvaluationSamples::new(source.clone(), workers, prefetch).unwrap();
    assert_eq!(samples.size_hint(), (9, Some(9)));
    let mut count = 0;
    for (expected, item) in samples.enumerate() {
        let (index, sample) = item.unwrap();
        assert_eq!(index, expected);
        assert_eq!(sample, source.read(index).unwrap());
        count += 1;
    }
    assert_eq!(count, 9);
    assert!(EvaluationSamples::new(source, workers, 0).is_err());
}
