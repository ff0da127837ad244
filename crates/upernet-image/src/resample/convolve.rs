//! The two passes of an antialiased resize: along the rows, round to bytes, then down the columns.
//!
//! The order and the rounding between the passes are Pillow's and show in the result.

use rayon::prelude::*;

use super::weights::{AxisWeights, WEIGHT_BITS};

const HALF: i32 = 1 << (WEIGHT_BITS - 1);

/// Resizes `pixels` of size `source`; a pass whose axis keeps its length is left out, as in Pillow.
pub(super) fn convolve(
    pixels: &[[u8; 3]],
    source: [usize; 2],
    rows: &AxisWeights,
    columns: &AxisWeights,
) -> Vec<[u8; 3]> {
    let [source_height, source_width] = source;
    let width = columns.len();
    let narrowed = if width == source_width {
        None
    } else {
        let mut narrowed = vec![[0; 3]; source_height * width];
        narrowed
            .par_chunks_mut(width)
            .zip(pixels.par_chunks(source_width))
            .for_each(|(output, input)| along_row(input, columns, output));
        Some(narrowed)
    };
    if rows.len() == source_height {
        return narrowed.unwrap_or_else(|| pixels.to_vec());
    }
    let input = narrowed.as_deref().unwrap_or(pixels).as_flattened();
    let mut resized = vec![[0; 3]; rows.len() * width];
    resized.par_chunks_mut(width).enumerate().for_each_init(
        || vec![0; 3 * width],
        |sums, (position, output)| {
            let (first, weights) = rows.window(position);
            down_columns(
                &input[first * 3 * width..],
                weights,
                sums,
                output.as_flattened_mut(),
            );
        },
    );
    resized
}

fn along_row(input: &[[u8; 3]], columns: &AxisWeights, output: &mut [[u8; 3]]) {
    for (position, pixel) in output.iter_mut().enumerate() {
        let (first, weights) = columns.window(position);
        let mut sums = [HALF; 3];
        for (source, &weight) in input[first..].iter().zip(weights) {
            for (sum, &sample) in sums.iter_mut().zip(source) {
                *sum += i32::from(sample) * weight;
            }
        }
        *pixel = sums.map(to_byte);
    }
}

/// Sums whole rows, so that the inner loop runs over neighbours in memory.
fn down_columns(input: &[u8], weights: &[i32], sums: &mut [i32], output: &mut [u8]) {
    sums.fill(HALF);
    for (row, &weight) in input.chunks_exact(output.len()).zip(weights) {
        for (sum, &sample) in sums.iter_mut().zip(row) {
            *sum += i32::from(sample) * weight;
        }
    }
    for (byte, &sum) in output.iter_mut().zip(&*sums) {
        *byte = to_byte(sum);
    }
}

#[expect(
    clippy::cast_sign_loss,
    reason = "the value is clamped to a byte first"
)]
fn to_byte(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}
