//! Where kernels meet burn: the memory of burn's CPU backend as channels-last maps.
//!
//! A kernel reads and writes slices in `[N, H, W, C]` order. What it returns is a tensor with the
//! logical axes `[N, C, H, W]` over that memory, so a row of kernels copies nothing in between, and
//! plain tensor operations may come before and after. A map in another order is brought into this
//! one first, which costs a copy.

use std::{env, sync::OnceLock};

use burn::{
    backend::Flex,
    tensor::{Bytes, DType, Device, Shape, Tensor},
};
use burn_flex::{FlexTensor, Layout};

use crate::{
    kernels::{attention::Tokens, map::MapSize},
    memory::MapMemory,
};

/// The environment variable that turns kernels off with the value `off`.
const SWITCH: &str = "UPERNET_KERNELS";

/// From `[N, C, H, W]` to `[N, H, W, C]`.
pub(crate) const TO_CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];
/// From `[N, H, W, C]` to `[N, C, H, W]`.
pub(crate) const TO_CHANNELS_FIRST: [usize; 4] = [0, 3, 1, 2];

/// Whether kernels run on a device: burn's CPU backend, no gradients wanted, not switched off.
pub(crate) fn has_kernels(device: &Device) -> bool {
    is_switched_on() && !device.is_autodiff() && *device == Device::flex()
}

/// Whether kernels that have gradients can run on a tensor, wanted or not.
pub(crate) fn has_gradient_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && is_switched_on() && x.device() == Device::flex()
}

/// Whether an operation without weights takes its kernel for a tensor.
///
/// A map whose channels do not come last stays with burn's operations: two copies would cost more
/// than the kernel saves.
pub(crate) fn takes_kernel(x: &Tensor<4>) -> bool {
    x.dtype() == DType::F32
        && has_kernels(&x.device())
        && primitive(x.clone())
            .layout()
            .permute(&TO_CHANNELS_LAST)
            .is_contiguous()
}

/// The tensor with its values in row-major order, copied if they are not.
pub(crate) fn contiguous(tensor: &FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() {
        tensor.clone()
    } else {
        tensor.to_contiguous()
    }
}

/// The lengths of a tensor's axes.
pub(crate) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}

/// The values of a [`contiguous`] tensor.
pub(crate) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("the tensor is contiguous f32")
}

/// A new tensor whose values are written by `fill`; what they are before is left open.
pub(crate) fn filled(dims: &[usize], fill: impl FnOnce(&mut [f32])) -> FlexTensor {
    let memory = MapMemory::take(dims.iter().product());
    let layout = Layout::contiguous(Shape::from(dims.to_vec()));
    let mut tensor = FlexTensor::new(memory.into_bytes(), layout, DType::F32);
    fill(tensor.storage_mut());
    tensor
}

/// Values as a tensor of one axis.
pub(crate) fn vector(values: &[f32]) -> FlexTensor {
    filled(&[values.len()], |own| own.copy_from_slice(values))
}

/// The values of a tensor in row-major order.
pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    plain(x)
        .into_data()
        .try_into_vec()
        .expect("the tensor was cast to f32")
}

/// A feature map of `f32`, contiguous in `[N, H, W, C]` order.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    /// `[N, H, W, C]`, contiguous.
    tensor: FlexTensor,
}

impl Map {
    /// Takes the memory of a tensor, `[N, C, H, W]`, copying it if it is in another order.
    ///
    /// Gradients end here, and other floats become `f32`.
    pub(crate) fn from_tensor(x: Tensor<4>) -> Self {
        Self::from_primitive(primitive(x))
    }

    /// The same of burn's inner tensor of `f32`.
    pub(crate) fn from_primitive(tensor: FlexTensor) -> Self {
        let layout = tensor.layout().permute(&TO_CHANNELS_LAST);
        let tensor = tensor.with_layout(layout);
        if tensor.is_contiguous() {
            Self { tensor }
        } else {
            Self {
                tensor: tensor.to_contiguous(),
            }
        }
    }

    /// Wraps values in `[N, H, W, C]` order.
    ///
    /// # Panics
    ///
    /// Panics if there are more or fewer values than `dims` says.
    pub(crate) fn new(values: Vec<f32>, dims: [usize; 4]) -> Self {
        assert_eq!(
            values.len(),
            dims.iter().product::<usize>(),
            "the values do not fill a map of {dims:?}"
        );
        Self::from_bytes(Bytes::from_elems(values), dims)
    }

    fn from_bytes(values: Bytes, dims: [usize; 4]) -> Self {
        let layout = Layout::contiguous(Shape::from(dims));
        Self {
            tensor: FlexTensor::new(values, layout, DType::F32),
        }
    }

    /// A map to write to, `[N, H, W, C]`; what it holds at first is left open.
    pub(crate) fn to_fill(dims: [usize; 4]) -> Self {
        let memory = MapMemory::take(dims.iter().product());
        Self::from_bytes(memory.into_bytes(), dims)
    }

    /// Its memory as a tensor, `[N, C, H, W]`.
    pub(crate) fn into_tensor(self) -> Tensor<4> {
        Tensor::from_primitive::<Flex>(self.into_primitive())
    }

    /// The same as burn's inner tensor.
    pub(crate) fn into_primitive(self) -> FlexTensor {
        let layout = self.tensor.layout().permute(&TO_CHANNELS_FIRST);
        self.tensor.with_layout(layout)
    }

