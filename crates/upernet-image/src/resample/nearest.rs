//! Nearest-neighbour resizing.

use rayon::prelude::*;

/// Takes for each target position the pixel under its centre.
pub(super) fn nearest<T: Copy + Send + Sync>(
    pixels: &[T],
    source: [usize; 2],
    target: [usize; 2],
) -> Vec<T> {
    let [rows, columns] = [0, 1].map(|axis| nearest_positions(source[axis], target[axis]));
    rows.par_iter()
        .flat_map_iter(|&row| {
            let pixels = &pixels[row * source[1]..][..source[1]];
            columns.iter().map(|&column| pixels[column])
        })
        .collect()
}

/// Steps along the axis by adding, as Pillow does: a product may round to another side of a pixel edge.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are positive and truncation is the rule"
)]
fn nearest_positions(source: usize, target: usize) -> Vec<usize> {
    let scale = source as f64 / target as f64;
    let mut place = scale * 0.5;
    let mut next = || {
        let position = (place as usize).min(source - 1);
        place += scale;
        position
    };
    (0..target).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centres_decide() {
        assert_eq!(nearest_positions(4, 2), [1, 3]);
        assert_eq!(nearest_positions(2, 4), [0, 0, 1, 1]);
        assert_eq!(nearest_positions(3, 2), [0, 2]);
        assert_eq!(nearest_positions(1, 3), [0, 0, 0]);
    }
}
