//! The gradient of a bilinear resize.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{map::MapSize, resize::taps, simd};

/// A position that reads a source position, and the weight it reads with.
type Share = (usize, f32);

/// Computes the gradient of the map before, `[N, h, w, C]`, given that of the resized one,
/// `[N, H, W, C]`.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn resize_backward(
    gradient: &[f32],
    to: MapSize,
    channels: usize,
    from: [usize; 2],
    out: &mut [f32],
) {
    let [height, width] = from;
    assert_eq!(
        gradient.len(),
        to.pixels() * channels,
        "gradient of another size"
    );
    assert_eq!(
        out.len(),
        to.batch * height * width * channels,
        "output of another size"
    );
    let rows = readers(height, to.height);
    let columns = readers(width, to.width);
    let lines = out.par_chunks_mut((width * channels).max(1)).enumerate();
    lines.for_each(|(line, out)| {
        let image = line / height * to.height;
        simd::arch().dispatch(
            #[inline(always)]
            || {
                out.fill(0.0);
                for &(row, row_weight) in &rows[line % height] {
                    let start = (image + row) * to.width * channels;
                    let gradient = &gradient[start..][..to.width * channels];
                    for (out, columns) in out.chunks_exact_mut(channels).zip(&columns) {
                        for &(column, column_weight) in columns {
                            let weight = row_weight * column_weight;
                            let gradient = &gradient[column * channels..][..channels];
                            for (out, value) in out.iter_mut().zip(gradient) {
                                *out += weight * value;
                            }
                        }
                    }
                }
            },
        );
    });
}

/// Turns the reading of an axis around.
fn readers(from: usize, to: usize) -> Vec<Vec<Share>> {
    let mut readers = vec![Vec::new(); from];
    for (position, tap) in taps(from, to).into_iter().enumerate() {
        readers[tap.low].push((position, 1.0 - tap.fraction));
        if tap.fraction > 0.0 {
            readers[tap.high].push((position, tap.fraction));
        }
    }
    readers
}
