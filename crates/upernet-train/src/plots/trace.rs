//! From values of a series to the points that are drawn of it.

use std::collections::VecDeque;

use super::axis::{Axis, AxisScale};

/// What can be drawn of a series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Trace {
    /// Neighbouring values as coordinates, apart at gaps; no run is empty.
    pub(super) runs: Vec<Vec<[f64; 2]>>,
    /// Where values are no finite numbers.
    pub(super) not_finite: Vec<f64>,
}

impl Trace {
    /// Sorts `points` by their steps and parts them where a value cannot be drawn on `scale`.
    pub(super) fn new(points: &[[f64; 2]], scale: AxisScale) -> Self {
        let mut points: Vec<[f64; 2]> = points
            .iter()
            .copied()
            .filter(|[step, _]| AxisScale::Linear.coordinate(*step).is_some())
            .collect();
        points.sort_by(|[left, _], [right, _]| left.total_cmp(right));
        let mut trace = Self::default();
        let mut run = Vec::new();
        for [step, value] in points {
            if let Some(coordinate) = scale.coordinate(value) {
                run.push([step, coordinate]);
                continue;
            }
            if !run.is_empty() {
                trace.runs.push(std::mem::take(&mut run));
            }
            if !value.is_finite() {
                trace.not_finite.push(step);
            }
        }
        if !run.is_empty() {
            trace.runs.push(run);
        }
        trace
    }

    pub(super) fn points(&self) -> impl Iterator<Item = [f64; 2]> {
        self.runs.iter().flatten().copied()
    }

    /// Returns the running mean of the values, each weighing less than the one after it.
    ///
    /// The mean over about a fortieth of the values, never fewer than five, corrected for its start as
    /// in Kingma and Ba, *Adam* (2015), section 3, <https://arxiv.org/abs/1412.6980>.
    pub(super) fn smoothed(&self) -> Self {
        let count: usize = self.runs.iter().map(Vec::len).sum();
        let keep = 1.0 - 2.0 / ((count as f64 / 40.0).max(5.0) + 1.0);
        let (mut sum, mut weight) = (0.0, 0.0);
        let mut smooth = |[step, value]: &[f64; 2]| {
            sum = keep * sum + (1.0 - keep) * value;
            weight = keep * weight + (1.0 - keep);
            [*step, sum / weight]
        };
        let runs = self.runs.iter();
        Self {
            runs: runs
                .map(|run| run.iter().map(&mut smooth).collect())
                .collect(),
            not_finite: Vec::new(),
        }
    }

    /// Returns the lowest and highest coordinate without the outermost two hundredth on each side.
    pub(super) fn usual_range(&self) -> Option<[f64; 2]> {
        let mut values: Vec<f64> = self.points().map(|[_, value]| value).collect();
        let last = values.len().checked_sub(1)?;
        values.sort_by(f64::total_cmp);
        let beyond = last / 200;
        Some([values[beyond], values[last - beyond]])
    }
}

/// Returns the lowest and highest of all values.
pub(super) fn range(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.fold(None, |range, value| {
        let [low, high] = range.unwrap_or([value, value]);
        Some([low.min(value), high.max(value)])
    })
}

/// Returns the pixels of a run: in each column its first, lowest, highest and last point.
///
/// So 200,000 points become at most four for each column, and no peak is lost.
pub(super) fn pixels(run: &[[f64; 2]], x: &Axis, y: &Axis) -> Vec<[f32; 2]> {
    let mut drawn = Vec::new();
    let mut column: VecDeque<[f32; 2]> = VecDeque::new();
    for &[step, value] in run {
        let point = [x.position(step), y.position(value)];
        let same = |other: &[f32; 2]| (other[0].floor() - point[0].floor()).abs() < 0.5;
        if !column.front().is_none_or(same) {
            drawn.extend(column.drain(..));
        }
        column.push_back(point);
        thin(&mut column);
    }
    drawn.extend(column);
    drawn
}

