//! Stands in for the module `flex` in builds without burn's CPU backend: no tensor takes a kernel.

use burn::tensor::{Device, Tensor};

use crate::kernels::{attention::Tokens, map::MapSize};

/// Why most of this is never called.
const NO_KERNELS: &str = "no tensor takes a kernel in a build without the feature `flex`";

pub(crate) fn has_kernels(_: &Device) -> bool {
    false
}

pub(crate) fn takes_kernel(_: &Tensor<4>) -> bool {
    false
}

pub(crate) fn values<const D: usize>(_: Tensor<D>) -> Vec<f32> {
    unreachable!("{NO_KERNELS}")
}

/// A feature map in `[N, H, W, C]` order.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    values: Vec<f32>,
    dims: [usize; 4],
}

impl Map {
    pub(crate) fn from_tensor(_: Tensor<4>) -> Self {
        unreachable!("{NO_KERNELS}")
    }

    pub(crate) fn new(values: Vec<f32>, dims: [usize; 4]) -> Self {
        Self { values, dims }
    }

    pub(crate) fn to_fill(dims: [usize; 4]) -> Self {
        Self::new(vec![0.0; dims.iter().product()], dims)
    }

    pub(crate) fn into_tensor(self) -> Tensor<4> {
        unreachable!("{NO_KERNELS}")
    }

    pub(crate) fn dims(&self) -> [usize; 4] {
        self.dims
    }

    pub(crate) fn size(&self) -> MapSize {
        let [batch, height, width, _] = self.dims;
        MapSize::new(batch, [height, width])
    }

    pub(crate) fn channels(&self) -> usize {
        self.dims[3]
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

/// A feature map, `[N, C, H, W]`, in whatever order it lies in memory.
#[derive(Clone, Debug)]
pub(crate) struct StridedMap;

impl StridedMap {
    pub(crate) fn from_tensor(_: Tensor<4>) -> Self {
        unreachable!("{NO_KERNELS}")
    }

    pub(crate) fn dims(&self) -> [usize; 4] {
        unreachable!("{NO_KERNELS}")
    }

    pub(crate) fn strides(&self) -> [usize; 4] {
        unreachable!("{NO_KERNELS}")
    }

    pub(crate) fn values(&self) -> &[f32] {
        unreachable!("{NO_KERNELS}")
    }
}

/// A feature map whose cells are rows at even distances.
#[derive(Clone, Debug)]
pub(crate) struct RowMap;

impl RowMap {
    pub(crate) fn holds(_: &Tensor<4>) -> bool {
        unreachable!("{NO_KERNELS}")
    }

    pub(crate) fn from_tensor(_: Tensor<4>) -> Self {
        unreachable!("{NO_KERNELS}")
    }

    pub(crate) fn dims(&self) -> [usize; 4] {
        unreachable!("{NO_KERNELS}")
    }

    pub(crate) fn tokens(&self) -> Tokens<'_> {
        unreachable!("{NO_KERNELS}")
    }
}