    /// `[N, H, W, C]`.
    pub(crate) fn dims(&self) -> [usize; 4] {
        self.tensor.layout().shape().dims()
    }

    /// Batch, height and width.
    pub(crate) fn size(&self) -> MapSize {
        let [batch, height, width, _] = self.dims();
        MapSize::new(batch, [height, width])
    }

    /// Channels.
    pub(crate) fn channels(&self) -> usize {
        self.dims()[3]
    }

    /// Its values in `[N, H, W, C]` order.
    pub(crate) fn values(&self) -> &[f32] {
        self.tensor.as_slice().expect("a map is contiguous f32")
    }

    /// Its values to write to; they are copied first if another tensor shares them.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        let range = self.tensor.layout().contiguous_offsets();
        let (start, end) = range.expect("a map is contiguous");
        &mut self.tensor.storage_mut()[start..end]
    }
}

/// A feature map of `f32`, `[N, C, H, W]`, in whatever order it lies in memory.
#[derive(Clone, Debug)]
pub(crate) struct StridedMap {
    tensor: FlexTensor,
}

impl StridedMap {
    /// Takes the memory of a tensor, copying it only if an axis runs backwards.
    ///
    /// Gradients end here, and other floats become `f32`.
    pub(crate) fn from_tensor(x: Tensor<4>) -> Self {
        let tensor = primitive(x);
        if tensor.layout().strides().iter().all(|&stride| stride >= 0) {
            Self { tensor }
        } else {
            Self {
                tensor: tensor.to_contiguous(),
            }
        }
    }

    /// `[N, C, H, W]`.
    pub(crate) fn dims(&self) -> [usize; 4] {
        self.tensor.layout().shape().dims()
    }

    /// Distance of neighbours along each axis, in values.
    pub(crate) fn strides(&self) -> [usize; 4] {
        let strides = self.tensor.layout().strides();
        std::array::from_fn(|axis| strides[axis].unsigned_abs())
    }

    /// Its values, from the first one on.
    pub(crate) fn values(&self) -> &[f32] {
        &self.tensor.storage()[self.tensor.layout().start_offset()..]
    }
}

/// A feature map of `f32` whose cells are rows at even distances, `[N, H, W]` of them: a [`Map`], or some
/// of its channels.
#[derive(Clone, Debug)]
pub(crate) struct RowMap {
    /// `[N, C, H, W]`.
    tensor: FlexTensor,
    /// Distance of neighbouring rows, in values.
    stride: usize,
}

impl RowMap {
    /// Whether a tensor, `[N, C, H, W]`, lies so already.
    pub(crate) fn holds(x: &Tensor<4>) -> bool {
        x.dtype() == DType::F32 && Self::stride(&primitive(x.clone())).is_some()
    }

    /// Takes the memory of a tensor, `[N, C, H, W]`, copying it if it lies otherwise.
    ///
    /// Gradients end here, and other floats become `f32`.
    pub(crate) fn from_tensor(x: Tensor<4>) -> Self {
        Self::from_primitive(primitive(x))
    }

    /// The same of burn's inner tensor of `f32`.
    pub(crate) fn from_primitive(tensor: FlexTensor) -> Self {
        if let Some(stride) = Self::stride(&tensor) {
            return Self { tensor, stride };
        }
        let map = Map::from_primitive(tensor);
        let stride = map.channels();
        let tensor = map.into_primitive();
        Self { tensor, stride }
    }

    fn stride(tensor: &FlexTensor) -> Option<usize> {
        let [batch, channels, height, width] = dims(tensor);
        let strides: Vec<usize> = tensor
            .layout()
            .strides()
            .iter()
            .map(|&stride| usize::try_from(stride).ok())
            .collect::<Option<_>>()?;
        // Of an axis of length 1 the stride says nothing.
        let axes = [
            (width, strides[3], 1),
            (height, strides[2], width),
            (batch, strides[0], height * width),
        ];
        let mut long = axes.into_iter().filter(|&(length, ..)| length > 1);
        let stride = match long.clone().next() {
            Some((_, stride, cells)) => stride / cells,
            None => channels,
        };
        let is_even = long.all(|(_, axis, cells)| axis == cells * stride);
        let is_row = channels == 1 || strides[1] == 1;
        (is_even && is_row && stride >= channels && channels > 0).then_some(stride)
    }

    /// `[N, C, H, W]`.
    pub(crate) fn dims(&self) -> [usize; 4] {
        dims(&self.tensor)
    }

    /// Its cells as the kernels of attention see them.
    pub(crate) fn tokens(&self) -> Tokens<'_> {
        let [batch, _, height, width] = self.dims();
        Tokens {
            values: &self.tensor.storage()[self.tensor.layout().start_offset()..],
            stride: self.stride,
            batch,
            count: height * width,
        }
    }
}

fn primitive(x: Tensor<4>) -> FlexTensor {
    plain(x)
        .try_into_primitive::<Flex>()
        .expect("kernels are chosen for tensors of the flex backend alone")
}

fn plain<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let x = x.without_autodiff();
    if x.dtype() == DType::F32 {
        x
    } else {
        x.cast(DType::F32)
    }
}

fn is_switched_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| env::var(SWITCH).as_deref() != Ok("off"))
}
