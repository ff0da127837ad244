//! Weights to start training from: a whole checkpoint with other classes, or a backbone alone.
//!
//! Both keep the rule of [`load`](crate::load) that every key is accounted for: it is taken, or left
//! out and listed, or the call fails. What the weights do not give is drawn anew as [`build`](crate::build)
//! draws it, from the device's generator and at once: [`Device::seed`](burn::tensor::Device::seed)
//! before the call decides the values. Weights of photos fit a network of other
//! bands: the stem's kernels are repeated, or summed for one band, as timm does. What was taken and what was not is said in the sentences of a
//! [`StartReport`], which whoever starts a training should show.

mod backbone;
mod bands;
mod checkpoint;
mod classes;
mod report;
mod take;

pub use backbone::from_backbone;
pub use checkpoint::from_checkpoint;
pub use report::StartReport;
