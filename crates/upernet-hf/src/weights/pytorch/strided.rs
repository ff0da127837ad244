//! A tensor whose elements lie in any regular order.

use std::{borrow::Cow, ops::Range};

use crate::weights::TensorInfo;

/// A tensor within a file, checked to lie inside its storage.
#[derive(Debug)]
pub(super) struct Strided {
    info: TensorInfo,
    /// The whole storage, in bytes of the file.
    storage: Range<usize>,
    /// Bytes from the start of the storage to the first element.
    offset: usize,
    /// Bytes between neighbours along each axis; zero along an axis of one element.
    strides: Vec<usize>,
}

impl Strided {
    /// Describes a tensor; the caller has checked that every element lies inside `storage`, so that
    /// offset and strides, given in elements, fit as bytes too.
    pub(super) fn new(
        info: TensorInfo,
        storage: Range<usize>,
        offset: u64,
        strides: &[u64],
    ) -> Self {
        let size = info.dtype().size();
        let empty = info.elements() == 0;
        let bytes = |elements: u64| usize::try_from(elements).unwrap_or(0).saturating_mul(size);
        let stride = |(&stride, &side): (&u64, &usize)| {
            if empty || side == 1 { 0 } else { bytes(stride) }
        };
        let strides = strides.iter().zip(info.shape()).map(stride).collect();
        let offset = if empty { 0 } else { bytes(offset) };
        Self {
            info,
            storage,
            offset,
            strides,
        }
    }

    /// Returns type and shape.
    pub(super) fn info(&self) -> &TensorInfo {
        &self.info
    }

    /// Returns the elements in row-major order: borrowed if they lie so, gathered if not.
    pub(super) fn bytes<'a>(&self, file: &'a [u8]) -> Cow<'a, [u8]> {
        let storage = &file[self.storage.clone()];
        if self.is_contiguous() {
            return Cow::Borrowed(&storage[self.offset..self.offset + self.info.byte_len()]);
        }
        let mut gathered = Vec::with_capacity(self.info.byte_len());
        self.gather(&mut gathered, storage, 0, self.offset);
        Cow::Owned(gathered)
    }

    fn is_contiguous(&self) -> bool {
        let axes = self.info.shape().iter().zip(&self.strides).rev();
        let mut expected = self.info.dtype().size();
        self.info.elements() == 0
            || axes.into_iter().all(|(&side, &stride)| {
                let fits = side == 1 || stride == expected;
                expected *= side;
                fits
            })
    }

    /// Appends all elements of the axes from `axis` on; the depth is the number of axes, at most 8.
    fn gather(&self, gathered: &mut Vec<u8>, storage: &[u8], axis: usize, start: usize) {
        let (Some(&side), Some(&stride)) = (self.info.shape().get(axis), self.strides.get(axis))
        else {
            gathered.extend_from_slice(&storage[start..start + self.info.dtype().size()]);
            return;
        };
        for index in 0..side {
            self.gather(gathered, storage, axis + 1, start + index * stride);
        }
    }
}
