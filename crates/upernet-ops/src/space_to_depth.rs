//! Patches of a map as channels, so that a convolution whose stride is its kernel's size becomes a
//! linear layer.

use burn::tensor::{Tensor, s};

use crate::{
    flex::{self, Map, StridedMap},
    kernels::space_to_depth::{self as kernel, Edge, Image},
};

/// How a map is cut into patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Patches {
    /// Side of a patch in cells.
    pub size: usize,
    /// In what order the cells of a patch stand.
    pub order: CellOrder,
    /// What becomes of a border that no whole patch covers.
    pub border: Border,
}

/// In what order the cells of a patch stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CellOrder {
    /// Row by row: (0,0), (0,1), (1,0), (1,1) as (row, column).
    RowMajor,
    /// Column by column: (0,0), (1,0), (0,1), (1,1).
    ColumnMajor,
}

/// What becomes of a border that no whole patch covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Border {
    /// It is filled up with zeros, at the bottom and on the right.
    Padded,
    /// It is left out, as by a convolution without padding.
    Dropped,
}

/// Makes every patch of a map one cell whose channels are the patch's cells, one after another, each
/// with all its channels.
///
/// # Shapes
///
/// - `x`: `[N, C, H, W]`
/// - output: `[N, size * size * C, H / size, W / size]`, rounded up or down as the border says
///
/// # Panics
///
/// Panics if the patches have no size.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{Border, CellOrder, Patches, space_to_depth};
///
/// let x = Tensor::ones([1, 3, 8, 6], &Device::flex());
/// let patches = Patches { size: 4, order: CellOrder::RowMajor, border: Border::Padded };
/// assert_eq!(space_to_depth(x, patches).dims(), [1, 48, 2, 2]);
/// ```
#[must_use]
pub fn space_to_depth(x: Tensor<4>, patches: Patches) -> Tensor<4> {
    assert!(patches.size > 0, "patches need a size");
    if flex::has_kernels(&x.device()) {
        return gather(x, patches);
    }
    let size = patches.size;
    let x = x.permute([0, 2, 3, 1]); // [N, H, W, C]
    let x = fit(fit(x, 1, patches), 2, patches);
    let cells = (0..size * size).map(|index| {
        let (outer, inner) = (index / size, index % size);
        let [row, column] = match patches.order {
            CellOrder::RowMajor => [outer, inner],
            CellOrder::ColumnMajor => [inner, outer],
        };
        x.clone().slice(s![.., row..;size, column..;size, ..])
    });
    Tensor::cat(cells.collect(), 3).permute([0, 3, 1, 2]) // [N, size * size * C, H', W']
}

/// With kernels: an image is read in the order it lies in, without a copy.
fn gather(x: Tensor<4>, patches: Patches) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let Patches { size, order, .. } = patches;
    let edge = Edge::from(patches.border);
    let dims = [
        batch,
        edge.patches(height, size),
        edge.patches(width, size),
        size * size * channels,
    ];
    let mut y = Map::to_fill(dims);
    if order == CellOrder::ColumnMajor || flex::takes_kernel(&x) {
        let x = Map::from_tensor(x);
        let order = order.into();
        let patches = kernel::Patches { size, order, edge };
        kernel::gather_patches(x.values(), x.dims(), patches, y.values_mut());
    } else {
        let x = StridedMap::from_tensor(x);
        let image = Image {
            values: x.values(),
            shape: x.dims(),
            strides: x.strides(),
        };
        kernel::patchify(image, size, edge, y.values_mut());
    }
    y.into_tensor()
}

impl From<CellOrder> for kernel::CellOrder {
    fn from(order: CellOrder) -> Self {
        match order {
            CellOrder::RowMajor => Self::RowMajor,
            CellOrder::ColumnMajor => Self::ColumnMajor,
        }
    }
}

impl From<Border> for Edge {
    fn from(border: Border) -> Self {
        match border {
            Border::Padded => Self::Pad,
            Border::Dropped => Self::Truncate,
        }
    }
}

/// Brings an axis to a multiple of the patch's side.
fn fit(x: Tensor<4>, axis: usize, patches: Patches) -> Tensor<4> {
    let mut dims = x.dims();
    let length = dims[axis];
    let whole = length / patches.size * patches.size;
    if whole == length {
        return x;
    }
    match patches.border {
        Border::Dropped => x.narrow(axis, 0, whole),
        Border::Padded => {
            dims[axis] = whole + patches.size - length;
            let zeros = Tensor::zeros(dims, (&x.device(), x.dtype()));
            Tensor::cat(vec![x, zeros], axis)
        }
    }
}
