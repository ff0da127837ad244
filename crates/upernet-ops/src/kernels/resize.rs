//! Bilinear resizing of maps, half-pixel aligned.
//!
//! Source of the rule: `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`.
//!
//! A row of the output mixes two rows of the source. They are mixed first, at the source's width,
//! into a line that stays in the cache; then each output pixel mixes two pixels of that line. The map
//! between the two steps never exists as a whole.

use pulp::Arch;
use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
};

/// The two source positions that an output position mixes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tap {
    pub(crate) low: usize,
    pub(crate) high: usize,
    /// Weight of `high`, below 1; `low` has the rest.
    pub(crate) fraction: f32,
}

/// What happens to the values that the output holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Previous {
    Replaced,
    AddedTo,
}

/// Resizes `input`, `[N, H, W, C]`, to `size` = `[height, width]`.
///
/// # Panics
///
/// Panics if a slice has another length than its shape says, or if only one of the two maps is empty.
pub(crate) fn resize(input: &[f32], shape: [usize; 4], size: [usize; 2], output: &mut [f32]) {
    resize_into(simd::arch(), input, shape, size, output, Previous::Replaced);
}

/// Adds to `finer`, `[N, H, W, C]`, what `coarser`, `[N, size[0], size[1], C]`, is at its size.
///
/// # Panics
///
/// Panics if a slice has another length than its shape says, or if only one of the two maps is empty.
pub(crate) fn add_resized(
    finer: &mut [f32],
    finer_shape: [usize; 4],
    coarser: &[f32],
    size: [usize; 2],
) {
    let [batch, height, width, channels] = finer_shape;
    let shape = [batch, size[0], size[1], channels];
    resize_into(
        simd::arch(),
        coarser,
        shape,
        [height, width],
        finer,
        Previous::AddedTo,
    );
}

/// Taps of a line of `from` values that becomes one of `to` values.
pub(crate) fn taps(from: usize, to: usize) -> Vec<Tap> {
    (0..to).map(|position| tap(position, from, to)).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the source position is clamped to 0 ..= from - 1 before it becomes an index"
)]
fn tap(position: usize, from: usize, to: usize) -> Tap {
    let source = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let source = source.clamp(0.0, (from - 1) as f64);
    let low = source as usize;
    Tap {
        low,
        high: (low + 1).min(from - 1),
        fraction: (source - low as f64) as f32,
    }
}

fn resize_into(
    arch: Arch,
    source: &[f32],
    shape: [usize; 4],
    [out_height, out_width]: [usize; 2],
    output: &mut [f32],
    previous: Previous,
) {
    let [batch, height, width, channels] = shape;
    let from = batch * height * width * channels;
    let to = batch * out_height * out_width * channels;
    assert_eq!(source.len(), from, "the source is not {shape:?}");
    assert_eq!(
        output.len(),
        to,
        "the output is not {batch} x {out_height} x {out_width}"
    );
    if to == 0 {
        return;
    }
    assert!(
        from > 0,
        "a map without pixels cannot fill {out_height} x {out_width}"
    );
    let plan = Plan {
        source,
        height,
        row_length: width * channels,
        channels,
        vertical: taps(height, out_height),
        horizontal: taps(width, out_width),
        previous,
    };
    let out_row = out_width * channels;
    let rows = (batch * out_height).div_ceil(4 * rayon::current_num_threads());
    let parts = output.par_chunks_mut(rows * out_row).enumerate();
    parts.for_each(|(part, out)| {
        with_scratch(plan.row_length, |line| {
            for (row, out) in out.chunks_exact_mut(out_row).enumerate() {
                arch.dispatch(Row {
                    plan: &plan,
                    index: part * rows + row,
                    line,
                    out,
                });
            }
        });
    });
}

/// What all rows of the output share.
struct Plan<'a> {
    source: &'a [f32],
    height: usize,
    /// Values in a row of the source.
    row_length: usize,
    channels: usize,
    vertical: Vec<Tap>,
    horizontal: Vec<Tap>,
    previous: Previous,
}

impl Plan<'_> {
    fn source_row(&self, image: usize, row: usize) -> &[f32] {
        &self.source[(image * self.height + row) * self.row_length..][..self.row_length]
    }
}

/// One row of the output, counted over all images.
struct Row<'a> {
    plan: &'a Plan<'a>,
    index: usize,
    /// Scratch for a row of the source.
    line: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            plan,
            index,
            line,
            out,
        } = self;
        let out_height = plan.vertical.len();
        let (image, row) = (index / out_height, index % out_height);
        let Tap {
            low,
            high,
            fraction,
        } = plan.vertical[row];
        let low = plan.source_row(image, low);
        let line = if fraction == 0.0 {
            low
        } else {
            let high = plan.source_row(image, high);
            mix::<S, false>(simd, [low, high], fraction, line);
            line
        };
        let pixel = |column: usize| &line[column * plan.channels..][..plan.channels];
        let pixels = out.chunks_exact_mut(plan.channels);
        for (
            &Tap {
                low,
                high,
                fraction,
            },
            out,
        ) in plan.horizontal.iter().zip(pixels)
        {
            let between = [pixel(low), pixel(high)];
            match plan.previous {
                Previous::Replaced => mix::<S, false>(simd, between, fraction, out),
                Previous::AddedTo => mix::<S, true>(simd, between, fraction, out),
            }
        }
    }
}

