//! One axis of two bilinear resizes in a row, as one sparse operator.

/// At most this many source positions count for one output position: two taps of two taps.
pub(super) const MOST_TAPS: usize = 4;

/// For each output position of one axis, which source positions count and how much.
#[derive(Debug)]
pub(super) struct AxisTaps {
    taps: Vec<Taps>,
    source: usize,
}

/// Source positions in rising order; the first `count` are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Taps {
    pub(super) indices: [usize; MOST_TAPS],
    pub(super) weights: [f32; MOST_TAPS],
    pub(super) count: usize,
}

impl AxisTaps {
    /// Composes the resize from `source` to `middle` positions with that from `middle` to `target`.
    pub(super) fn new(source: usize, middle: usize, target: usize) -> Self {
        let compose = |position| {
            let mut taps = Taps::default();
            for (inner, outer_weight) in bilinear_taps(middle, target, position) {
                for (index, inner_weight) in bilinear_taps(source, middle, inner) {
                    taps.add(index, outer_weight * inner_weight);
                }
            }
            taps
        };
        Self {
            taps: (0..target).map(compose).collect(),
            source,
        }
    }

    /// Number of output positions.
    pub(super) fn len(&self) -> usize {
        self.taps.len()
    }

    /// Number of source positions.
    pub(super) fn source(&self) -> usize {
        self.source
    }

    /// The taps of each output position.
    pub(super) fn taps(&self) -> &[Taps] {
        &self.taps
    }
}

impl Taps {
    /// The source positions in use, with their weights.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, f32)> {
        self.indices.into_iter().zip(self.weights).take(self.count)
    }

    /// Adds a source position; positions come in rising order, but the same one may come again.
    fn add(&mut self, index: usize, weight: f32) {
        if weight == 0.0 {
            return;
        }
        let used = &self.indices[..self.count];
        let place = used
            .iter()
            .position(|&known| known == index)
            .unwrap_or(self.count);
        self.indices[place] = index;
        self.weights[place] += weight;
        self.count = self.count.max(place + 1);
    }
}

/// The two taps of a plain bilinear resize with half-pixel centres.
///
/// In f32 like torch (`area_pixel_compute_source_index`), because at large positions the rounding there
/// moves a weight by more than the rounding of a logit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the position is not negative and truncation is the rule"
)]
fn bilinear_taps(source: usize, target: usize, position: usize) -> [(usize, f32); 2] {
    if source == target {
        return [(position, 1.0), (position, 0.0)];
    }
    let scale = source as f32 / target as f32;
    let place = (scale * (position as f32 + 0.5) - 0.5).max(0.0);
    let lower = (place as usize).min(source - 1);
    let upper_weight = (place - lower as f32).clamp(0.0, 1.0);
    [
        (lower, 1.0 - upper_weight),
        ((lower + 1).min(source - 1), upper_weight),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taps(axis: &AxisTaps, position: usize) -> Vec<(usize, f32)> {
        axis.taps()[position].iter().collect()
    }

    #[test]
    fn identity_first_leaves_the_second_alone() {
        let axis = AxisTaps::new(2, 2, 4);
        assert_eq!((axis.len(), axis.source()), (4, 2));
        assert_eq!(taps(&axis, 0), [(0, 1.0)]);
        assert_eq!(taps(&axis, 1), [(0, 0.75), (1, 0.25)]);
        assert_eq!(taps(&axis, 3), [(1, 1.0)]);
    }

    #[test]
    fn two_steps_make_up_to_four_taps() {
        // From 16 to 6 to 3: 16/6 apart in the source, two of them for each of the last positions.
        let axis = AxisTaps::new(16, 6, 3);
        assert_eq!(axis.taps().iter().map(|taps| taps.count).max(), Some(4));
        for taps in axis.taps() {
            let used = &taps.indices[..taps.count];
            assert!(
                used.is_sorted() && used.iter().all(|&index| index < 16),
                "{taps:?}"
            );
            assert!(
                (taps.weights.iter().sum::<f32>() - 1.0).abs() < 1e-6,
                "{taps:?}"
            );
        }
    }

    #[test]
    fn equal_sizes_are_the_identity() {
        let axis = AxisTaps::new(5, 5, 5);
        for position in 0..5 {
            assert_eq!(taps(&axis, position), [(position, 1.0)]);
        }
    }
}
