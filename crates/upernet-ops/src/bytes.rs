//! How much memory weights take.

use burn::tensor::Tensor;

/// Weights, wherever they lie.
pub(crate) trait Bytes {
    /// Bytes of the weights as they are kept.
    fn bytes(&self) -> usize;
}

impl<const D: usize> Bytes for Tensor<D> {
    fn bytes(&self) -> usize {
        self.shape().num_elements() * self.dtype().size()
    }
}

impl Bytes for Vec<f32> {
    fn bytes(&self) -> usize {
        size_of_val(self.as_slice())
    }
}

impl<W: Bytes> Bytes for Option<W> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Bytes::bytes)
    }
}

impl<A: Bytes, B: Bytes> Bytes for (A, B) {
    fn bytes(&self) -> usize {
        self.0.bytes() + self.1.bytes()
    }
}
