//! Weights laid out for inference, in the form that their device computes with.

use burn::tensor::Device;

use crate::{bytes::Bytes, flex};

/// The weights of a prepared operation.
#[derive(Debug)]
pub(crate) enum Form<Kernel, Plain> {
    /// As the kernel reads them, on burn's CPU backend.
    Kernel(Kernel),
    /// As they were given, elsewhere.
    Plain(Plain),
}

impl<Kernel: Bytes, Plain: Bytes> Form<Kernel, Plain> {
    /// Lays out `weights`, which are on `device`.
    pub(crate) fn new(weights: Plain, device: &Device, pack: impl FnOnce(Plain) -> Kernel) -> Self {
        if flex::has_kernels(device) {
            Self::Kernel(pack(weights))
        } else {
            Self::Plain(weights)
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Kernel(weights) => weights.bytes(),
            Self::Plain(weights) => weights.bytes(),
        }
    }
}