/// Leaves the first, lowest, highest and last of at most five points.
fn thin(column: &mut VecDeque<[f32; 2]>) {
    if column.len() < 5 {
        return;
    }
    let height = |&index: &usize| column[index][1];
    let inner = 1..4;
    let by_height = |left: &usize, right: &usize| height(left).total_cmp(&height(right));
    let lowest = inner.clone().min_by(by_height);
    let highest = inner.clone().max_by(by_height);
    let between = inner
        .clone()
        .find(|index| Some(*index) != lowest && Some(*index) != highest);
    if let Some(index) = between {
        column.remove(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes() -> (Axis, Axis) {
        let axis = |high| Axis::new(AxisScale::Linear, [0.0, 100.0], 0.0, high);
        (axis(100.0), axis(100.0))
    }

    #[test]
    fn gaps_part_runs_and_are_remembered() {
        let points = [
            [3.0, 7.0],
            [0.0, 1.0],
            [1.0, f64::NAN],
            [2.0, f64::INFINITY],
            [f64::NAN, 5.0],
            [4.0, -8.0],
        ];
        let trace = Trace::new(&points, AxisScale::Linear);
        assert_eq!(
            trace.runs,
            [vec![[0.0, 1.0]], vec![[3.0, 7.0], [4.0, -8.0]]]
        );
        assert_eq!(trace.not_finite, [1.0, 2.0]);
        let trace = Trace::new(&points, AxisScale::Logarithmic);
        assert_eq!(trace.runs.len(), 2, "a negative number has no logarithm");
        assert_eq!(Trace::new(&[], AxisScale::Linear), Trace::default());
        assert_eq!(Trace::default().usual_range(), None);
    }

    #[test]
    fn smoothing_keeps_constants_and_steps() {
        let points: Vec<_> = (0..1000).map(|step| [f64::from(step), 4.25]).collect();
        let smooth = Trace::new(&points, AxisScale::Linear).smoothed();
        for ([step, value], [expected, _]) in smooth.points().zip(points) {
            assert!((step - expected).abs() < 1e-12 && (value - 4.25).abs() < 1e-9);
        }
    }

    #[test]
    fn smoothing_is_the_corrected_running_mean() {
        // Five values to the mean: keep = 1 - 2 / 6; (2/3 * 1/3 * 3 + 1/3 * 9) / (1 - 4/9) = 6.6.
        let smooth = Trace::new(&[[0.0, 3.0], [1.0, 9.0]], AxisScale::Linear).smoothed();
        assert!((smooth.runs[0][0][1] - 3.0).abs() < 1e-12);
        assert!((smooth.runs[0][1][1] - 6.6).abs() < 1e-12);
    }

    #[test]
    fn outliers_are_not_usual() {
        let mut points: Vec<_> = (0..1001).map(|step| [f64::from(step), 1.0]).collect();
        points[7][1] = 1e9;
        let trace = Trace::new(&points, AxisScale::Linear);
        assert_eq!(trace.usual_range(), Some([1.0, 1.0]));
    }

    #[test]
    fn many_points_are_thinned_and_peaks_stay() {
        let (x, y) = axes();
        let mut run: Vec<[f64; 2]> = (0..200_000)
            .map(|index| f64::from(index) / 2000.0)
            .map(|step| [step, 50.0 + 10.0 * (step * 37.0).sin()])
            .collect();
        run[77_777][1] = 99.0;
        run[123_456][1] = 1.0;
        let drawn = pixels(&run, &x, &y);
        assert!(drawn.len() <= 400, "{}", drawn.len());
        assert!(drawn.is_sorted_by(|left, right| left[0] <= right[0]));
        for peak in [[38.8885, 99.0], [61.728, 1.0]] {
            let found = drawn.iter().any(|point| {
                (point[0] - peak[0]).abs() < 1e-3 && (point[1] - peak[1]).abs() < 1e-3
            });
            assert!(found, "{peak:?}");
        }
    }

    #[test]
    fn few_points_are_all_drawn() {
        let (x, y) = axes();
        let run = [[1.0, 5.0], [2.5, 7.0], [2.6, 9.0], [90.0, 3.0]];
        let drawn = pixels(&run, &x, &y);
        assert_eq!(drawn.len(), run.len());
    }
}