/// `out = low + fraction (high - low)`, on top of what `out` holds if `ADD`.
#[inline(always)]
fn mix<S: Simd, const ADD: bool>(
    simd: S,
    [low, high]: [&[f32]; 2],
    fraction: f32,
    out: &mut [f32],
) {
    let rest = simd.splat_f32s(1.0 - fraction);
    let fraction = simd.splat_f32s(fraction);
    let mixed = |low, high, out| {
        let low = if ADD {
            simd.mul_add_e_f32s(low, rest, out)
        } else {
            simd.mul_f32s(low, rest)
        };
        simd.mul_add_e_f32s(high, fraction, low)
    };
    let (lows, low) = S::as_simd_f32s(low);
    let (highs, high) = S::as_simd_f32s(high);
    let (outs, out) = S::as_mut_simd_f32s(out);
    for ((&low, &high), out) in lows.iter().zip(highs).zip(outs) {
        *out = mixed(low, high, *out);
    }
    if !out.is_empty() {
        let vector = mixed(load(simd, low), load(simd, high), load(simd, out));
        store(simd, out, vector);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::test_support::{max_difference, noise, on_every_arch};

    /// The rule itself, value by value, in `f64`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positions are clamped to the map, and the result is f32"
    )]
    fn twin(
        input: &[f32],
        [batch, height, width, channels]: [usize; 4],
        to: [usize; 2],
    ) -> Vec<f32> {
        let mut output = Vec::new();
        let weights = |position: usize, from: usize, to: usize| {
            let scale = from as f64 / to as f64;
            let source = ((position as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
            let low = source.floor();
            [
                (low as usize, 1.0 - source + low),
                ((low as usize + 1).min(from - 1), source - low),
            ]
        };
        for image in 0..batch {
            for y in 0..to[0] {
                for x in 0..to[1] {
                    for channel in 0..channels {
                        let mut sum = 0.0;
                        for (row, vertical) in weights(y, height, to[0]) {
                            for (column, horizontal) in weights(x, width, to[1]) {
                                let pixel = (image * height + row) * width + column;
                                let value = f64::from(input[pixel * channels + channel]);
                                sum += vertical * horizontal * value;
                            }
                        }
                        output.push(sum as f32);
                    }
                }
            }
        }
        output
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            batch in 1..3_usize,
            from in [1..9_usize, 1..9_usize],
            to in [1..20_usize, 1..20_usize],
            channels in 1..40_usize,
        ) {
            let shape = [batch, from[0], from[1], channels];
            let input = noise(shape.iter().product(), 1);
            let expected = twin(&input, shape, to);

            let before = noise(expected.len(), 2);
            let sums: Vec<f32> = before.iter().zip(&expected).map(|(b, e)| b + e).collect();
            on_every_arch(|arch| {
                let mut output = vec![f32::NAN; expected.len()];
                resize_into(arch, &input, shape, to, &mut output, Previous::Replaced);
                let difference = max_difference(&output, &expected);
                assert!(difference < 1e-6, "replaced on {arch:?}: {difference}");

                let mut finer = before.clone();
                resize_into(arch, &input, shape, to, &mut finer, Previous::AddedTo);
                let difference = max_difference(&finer, &sums);
                assert!(difference < 1e-6, "added to on {arch:?}: {difference}");
            });
        }
    }

    #[test]
    fn a_map_of_the_right_size_is_untouched() {
        let input = noise(2 * 3 * 5 * 7, 1);
        let mut output = vec![0.0; input.len()];
        resize(&input, [2, 3, 5, 7], [3, 5], &mut output);
        assert_eq!(output, input);
    }

    /// `F.interpolate(torch.tensor([[[[0., 4.]]]]), size=(1, 4), mode="bilinear")`.
    #[test]
    fn doubling_reads_at_quarters() {
        let mut output = [0.0; 4];
        resize(&[0.0, 4.0], [1, 1, 2, 1], [1, 4], &mut output);
        assert!(max_difference(&output, &[0.0, 1.0, 3.0, 4.0]) < 1e-6);
    }

    #[test]
    fn the_finer_map_keeps_what_it_held() {
        let mut finer = [1.0; 4];
        add_resized(&mut finer, [1, 1, 4, 1], &[0.0, 4.0], [1, 2]);
        assert!(max_difference(&finer, &[1.0, 2.0, 4.0, 5.0]) < 1e-6);
    }

    #[test]
    fn an_empty_batch_is_fine() {
        resize(&[], [0, 2, 2, 3], [4, 4], &mut []);
    }

    #[test]
    #[should_panic(expected = "a map without pixels cannot fill 4 x 4")]
    fn refuses_a_source_without_pixels() {
        resize(&[], [1, 0, 2, 1], [4, 4], &mut [0.0; 16]);
    }

    #[test]
    #[should_panic(expected = "the source is not [1, 2, 2, 1]")]
    fn refuses_a_slice_of_another_size() {
        resize(&[0.0; 3], [1, 2, 2, 1], [4, 4], &mut [0.0; 16]);
    }
}
