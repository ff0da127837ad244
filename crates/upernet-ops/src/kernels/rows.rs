//! Matrices as rows of a slice, with a stride.
#![expect(
    unsafe_code,
    reason = "columns of one buffer are written by several threads"
)]

use std::marker::PhantomData;

/// A matrix to read: `count` rows that begin `stride` values apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

impl<'a> Rows<'a> {
    /// Rows without gaps.
    pub(crate) fn dense(values: &'a [f32], width: usize) -> Self {
        debug_assert_eq!(values.len() % width, 0);
        Self {
            values,
            stride: width,
            count: values.len() / width,
        }
    }

    /// `count` rows from `start` on.
    pub(crate) fn skip(&self, start: usize, count: usize) -> Self {
        debug_assert!(start + count <= self.count);
        let values = &self.values[(start * self.stride).min(self.values.len())..];
        Self {
            values,
            stride: self.stride,
            count,
        }
    }

    /// Whether `width` values may be read in every row.
    pub(crate) fn holds(&self, width: usize) -> bool {
        self.count == 0 || (self.count - 1) * self.stride + width <= self.values.len()
    }
}

/// A matrix to write: `count` rows of `width` values that begin `stride` values apart.
///
/// Several of these may share a buffer, each with columns of its own.
#[derive(Debug)]
pub(crate) struct RowsMut<'a> {
    first: *mut f32,
    stride: usize,
    count: usize,
    width: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is an exclusive borrow of its cells, and `f32` may move between threads.
unsafe impl Send for RowsMut<'_> {}

impl<'a> RowsMut<'a> {
    /// The first `width` columns of rows that begin `stride` values apart.
    pub(crate) fn new(values: &'a mut [f32], stride: usize, count: usize, width: usize) -> Self {
        assert!(width <= stride || count <= 1, "rows overlap");
        assert!(
            count == 0 || (count - 1) * stride + width <= values.len(),
            "{count} rows of {width} values, {stride} apart, do not fit {} values",
            values.len()
        );
        Self {
            first: values.as_mut_ptr(),
            stride,
            count,
            width,
            lifetime: PhantomData,
        }
    }

    /// Rows without gaps.
    pub(crate) fn dense(values: &'a mut [f32], width: usize) -> Self {
        let count = values.len() / width;
        Self::new(values, width, count, width)
    }

    /// The same cells, for as long as this matrix is not used.
    pub(crate) fn reborrow(&mut self) -> RowsMut<'_> {
        RowsMut { ..*self }
    }

    /// Number of rows.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Values in a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Columns `start .. start + length` of row `row`.
    #[inline(always)]
    pub(crate) fn row(&mut self, row: usize, start: usize, length: usize) -> &mut [f32] {
        assert!(row < self.count && start + length <= self.width);
        // SAFETY: the cells lie in the borrowed buffer (checked here and in `new`), and this
        // borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(row * self.stride + start), length) }
    }

    /// Parts of up to `columns` columns each.
    pub(crate) fn split_columns(self, columns: usize) -> Vec<Self> {
        let Self {
            first,
            stride,
            count,
            width,
            lifetime,
        } = self;
        let part = |start| Self {
            // SAFETY: `start < width`, so the cell is in the buffer; parts share no column.
            first: unsafe { first.add(start) },
            stride,
            count,
            width: columns.min(width - start),
            lifetime,
        };
        (0..width).step_by(columns).map(part).collect()
    }

    /// Parts of up to `rows` rows each.
    pub(crate) fn split_rows(self, rows: usize) -> Vec<Self> {
        let Self {
            first,
            stride,
            count,
            width,
            lifetime,
        } = self;
        let part = |start| Self {
            // SAFETY: `start < count`, so the cell is in the buffer; parts share no row.
            first: unsafe { first.add(start * stride) },
            stride,
            count: rows.min(count - start),
            width,
            lifetime,
        };
        (0..count).step_by(rows).map(part).collect()
    }
}
