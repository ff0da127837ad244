//! Which pixels lie deep in their class, for all classes at once.
//!
//! A pixel survives the erosion of its class's mask exactly if its window holds one label and lies within
//! the image. Whether a window holds one label is asked along rows and then, of the answers, along
//! columns; each pass remembers the run of equal labels it is in, so a pixel costs the same for every
//! width and every number of classes.

/// A pixel that decides nothing; a window that holds only such pixels.
pub(super) const UNKNOWN: u16 = u16::MAX;

/// The answer for a window that holds several labels, or leaves the image.
const SEVERAL: u16 = u16::MAX - 1;

/// For each pixel, the only label in the window of `2 * reach + 1` squared pixels around it:
/// [`UNKNOWN`] if no pixel there is known, [`SEVERAL`] if there is more than one label or the window
/// leaves the image.
///
/// Labels are below [`SEVERAL`], or [`UNKNOWN`].
pub(super) fn only_label_within(
    mut labels: Vec<u16>,
    [height, width]: [usize; 2],
    reach: usize,
) -> Vec<u16> {
    // Then every window leaves the image, of whatever size that is.
    if 2 * reach >= height.min(width) {
        labels.fill(SEVERAL);
        return labels;
    }
    for row in labels.chunks_exact_mut(width) {
        along_row(row, reach);
    }
    along_columns(&mut labels, [height, width], reach);
    labels
}

/// The labels of a line up to some pixel. Positions count from 1; 0 is none.
#[derive(Clone, Copy)]
struct Run {
    /// The last known label.
    label: u16,
    /// Where it was last.
    last: u32,
    /// Where a known pixel was last that has another label.
    other: u32,
}

impl Run {
    const START: Self = Self {
        label: UNKNOWN,
        last: 0,
        other: 0,
    };

    fn push(&mut self, label: u16, position: u32) {
        let known = label != UNKNOWN;
        let changed = known && label != self.label;
        self.other = if changed { self.last } else { self.other };
        self.label = if known { label } else { self.label };
        self.last = if known { position } else { self.last };
    }

    /// The only label from `first` to here.
    fn only_label_from(self, first: u32) -> u16 {
        let label = if self.other >= first {
            SEVERAL
        } else {
            self.label
        };
        if self.last < first { UNKNOWN } else { label }
    }
}

fn along_row(row: &mut [u16], reach: usize) {
    let mut run = Run::START;
    for (position, index) in (1..).zip(0..row.len()) {
        run.push(row[index], position);
        // Answers go where all has been read already: to the middle of the window that ends here.
        if let Some(first) = index.checked_sub(2 * reach) {
            row[first + reach] = run.only_label_from(position - 2 * short(reach));
        }
    }
    leave_the_image(row, reach);
}

fn along_columns(labels: &mut [u16], [height, width]: [usize; 2], reach: usize) {
    let mut runs = vec![Run::START; width];
    for (position, row) in (1..).zip(0..height) {
        let (before, rest) = labels.split_at_mut(row * width);
        for (run, &label) in runs.iter_mut().zip(&rest[..width]) {
            run.push(label, position);
        }
        if let Some(first) = row.checked_sub(2 * reach) {
            let middle = &mut before[(first + reach) * width..][..width];
            for (answer, run) in middle.iter_mut().zip(&runs) {
                *answer = run.only_label_from(position - 2 * short(reach));
            }
        }
    }
    leave_the_image(labels, reach * width);
}

/// Answers for the windows at both ends of a line, or of a picture.
fn leave_the_image(line: &mut [u16], reach: usize) {
    let length = line.len();
    line[..reach].fill(SEVERAL);
    line[length - reach..].fill(SEVERAL);
}

fn short(reach: usize) -> u32 {
    u32::try_from(reach).expect("half the side of an image, which fits 32 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Looks at every pixel of every window.
    fn by_looking(labels: &[u16], [height, width]: [usize; 2], reach: usize) -> Vec<u16> {
        let only_label = |row: usize, column: usize| {
            if row.min(column) < reach || row + reach >= height || column + reach >= width {
                return SEVERAL;
            }
            let window = (row - reach..=row + reach)
                .flat_map(|row| &labels[row * width..][column - reach..=column + reach]);
            let mut known = window.filter(|&&label| label != UNKNOWN);
            let Some(&first) = known.next() else {
                return UNKNOWN;
            };
            if known.all(|&label| label == first) {
                first
            } else {
                SEVERAL
            }
        };
        (0..height * width)
            .map(|pixel| only_label(pixel / width, pixel % width))
            .collect()
    }

    fn picture() -> impl Strategy<Value = (Vec<u16>, [usize; 2])> {
        // Mostly one label, so that windows of one label are common.
        let label = prop_oneof![20 => Just(0), 1 => Just(1), 1 => Just(2), 4 => Just(UNKNOWN)];
        (1_usize..14, 1_usize..14).prop_flat_map(move |(height, width)| {
            let labels = proptest::collection::vec(label.clone(), height * width);
            (labels, Just([height, width]))
        })
    }

    proptest! {
        #[test]
        fn windows_hold_what_is_seen_in_them((labels, size) in picture(), reach in 1_usize..5) {
            let expected = by_looking(&labels, size, reach);
            prop_assert_eq!(only_label_within(labels, size, reach), expected);
        }
    }

    #[test]
    fn a_picture_smaller_than_the_window_has_no_inside() {
        assert_eq!(only_label_within(vec![3; 12], [3, 4], 2), [SEVERAL; 12]);
        assert_eq!(only_label_within(vec![], [0, 4], 2), [0; 0]);
    }
}
