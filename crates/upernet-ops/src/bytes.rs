//! How much memory weights take.

use burn::tensor::Tensor;

/// Of a tensor.
pub(crate) fn plain_bytes<const D: usize>(x: &Tensor<D>) -> usize {
    x.shape().num_elements() * x.dtype().size()
}

/// Of a vector, if there is one.
pub(crate) fn bytes_of(values: Option<&[f32]>) -> usize {
    values.map_or(0, size_of_val)
}
