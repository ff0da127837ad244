//! Square grids of learned numbers, brought to other sizes as `torch.nn.functional.interpolate` does with
//! `align_corners=False`.

mod lowered;

use crate::rounding::rounded;

/// Which cells of the learned grid a new cell is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interpolation {
    /// The four nearest.
    Bilinear,
    /// The sixteen nearest.
    Bicubic,
    /// More than those where the grid becomes smaller.
    AntialiasedBicubic,
}

/// The slope of the cubic kernel at a distance of 1, as PyTorch and OpenCV have it.
pub(crate) const SLOPE: f32 = -0.75;

/// The same where it is antialiased, as Pillow has it.
pub(crate) const ANTIALIASED_SLOPE: f32 = -0.5;

/// `[side, side, channels]` to `[height, width, channels]`.
pub(crate) fn resized(
    grid: &[f32],
    side: usize,
    [height, width]: [usize; 2],
    interpolation: Interpolation,
) -> Vec<f32> {
    let line = grid.len() / side;
    let channels = line / side;
    let columns: Vec<_> = (0..width)
        .map(|column| interpolation.taps(column, [side, width]))
        .collect();
    let mut made = Vec::with_capacity(height * width * channels);
    for row in 0..height {
        let mut sums = vec![0.0; line];
        for (from, weight) in interpolation.taps(row, [side, height]) {
            let values = grid[from * line..][..line].iter().map(|&x| f64::from(x));
            add(&mut sums, values, weight);
        }
        for taps in &columns {
            let mut cell = vec![0.0; channels];
            for &(from, weight) in taps {
                let values = sums[from * channels..][..channels].iter().copied();
                add(&mut cell, values, weight);
            }
            made.extend(cell.into_iter().map(rounded));
        }
    }
    made
}

fn add(sums: &mut [f64], values: impl Iterator<Item = f64>, weight: f64) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += weight * value;
    }
}

impl Interpolation {
    /// What position `position` of `to` takes of the `from` positions of a line.
    fn taps(self, position: usize, [from, to]: [usize; 2]) -> Vec<(usize, f64)> {
        match self {
            Self::Bilinear => bilinear(position, [from, to]),
            Self::Bicubic => bicubic(position, [from, to]),
            Self::AntialiasedBicubic => antialiased(position, [from, to]),
        }
    }
}

/// Two positions around the source, which is none beyond the ends.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position is clamped to 0 ..= from - 1 before it becomes an index"
)]
fn bilinear(position: usize, [from, to]: [usize; 2]) -> Vec<(usize, f64)> {
    let source = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let source = source.clamp(0.0, (from - 1) as f64);
    let low = source as usize;
    let share = source - low as f64;
    vec![(low, 1.0 - share), ((low + 1).min(from - 1), share)]
}

/// Four positions around the source, those beyond the ends counted to the ends.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position is clamped to 0 ..= from - 1 before it becomes an index"
)]
fn bicubic(position: usize, [from, to]: [usize; 2]) -> Vec<(usize, f64)> {
    let source = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let low = source.floor();
    [-1.0, 0.0, 1.0, 2.0]
        .map(|tap| {
            let cell: f64 = low + tap;
            let index = cell.clamp(0.0, (from - 1) as f64) as usize;
            (index, cubic(source - cell, SLOPE))
        })
        .to_vec()
}

/// As far as the kernel reaches, which is wider where the line shrinks; what is beyond the ends is left
/// out, and the others are scaled to a sum of one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position is clamped to 0 ..= from before it becomes an index"
)]
fn antialiased(position: usize, [from, to]: [usize; 2]) -> Vec<(usize, f64)> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let center = scale * (position as f64 + 0.5);
    let first = (center - 2.0 * stretch + 0.5).max(0.0) as usize;
    let end = ((center + 2.0 * stretch + 0.5) as usize).min(from);
    let weight = |cell: usize| cubic((cell as f64 - center + 0.5) / stretch, ANTIALIASED_SLOPE);
    let sum: f64 = (first..end).map(weight).sum();
    (first..end)
        .map(|cell| (cell, weight(cell) / sum))
        .collect()
}

/// Keys's cubic kernel, of slope `a` at 1.
fn cubic(distance: f64, a: f32) -> f64 {
    let (x, a) = (distance.abs(), f64::from(a));
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        a * (((x - 5.0) * x + 8.0) * x - 4.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Interpolation, resized};

    const ALL: [Interpolation; 3] = [
        Interpolation::Bilinear,
        Interpolation::Bicubic,
        Interpolation::AntialiasedBicubic,
    ];

    /// `interpolate(torch.arange(9.).square().reshape(1, 1, 3, 3), (2, 5), mode="bicubic", ...)` of
    /// torch 2.15.
    #[rstest]
    #[case::plain(Interpolation::Bicubic, [
        0.883_594, 1.624_75, 3.238_28, 5.931_81, 7.784_97, 29.0615, 33.8003, 42.0508, 51.3813,
        57.2321,
    ])]
    #[case::antialiased(Interpolation::AntialiasedBicubic, [
        1.850_05, 2.850_95, 4.924_56, 8.207_12, 10.15, 26.0725, 30.2327, 38.0546, 47.0854, 52.1876,
    ])]
    fn values_are_those_of_torch(
        #[case] interpolation: Interpolation,
        #[case] expected: [f32; 10],
    ) {
        let learned: Vec<f32> = (0_u8..9).map(|i| f32::from(i).powi(2)).collect();
        let found = resized(&learned, 3, [2, 5], interpolation);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
        }
    }

    #[test]
    fn the_size_that_was_learned_changes_nothing() {
        let learned: Vec<f32> = (0_u8..50).map(f32::from).collect();
        for interpolation in ALL {
            assert_eq!(resized(&learned, 5, [5, 5], interpolation), learned);
        }
    }

    #[test]
    fn channels_stay_apart() {
        // The second channel is ten times the first.
        let learned: Vec<f32> = (0_u8..9)
            .map(f32::from)
            .flat_map(|x| [x, 10.0 * x])
            .collect();
        for interpolation in ALL {
            let made = resized(&learned, 3, [7, 2], interpolation);
            assert_eq!(made.len(), 7 * 2 * 2);
            for cell in made.chunks_exact(2) {
                assert!((cell[1] - 10.0 * cell[0]).abs() < 1e-4, "{cell:?}");
            }
        }
    }

    /// Of a constant nothing but the constant can come.
    #[test]
    fn weights_sum_to_one() {
        for interpolation in ALL {
            for (from, to) in [(1, 5), (4, 3), (5, 14), (14, 32), (37, 1)] {
                for position in 0..to {
                    let taps = interpolation.taps(position, [from, to]);
                    let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{from} to {to}: {sum}");
                }
            }
        }
    }
}
