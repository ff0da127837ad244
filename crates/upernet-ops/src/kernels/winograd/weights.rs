//! The weights at the 36 points.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{
    super::{
        conv_weights::{ConvWeights, TAPS},
        packed::{PackedMatrix, panel_width},
        scratch::with_scratch,
        simd::{self, Simd, WithSimd, load, store},
    },
    IN, POINTS,
};
use crate::bytes::Bytes;

/// The weights of a 3 x 3 convolution at the 36 points, 4 times their original size.
#[derive(Clone, Debug)]
pub(crate) struct WinogradWeights {
    /// One matrix `[in, out]` a point.
    pub(super) points: Vec<PackedMatrix>,
}

impl WinogradWeights {
    /// Transforms weights `[out, in, 3, 3]`.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * 9` of them.
    pub(crate) fn new(weights: &[f32], channels: [usize; 2]) -> Self {
        Self::transform(ConvWeights::forward(weights, channels))
    }

    /// Transforms weights `[out, in, 3, 3]` for the convolution that turns the gradient of the output
    /// into that of the input: channels exchanged, kernel rotated by half a turn.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * 9` of them.
    pub(crate) fn backward(weights: &[f32], channels: [usize; 2]) -> Self {
        Self::transform(ConvWeights::backward(weights, channels))
    }

    fn transform(weights: ConvWeights<'_>) -> Self {
        let (inputs, outputs) = (weights.inputs(), weights.outputs());
        let points = (0..POINTS).into_par_iter();
        let mut points: Vec<_> = points
            .map(|_| PackedMatrix::zeros(inputs, outputs))
            .collect();
        let mut panels = points.iter_mut().map(|point| point.panels_mut(1));
        let mut panels: [_; POINTS] = std::array::from_fn(|_| {
            let panels = panels.next().expect("there are 36 points");
            panels.into_iter()
        });
        let jobs: Vec<[&mut [f32]; POINTS]> = (0..outputs.div_ceil(panel_width()))
            .map(|_| {
                let panels = panels.each_mut();
                panels.map(|panel| panel.next().expect("every point has as many panels"))
            })
            .collect();
        jobs.into_par_iter()
            .enumerate()
            .for_each(|(panel, points)| {
                let width = panel_width();
                let first = panel * width;
                with_scratch(TAPS * width, |taps| {
                    simd::dispatch(TransformWeights {
                        weights,
                        first,
                        taps,
                        points,
                    });
                });
            });
        Self { points }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.points[0].k()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.points[0].n()
    }
}

impl Bytes for WinogradWeights {
    fn bytes(&self) -> usize {
        self.points.iter().map(PackedMatrix::bytes).sum()
    }
}

/// G g G^T for one panel of outputs and all inputs.
struct TransformWeights<'a> {
    weights: ConvWeights<'a>,
    /// The first output of the panel.
    first: usize,
    /// `[9, panel width]`.
    taps: &'a mut [f32],
    /// The panel at each point, `[inputs, panel width]`.
    points: [&'a mut [f32]; POINTS],
}

impl WithSimd for TransformWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let width = panel_width();
        for input in 0..self.weights.inputs() {
            self.weights.gather(input, self.first, width, self.taps);
            let mut start = 0;
            while start < width {
                self.vector(simd, start, input * width + start);
                start += S::F32_LANES;
            }
        }
    }
}

impl TransformWeights<'_> {
    /// The outputs from `start` on, to position `to` of every point.
    #[inline(always)]
    fn vector<S: Simd>(&mut self, simd: S, start: usize, to: usize) {
        let [c0, c1, c2] = [
            self.column(simd, start, 0),
            self.column(simd, start, 1),
            self.column(simd, start, 2),
        ];
        for row in 0..IN {
            let values = weight_points(simd, [c0[row], c1[row], c2[row]]);
            for (column, value) in values.into_iter().enumerate() {
                store(simd, &mut self.points[row * IN + column][to..], value);
            }
        }
    }

    /// G of one column of the kernel.
    #[inline(always)]
    fn column<S: Simd>(&self, simd: S, start: usize, x: usize) -> [S::f32s; IN] {
        let width = panel_width();
        let mut values = [simd.splat_f32s(0.0); 3];
        for (y, value) in values.iter_mut().enumerate() {
            let tap = 3 * y + x;
            let tap = if self.weights.is_backward() {
                TAPS - 1 - tap
            } else {
                tap
            };
            *value = load(simd, &self.taps[tap * width + start..]);
        }
        weight_points(simd, values)
    }
}

/// G of one axis: the kernel at the six points 0, 1, -1, 2, -2 and infinity.
#[inline(always)]
fn weight_points<S: Simd>(simd: S, [g0, g1, g2]: [S::f32s; 3]) -> [S::f32s; IN] {
    let [quarter, sixth, twelfth] =
        [1.0 / 4.0, 1.0 / 6.0, 1.0 / 12.0].map(|value| simd.splat_f32s(value));
    let outer = simd.mul_f32s(simd.add_f32s(g0, g2), simd.splat_f32s(-1.0 / 6.0));
    let middle = simd.mul_f32s(sixth, g1);
    // g0 / 24 + g2 / 6, and g1 / 12.
    let even = simd.mul_f32s(sixth, simd.mul_add_e_f32s(quarter, g0, g2));
    let odd = simd.mul_f32s(twelfth, g1);
    [
        simd.mul_f32s(quarter, g0),
        simd.sub_f32s(outer, middle),
        simd.add_f32s(outer, middle),
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        g2,
    ]
}
