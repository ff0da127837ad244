//! Decoded samples, kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Sample;

/// Decoded samples by index, up to a number of bytes.
///
/// The first that come stay: each epoch asks for every sample once, so that throwing out the oldest for
/// the newest would throw out what is needed soonest.
#[derive(Debug)]
pub(super) struct Cache {
    capacity: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    samples: HashMap<usize, Arc<Sample>>,
    bytes: u64,
}

impl Cache {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            kept: Mutex::default(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Arc<Sample>> {
        self.lock().samples.get(&index).map(Arc::clone)
    }

    /// Keeps a sample if there is room.
    pub(super) fn keep(&self, index: usize, sample: &Arc<Sample>) {
        let bytes = bytes_of(sample);
        let mut kept = self.lock();
        if kept.bytes.saturating_add(bytes) <= self.capacity && !kept.samples.contains_key(&index) {
            kept.samples.insert(index, Arc::clone(sample));
            kept.bytes += bytes;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes_of(sample: &Sample) -> u64 {
    let labels = size_of_val(sample.labels.labels());
    (size_of::<Sample>() + sample.image.len() + labels) as u64
}

#[cfg(test)]
mod tests {
    use upernet_image::{LabelMap, image::RgbImage};

    use super::*;

    #[test]
    fn samples_are_kept_up_to_the_bound() {
        let sample = Arc::new(Sample {
            image: RgbImage::new(10, 4),
            labels: LabelMap::new([4, 10], vec![0; 40]).unwrap(),
        });
        // 40 pixels of three bytes of colour and two of label, and what holds them.
        let bytes = 40 * 5 + size_of::<Sample>() as u64;
        assert_eq!(bytes_of(&sample), bytes);
        let cache = Cache::new(2 * bytes);
        for index in [5, 5, 1, 2, 3] {
            cache.keep(index, &sample);
        }
        let kept: Vec<usize> = (0..6).filter(|&index| cache.get(index).is_some()).collect();
        assert_eq!(kept, [1, 5]);
        let none = Cache::new(0);
        none.keep(0, &sample);
        assert!(none.get(0).is_none());
    }
}
