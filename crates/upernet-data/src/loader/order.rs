//! Which sample comes when.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rand::RngExt;

use crate::random;

/// The draws that decide the order of an epoch.
const STREAM: u64 = u64::from_be_bytes(*b"ordering");

/// How many epochs are kept: a batch may begin in one and end in the next.
const KEPT: usize = 3;

/// The endless sequence of samples: a random order of all of them, then another one, and so on.
#[derive(Debug)]
pub(super) struct Order {
    seed: u64,
    len: usize,
    epochs: Mutex<VecDeque<(u64, Arc<[usize]>)>>,
}

impl Order {
    /// An order of `len` samples.
    ///
    /// # Panics
    ///
    /// Panics if there are none.
    pub(super) fn new(seed: u64, len: usize) -> Self {
        assert!(len > 0, "there is no order of no samples");
        Self {
            seed,
            len,
            epochs: Mutex::default(),
        }
    }

    /// The sample at a position of the sequence.
    pub(super) fn sample(&self, position: u64) -> usize {
        let len = self.len as u64;
        let place = usize::try_from(position % len).expect("less than the number of samples");
        self.epoch(position / len)[place]
    }

    fn epoch(&self, epoch: u64) -> Arc<[usize]> {
        // Nothing in here can panic halfway, so a poisoned lock holds whole orders.
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = epochs.iter().find(|(kept, _)| *kept == epoch) {
            return Arc::clone(order);
        }
        let order = permutation(self.seed, epoch, self.len);
        if epochs.len() == KEPT {
            epochs.pop_front();
        }
        epochs.push_back((epoch, Arc::clone(&order)));
        order
    }
}

/// Fisher and Yates' shuffle, as Durstenfeld wrote it (1964).
fn permutation(seed: u64, epoch: u64, len: usize) -> Arc<[usize]> {
    let mut random = random(seed, STREAM, epoch);
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last, random.random_range(0..=last));
    }
    order.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_every_sample_in_an_order_of_its_own() {
        let order = Order::new(3, 50);
        let epoch = |number: u64| -> Vec<usize> {
            (0..50).map(|at| order.sample(number * 50 + at)).collect()
        };
        let (first, second) = (epoch(0), epoch(1));
        assert_ne!(first, second);
        for mut samples in [first.clone(), second] {
            samples.sort_unstable();
            assert!(samples.into_iter().eq(0..50));
        }
        // Asked for again after others have come between.
        for number in [7, 8, 9, 10] {
            epoch(number);
        }
        assert_eq!(epoch(0), first);
        assert_ne!(
            first,
            (0..50)
                .map(|at| Order::new(4, 50).sample(at))
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn every_sample_may_come_first() {
        let mut counts = [0; 5];
        for seed in 0..500 {
            counts[Order::new(seed, 5).sample(0)] += 1;
        }
        // 100 expected; the standard deviation is 9.
        assert!(
            counts.iter().all(|count| (60..=140).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn one_sample_comes_always() {
        let order = Order::new(0, 1);
        assert_eq!([0, 1, u64::MAX].map(|at| order.sample(at)), [0; 3]);
    }
}
