//! What a pixel of each class counts in the loss.
//!
//! [`ClassCounts`] are taken from a dataset by [`scan`](ClassCounts::scan), and [`ClassWeights`] makes
//! weights of them.
//!
//! ```
//! use upernet_data::{class_weights::{ClassCounts, ClassWeights}, pixels::LabelMap};
//!
//! let mut counts = ClassCounts::new(2);
//! counts.add(&LabelMap::new([1, 5], vec![0, 0, 0, 1, 255])?)?;
//! // 4 pixels / (2 classes * pixels of the class)
//! let weights = ClassWeights::InverseFrequency.weights(&counts)?;
//! assert_eq!(weights, [4.0 / 6.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod counts;
mod method;

pub use counts::ClassCounts;
pub use method::{ClassWeights, at_most, with_mean_one};
