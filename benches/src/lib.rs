//! What the benchmarks share: a device by name, seeded inputs, and finished work.
//!
//! Each benchmark's name holds device and shape. Run all with `cargo bench -p upernet-benches`, one
//! with `cargo bench -p upernet-benches --bench head`; `UPERNET_DEVICE` chooses the device.

use std::env;

use burn::tensor::{Device, Distribution, Tensor};
use upernet::device;

/// Seed of weights and inputs, so that two runs time the same numbers.
const SEED: u64 = 7;

/// A device and its name.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The name, as `--device` takes it.
    pub name: String,
    /// The device, seeded.
    pub device: Device,
}

impl Bench {
    /// Opens the device that `UPERNET_DEVICE` names, or flex, and seeds it.
    ///
    /// # Panics
    ///
    /// Panics if there is no such device.
    #[must_use]
    pub fn open() -> Self {
        let name = env::var("UPERNET_DEVICE").unwrap_or_else(|_| "flex".to_owned());
        let found = device::find(&name).unwrap_or_else(|error| panic!("{error}"));
        found.device.seed(SEED);
        Self {
            name: found.name,
            device: found.device,
        }
    }

    /// A batch of one with normally distributed values, `[1, channels, height, width]`.
    #[must_use]
    pub fn map(&self, channels: usize, [height, width]: [usize; 2]) -> Tensor<4> {
        let shape = [1, channels, height, width];
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &self.device)
    }

    /// `flex/1x3x512x512`: the label of a measurement on a batch of one.
    #[must_use]
    pub fn label(&self, channels: usize, [height, width]: [usize; 2]) -> String {
        format!("{}/1x{channels}x{height}x{width}", self.name)
    }

    /// Waits until the device has done all that it was given; call it inside the timed closure.
    ///
    /// # Panics
    ///
    /// Panics if the device failed, since a time of a failed run means nothing.
    pub fn finish(&self) {
        if let Err(error) = self.device.sync() {
            panic!("{}: {error}", self.name);
        }
    }
}
