//! A depthwise convolution of a whole map, and what follows it.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{
    depthwise::{DepthwiseWeights, depthwise_pixels},
    gemm::Activation,
    map::MapSize,
    simd::{self, Simd, WithSimd, load, store},
};

/// Pixels after which the activation follows, while they lie in the first-level cache: the longest strip
/// that the convolution sums in registers.
const STRIP: usize = 16;

/// `out = activation(depthwise(x))` for maps `[N, H, W, C]`, on all threads of the pool.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn depthwise(
    x: &[f32],
    size: MapSize,
    weights: &DepthwiseWeights,
    activation: Activation,
    out: &mut [f32],
) {
    let channels = weights.channels();
    assert_eq!(
        [x.len(), out.len()],
        [size.pixels() * channels; 2],
        "a map of another size"
    );
    let rows = out.par_chunks_mut((size.width * channels).max(1));
    rows.enumerate().for_each(|(row, out)| {
        simd::dispatch(Pixels {
            x,
            size,
            weights,
            activation,
            first: row * size.width,
            out,
        });
    });
}

/// Some pixels as a kernel of their own.
struct Pixels<'a> {
    x: &'a [f32],
    size: MapSize,
    weights: &'a DepthwiseWeights,
    activation: Activation,
    first: usize,
    out: &'a mut [f32],
}

impl WithSimd for Pixels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let strips = self
            .out
            .chunks_mut((STRIP * self.weights.channels()).max(1));
        for (index, strip) in strips.enumerate() {
            let first = self.first + index * STRIP;
            depthwise_pixels(simd, self.x, self.size, self.weights, first, strip);
            if self.activation != Activation::None {
                for values in strip.chunks_mut(S::F32_LANES) {
                    let activated = self.activation.apply(simd, load(simd, values));
                    store(simd, values, activated);
                }
            }
        }
    }
}
