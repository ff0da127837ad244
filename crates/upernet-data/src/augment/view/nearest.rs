//! Which pixel lies under the centre of another.

use std::ops::Range;

/// For positions of an axis resized from `source` to `target` pixels: the source's pixel under each.
///
/// In whole numbers, so that a centre on an edge always falls to the same side.
pub(super) fn nearest(source: usize, target: usize, positions: Range<usize>) -> Vec<usize> {
    positions
        .map(|position| (2 * position + 1) * source / (2 * target))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pillow's nearest, as in `upernet_image`: floor((position + 0.5) * source / target).
    #[test]
    fn centres_decide() {
        assert_eq!(nearest(4, 2, 0..2), [1, 3]);
        assert_eq!(nearest(2, 4, 0..4), [0, 0, 1, 1]);
        assert_eq!(nearest(3, 2, 0..2), [0, 2]);
        assert_eq!(nearest(1, 3, 1..3), [0, 0]);
    }
}
