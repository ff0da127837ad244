//! 3 x 3 convolution of a bilinearly resized map, computed at the size before.
//!
//! Mixing channels and interpolating commute: `conv3x3(U(x))` is the sum over the nine taps of
//! `shift(U(W_tap x))`. So the products with the weights run over the pixels of `x`, and what is left
//! is separable: each line of products is interpolated, shifted and added along the columns as soon as
//! it is there, and the three lines that a row of outputs needs are combined while they are in the
//! cache. Shifted-in values past the border are zeros, as the convolution's padding wants them.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{
    conv_weights::{ConvWeights, TAPS},
    gemm::{Epilogue, matmul_tile},
    map::MapSize,
    packed::{PackedMatrix, panel_width},
    resize::{Tap, taps},
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
};
use crate::bytes::Bytes;

/// Fewest pixels that are multiplied at once, so that the weights pay for their way into the cache.
const MIN_PIXELS: usize = 112;

/// The nine matrices of a 3 x 3 convolution; those of one panel of outputs lie together.
#[derive(Clone, Debug)]
pub(crate) struct TapWeights {
    outputs: usize,
    matrix: PackedMatrix,
}

impl TapWeights {
    /// Packs weights `[out, in, 3, 3]`.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * 9` of them.
    pub(crate) fn new(weights: &[f32], [outputs, inputs]: [usize; 2]) -> Self {
        let weights = ConvWeights::forward(weights, [outputs, inputs]);
        let width = panel_width();
        let columns = outputs.next_multiple_of(width) * TAPS;
        let mut matrix = PackedMatrix::zeros(inputs, columns);
        let groups = matrix.panels_mut(TAPS).into_par_iter().enumerate();
        groups.for_each(|(group, panels)| {
            with_scratch(TAPS * width, |taps| {
                for input in 0..inputs {
                    weights.gather(input, group * width, width, taps);
                    let panels = panels.chunks_exact_mut(inputs * width);
                    for (panel, tap) in panels.zip(taps.chunks_exact(width)) {
                        panel[input * width..][..width].copy_from_slice(tap);
                    }
                }
            });
        });
        Self { outputs, matrix }
    }

    /// The same weights rounded to bfloat16.
    ///
    /// # Panics
    ///
    /// Panics if the processor has no products of bfloat16.
    pub(crate) fn into_bf16(self) -> Self {
        Self {
            matrix: self.matrix.into_bf16(),
            ..self
        }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.matrix.k()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }
}

impl Bytes for TapWeights {
    fn bytes(&self) -> usize {
        self.matrix.bytes()
    }
}

/// `out = epilogue(conv3x3(resize(x)))` for `x` of `[N, h, w, in]` and `out` of `[N, H, W, out]`.
///
/// # Panics
///
/// Panics if a length does not fit, or `x` has no pixels while `out` has some.
pub(crate) fn upsample_conv3x3(
    x: &[f32],
    from: MapSize,
    weights: &TapWeights,
    to: [usize; 2],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let size = MapSize::new(from.batch, to);
    assert_eq!(
        x.len(),
        from.pixels() * weights.inputs(),
        "input of another size"
    );
    assert_eq!(
        out.len(),
        size.pixels() * weights.outputs(),
        "output of another size"
    );
    if out.is_empty() {
        return;
    }
    let plan = &Plan::new([from.height, from.width], to);
    let width = panel_width();
    let parts = RowsMut::dense(out, weights.outputs()).split_columns(width);
    parts.into_par_iter().enumerate().for_each(|(panel, out)| {
        let epilogue = epilogue.skip_columns(panel * width);
        let product_length = plan.group * from.width * TAPS * width;
        with_scratch(
            product_length + plan.lines * plan.line_length(width),
            |scratch| {
                let (products, lines) = scratch.split_at_mut(product_length);
                simd::dispatch(PanelOfMaps {
                    x,
                    from,
                    size,
                    weights,
                    plan,
                    panel,
                    epilogue,
                    products,
                    lines,
                    out,
                });
            },
        );
    });
}

/// What the two axes have to do with each other, the same for all channels.
struct Plan {
    rows: Vec<Tap>,
    columns: Vec<Tap>,
    /// Source rows that are multiplied at once.
    group: usize,
    /// Source rows that are kept.
    lines: usize,
}

impl Plan {
    fn new([height, width]: [usize; 2], [out_height, out_width]: [usize; 2]) -> Self {
        let (rows, columns) = (taps(height, out_height), taps(width, out_width));
        let group = MIN_PIXELS.div_ceil(width).min(height);
        let span = (0..out_height)
            .map(|row| {
                let (first, last) = (row.saturating_sub(1), (row + 1).min(out_height - 1));
                rows[last].high - rows[first].low + 1
            })
            .max();
        let lines = (span.unwrap_or(1) + group).min(height);
        Self {
            rows,
            columns,
            group,
            lines,
        }
    }

    /// A line holds, for each of three kernel rows, one panel for each output column.
    fn line_length(&self, panel_width: usize) -> usize {
        3 * self.columns.len() * panel_width
    }
}

