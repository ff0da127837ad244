//! Weights as the matrix product reads them.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{bf16::Bf16Matrix, simd};
use crate::bytes::Bytes;

/// One cache line, so that panels begin at its start.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct CacheLine([f32; 16]);

/// A buffer that begins at a cache line.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlignedBuffer {
    lines: Vec<CacheLine>,
    length: usize,
}

impl AlignedBuffer {
    /// `length` zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        let lines = vec![CacheLine([0.0; 16]); length.div_ceil(16)];
        Self { lines, length }
    }

    /// Makes room for `length` values; what they are is left open.
    pub(crate) fn resize(&mut self, length: usize) {
        // Never shorter: what is dropped now would be cleared anew the next time.
        if self.lines.len() < length.div_ceil(16) {
            self.lines.resize(length.div_ceil(16), CacheLine([0.0; 16]));
        }
        self.length = length;
    }

    /// How many values it can hold.
    pub(crate) fn capacity(&self) -> usize {
        16 * self.lines.len()
    }

    /// How many values a buffer for `length` of them can hold.
    pub(crate) fn capacity_for(length: usize) -> usize {
        length.next_multiple_of(16)
    }

    pub(crate) fn values(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.length]
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.length]
    }
}

/// The right-hand side of a product: `[k, n]` in panels of `panel_width` columns, each panel
/// contiguous with its rows one after another; columns past `n` are zeros.
#[derive(Clone, Debug)]
pub(crate) struct PackedMatrix {
    k: usize,
    n: usize,
    panel_width: usize,
    panels: Panels,
}

/// The weights in the precision that they are multiplied in.
#[derive(Clone, Debug)]
enum Panels {
    F32(AlignedBuffer),
    Bf16(Bf16Matrix),
}

impl PackedMatrix {
    /// Packs a matrix given by its element at row `k` and column `n`.
    pub(crate) fn from_fn(
        k: usize,
        n: usize,
        element: impl Fn(usize, usize) -> f32 + Sync,
    ) -> Self {
        let mut matrix = Self::zeros(k, n);
        let width = matrix.panel_width;
        let panels = matrix.panels_mut(1).into_par_iter().enumerate();
        panels.for_each(|(index, panel)| {
            let columns = index * width..n.min((index + 1) * width);
            for (row, cells) in panel.chunks_exact_mut(width).enumerate() {
                for (column, cell) in columns.clone().zip(cells) {
                    *cell = element(row, column);
                }
            }
        });
        matrix
    }

    /// A matrix of zeros, to be filled by its panels.
    pub(crate) fn zeros(k: usize, n: usize) -> Self {
        let panel_width = panel_width();
        let panels = AlignedBuffer::zeros(k * n.next_multiple_of(panel_width));
        Self {
            k,
            n,
            panel_width,
            panels: Panels::F32(panels),
        }
    }

    /// Its panels to write to, `[k, panel_width]` each, in chunks of `count` panels.
    pub(crate) fn panels_mut(&mut self, count: usize) -> Vec<&mut [f32]> {
        let length = (count * self.k * self.panel_width).max(1);
        match &mut self.panels {
            Panels::F32(panels) => panels.values_mut().chunks_mut(length).collect(),
            Panels::Bf16(_) => unreachable!("weights are rounded once they are complete"),
        }
    }

    /// The same weights rounded to bfloat16; what they are multiplied with will be rounded too.
    ///
    /// # Panics
    ///
    /// Panics if the processor has no products of bfloat16: [`bf16::is_available`](super::bf16::is_available) tells.
    pub(crate) fn into_bf16(self) -> Self {
        let (k, n) = (self.k, self.n);
        let rounded = match &self.panels {
            Panels::F32(panels) => Bf16Matrix::new(panels.values(), [k, n], self.panel_width),
            Panels::Bf16(_) => return self,
        };
        Self {
            panels: Panels::Bf16(rounded),
            ..self
        }
    }

    /// The weights, if they are rounded.
    pub(super) fn bf16(&self) -> Option<&Bf16Matrix> {
        match &self.panels {
            Panels::F32(_) => None,
            Panels::Bf16(matrix) => Some(matrix),
        }
    }

    /// Rows: what is summed over.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Columns: what comes out.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// Columns in a panel.
    pub(crate) fn panel_width(&self) -> usize {
        self.panel_width
    }

    /// Number of panels.
    pub(crate) fn num_panels(&self) -> usize {
        self.n.div_ceil(self.panel_width)
    }

    /// One panel, `[k, panel_width]`.
    pub(crate) fn panel(&self, index: usize) -> &[f32] {
        let length = self.k * self.panel_width;
        match &self.panels {
            Panels::F32(panels) => &panels.values()[index * length..][..length],
            Panels::Bf16(_) => unreachable!("rounded weights have a product of their own"),
        }
    }
}

impl Bytes for PackedMatrix {
    fn bytes(&self) -> usize {
        match &self.panels {
            Panels::F32(panels) => size_of_val(panels.values()),
            Panels::Bf16(matrix) => matrix.bytes(),
        }
    }
}

/// Columns in a panel: as many vectors as the microkernel keeps of one row.
pub(crate) fn panel_width() -> usize {
    match simd::lanes() {
        1 => 4,
        4 => 12,
        lanes => 2 * lanes,
    }
}