/// One panel of output channels of all maps.
struct PanelOfMaps<'a> {
    x: &'a [f32],
    from: MapSize,
    size: MapSize,
    weights: &'a TapWeights,
    plan: &'a Plan,
    panel: usize,
    epilogue: Epilogue<'a>,
    /// `[group, w, 9, panel width]`.
    products: &'a mut [f32],
    /// `[lines, 3, W, panel width]`; source row `r` is at `r % lines`.
    lines: &'a mut [f32],
    out: RowsMut<'a>,
}

impl WithSimd for PanelOfMaps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for image in 0..self.size.batch {
            let mut done = 0;
            for row in 0..self.size.height {
                let last = self.plan.rows[(row + 1).min(self.size.height - 1)].high;
                while done <= last {
                    let count = self.plan.group.min(self.from.height - done);
                    self.multiply(simd, image, done, count);
                    for index in 0..count {
                        self.widen(simd, done + index, index);
                    }
                    done += count;
                }
                self.combine(simd, image, row);
            }
        }
    }
}

impl PanelOfMaps<'_> {
    /// The products of some source rows with the weights of all taps.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, image: usize, row: usize, count: usize) {
        let (inputs, width) = (self.weights.inputs(), panel_width());
        let pixels = count * self.from.width;
        let first = (image * self.from.height + row) * self.from.width;
        let x = &self.x[first * inputs..][..pixels * inputs];
        let products = &mut self.products[..pixels * TAPS * width];
        matmul_tile(
            simd,
            Rows {
                values: x,
                stride: inputs,
                count: pixels,
            },
            &self.weights.matrix,
            self.panel * TAPS..(self.panel + 1) * TAPS,
            Epilogue::default(),
            RowsMut::dense(products, TAPS * width),
        );
    }

    /// Interpolates the products of a source row along the columns, shifts and adds them.
    #[inline(always)]
    fn widen<S: Simd>(&mut self, simd: S, row: usize, index: usize) {
        let (width, columns) = (panel_width(), self.size.width);
        let length = self.plan.line_length(width);
        let line = &mut self.lines[row % self.plan.lines * length..][..length];
        let pixel = TAPS * width;
        let products = &self.products[index * self.from.width * pixel..][..self.from.width * pixel];
        for x in 0..columns {
            // The three columns that the kernel sees, each between two columns of the source.
            // One beyond the border counts nothing; any cell that holds a product will do for it.
            let mut sources = [(self.plan.columns[x].low * pixel, 0.0); 6];
            for (kernel, pair) in sources.chunks_exact_mut(2).enumerate() {
                let column = (x + kernel).wrapping_sub(1);
                if let Some(tap) = self.plan.columns.get(column) {
                    pair[0] = (tap.low * pixel + kernel * width, 1.0 - tap.fraction);
                    pair[1] = (tap.high * pixel + kernel * width, tap.fraction);
                }
            }
            for kernel_row in 0..3 {
                let cells = &mut line[(kernel_row * columns + x) * width..][..width];
                let mut start = 0;
                while start < width {
                    let mut sum = simd.splat_f32s(0.0);
                    for (source, weight) in sources {
                        let from = source + kernel_row * 3 * width + start;
                        let value = load(simd, &products[from..]);
                        sum = simd.mul_add_e_f32s(simd.splat_f32s(weight), value, sum);
                    }
                    store(simd, &mut cells[start..], sum);
                    start += S::F32_LANES;
                }
            }
        }
    }

    /// Interpolates the lines along the rows, shifts and adds them: one row of outputs.
    #[inline(always)]
    fn combine<S: Simd>(&mut self, simd: S, image: usize, row: usize) {
        let (width, columns) = (panel_width(), self.size.width);
        let length = self.plan.line_length(width);
        let own = self.plan.rows[row].low % self.plan.lines * length;
        let mut sources = [(own, 0.0); 6];
        for (kernel, pair) in sources.chunks_exact_mut(2).enumerate() {
            if let Some(tap) = self.plan.rows.get((row + kernel).wrapping_sub(1)) {
                for (source, line, weight) in [
                    (0, tap.low, 1.0 - tap.fraction),
                    (1, tap.high, tap.fraction),
                ] {
                    let line = line % self.plan.lines * length;
                    pair[source] = (line + kernel * columns * width, weight);
                }
            }
        }
        let channels = self.out.width();
        for x in 0..columns {
            let pixel = (image * self.size.height + row) * columns + x;
            let mut start = 0;
            while start < channels {
                let length = S::F32_LANES.min(channels - start);
                let mut sum = simd.splat_f32s(0.0);
                for (source, weight) in sources {
                    let value = load(simd, &self.lines[source + x * width + start..]);
                    sum = simd.mul_add_e_f32s(simd.splat_f32s(weight), value, sum);
                }
                let out = self.out.row(pixel, start, length);
                store(simd, out, self.epilogue.apply(simd, sum, pixel, start, out));
                start += S::F32_LANES;
            }
        }
    }
}
