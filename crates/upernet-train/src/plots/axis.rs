//! Axes: where a value lies on the picture, and the round values that are written beside it.

/// How values become places along an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AxisScale {
    /// Equal differences are equally long.
    #[default]
    Linear,
    /// Equal ratios are equally long; values that are not above zero leave a gap.
    Logarithmic,
}

/// Beyond this, differences would leave the range of numbers.
const LARGEST: f64 = 1e300;

/// An axis between two pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    scale: AxisScale,
    low: f64,
    high: f64,
    start: f32,
    end: f32,
}

/// A place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// The pixel.
    pub(super) position: f32,
    /// What is written there; empty between round values.
    pub(super) label: String,
}

impl AxisScale {
    /// Returns what is drawn evenly: the value or its logarithm; nothing if it cannot be drawn.
    pub(super) fn coordinate(self, value: f64) -> Option<f64> {
        match self {
            Self::Linear => (value.abs() <= LARGEST).then_some(value),
            Self::Logarithmic => (value > 0.0 && value.is_finite()).then(|| value.log10()),
        }
    }

    fn value(self, coordinate: f64) -> f64 {
        match self {
            Self::Linear => coordinate,
            Self::Logarithmic => 10.0_f64.powf(coordinate),
        }
    }
}

impl Axis {
    /// Makes an axis for `range` (lowest and highest coordinate) from pixel `start` to pixel `end`.
    ///
    /// A range without extent is widened around its value.
    pub(super) fn new(scale: AxisScale, range: [f64; 2], start: f32, end: f32) -> Self {
        let [low, high] = range;
        let largest = low.abs().max(high.abs());
        let [low, high] = if high - low > largest * 1e-9 {
            range
        } else {
            let margin = match scale {
                AxisScale::Linear if largest > 0.0 => largest * 0.1,
                AxisScale::Linear => 1.0,
                AxisScale::Logarithmic => 0.5,
            };
            [low - margin, high + margin]
        };
        Self {
            scale,
            low,
            high,
            start,
            end,
        }
    }

    /// Returns the axis with `share` of its extent added at both ends.
    pub(super) fn with_margin(self, share: f64) -> Self {
        let margin = (self.high - self.low) * share;
        Self {
            low: self.low - margin,
            high: self.high + margin,
            ..self
        }
    }

    /// Returns the pixels of its lowest and of its highest value.
    pub(super) fn ends(&self) -> (f32, f32) {
        (self.start, self.end)
    }

    /// Returns the pixel of a coordinate; far outside of the axis it stays near its ends.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share of an axis needs no more digits"
    )]
    pub(super) fn position(&self, coordinate: f64) -> f32 {
        let share = ((coordinate - self.low) / (self.high - self.low)).clamp(-2.0, 3.0) as f32;
        self.start + share * (self.end - self.start)
    }

    /// Returns about `most` round values within the axis, and on a logarithmic one those between them.
    pub(super) fn ticks(&self, most: f64) -> Vec<Tick> {
        match self.scale {
            AxisScale::Linear => self.even_ticks(most),
            AxisScale::Logarithmic => self.decade_ticks(most),
        }
    }

    fn even_ticks(&self, most: f64) -> Vec<Tick> {
        let (low, high) = (self.scale.value(self.low), self.scale.value(self.high));
        let step = round_step((high - low) / most);
        let first = (low / step - 1e-6).ceil();
        let count = ((high / step + 1e-6).floor() - first + 1.0).clamp(0.0, 2.0 * most + 2.0);
        let largest = low.abs().max(high.abs());
        let mut ticks = Vec::new();
        let mut index = 0.0;
        while index < count {
            let value = (first + index) * step;
            if let Some(coordinate) = self.scale.coordinate(value) {
                ticks.push(Tick {
                    position: self.position(coordinate),
                    label: label(value, step, largest),
                });
            }
            index += 1.0;
        }
        ticks
    }

    fn decade_ticks(&self, most: f64) -> Vec<Tick> {
        let decades = self.high - self.low;
        let labelled: &[f64] = if decades > 2.0 {
            &[1.0]
        } else if decades > 1.2 {
            &[1.0, 3.0]
        } else {
            &[1.0, 2.0, 3.0, 5.0, 7.0]
        };
        if decades < 0.3 {
            return self.even_ticks(most);
        }
        let every = (decades / most).ceil().max(1.0);
        let mut ticks = Vec::new();
        let mut decade = (self.low / every).floor() * every;
        while decade <= self.high {
            // Between powers that are not written all there is no room for more lines.
            let between = if every > 1.0 { 1 } else { 9 };
            for digit in (1..=between).map(f64::from) {
                let coordinate = decade + digit.log10();
                if coordinate < self.low - 1e-9 || coordinate > self.high + 1e-9 {
                    continue;
                }
                let value = digit * 10.0_f64.powf(decade);
                let label = if labelled.contains(&digit) {
                    scientific(value, 0)
                } else {
                    String::new()
                };
                let position = self.position(coordinate);
                ticks.push(Tick { position, label });
            }
            decade += every;
        }
        ticks
    }
}

/// Returns the smallest of 1, 2 and 5 times a power of ten that is not below `least`.
pub(super) fn round_step(least: f64) -> f64 {
    let power = 10.0_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Writes a multiple of `step` on an axis whose values go up to `largest`.
fn label(value: f64, step: f64, largest: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    if !(1e-3..1e9).contains(&largest) {
        let digits = value.abs().log10().floor() - step.log10().floor();
        return scientific(value, decimals(digits));
    }
    let (unit, name) = if largest >= 1e6 {
        (1e6, "M")
    } else if largest >= 1e4 {
        (1e3, "k")
    } else {
        (1.0, "")
    };
    let digits = decimals(-((step / unit).log10() + 1e-9).floor());
    with_minus(&format!("{:.digits$}{name}", value / unit))
}

fn scientific(value: f64, digits: usize) -> String {
    with_minus(&format!("{value:.digits$e}"))
}

/// A hyphen before the whole number becomes a minus sign, as wide as a digit.
fn with_minus(number: &str) -> String {
    number
        .strip_prefix('-')
        .map_or_else(|| number.to_owned(), |positive| format!("−{positive}"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a number has"
)]
fn decimals(count: f64) -> usize {
    count.clamp(0.0, 12.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: AxisScale, range: [f64; 2], most: f64) -> Vec<String> {
        let ticks = Axis::new(scale, range, 0.0, 100.0).ticks(most);
        let labels = ticks.into_iter().map(|tick| tick.label);
        labels.filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn values_between_the_ends_lie_between_the_pixels() {
        let axis = Axis::new(AxisScale::Linear, [-1.0, 3.0], 200.0, 100.0);
        for (value, pixel) in [(-1.0, 200.0), (3.0, 100.0), (0.0, 175.0), (1e299, -100.0)] {
            assert!((axis.position(value) - pixel).abs() < 1e-4, "{value}");
        }
        let wider = axis.with_margin(0.5);
        assert!((wider.position(-1.0) - 175.0).abs() < 1e-4);
    }

    #[test]
    fn steps_are_1_2_or_5() {
        for (least, step) in [
            (0.3, 0.5),
            (1.0, 1.0),
            (1.01, 2.0),
            (6.0, 10.0),
            (2e-7, 2e-7),
        ] {
            assert!((round_step(least) / step - 1.0).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn numbers_are_written_with_the_digits_that_differ() {
        use AxisScale::Linear;
        assert_eq!(
            labels(Linear, [0.0, 1.0], 4.0),
            ["0.0", "0.5", "1.0"].map(|label| label.replace("0.0", "0"))
        );
        assert_eq!(
            labels(Linear, [0.0, 40_000.0], 4.0),
            ["0", "10k", "20k", "30k", "40k"]
        );
        assert_eq!(labels(Linear, [-2.0, 2.0], 2.0), ["−2", "0", "2"]);
        assert_eq!(
            labels(Linear, [0.0, 6e-5], 3.0),
            ["0", "2e-5", "4e-5", "6e-5"]
        );
        assert_eq!(
            labels(Linear, [0.71, 0.74], 3.0),
            ["0.71", "0.72", "0.73", "0.74"]
        );
        assert_eq!(
            labels(Linear, [1.5e6, 2.5e6], 2.0),
            ["1.5M", "2.0M", "2.5M"]
        );
    }

    #[test]
    fn powers_of_ten_carry_a_logarithmic_axis() {
        use AxisScale::Logarithmic;
        assert_eq!(
            labels(Logarithmic, [-6.0, -3.0], 5.0),
            ["1e-6", "1e-5", "1e-4", "1e-3"]
        );
        assert_eq!(
            labels(Logarithmic, [-4.0, -2.7], 5.0),
            ["1e-4", "3e-4", "1e-3"]
        );
        assert_eq!(labels(Logarithmic, [-30.0, 30.0], 4.0).len(), 5);
        // Hardly more than one value: even steps say more than powers.
        assert!(labels(Logarithmic, [-4.0, -3.99], 5.0).len() > 2);
        assert_eq!(Logarithmic.coordinate(0.0), None);
        assert_eq!(Logarithmic.coordinate(100.0), Some(2.0));
    }

    #[test]
    fn a_single_value_lies_in_the_middle() {
        for value in [0.0, 5.0, -3e-12, 1e300, -1e300] {
            let axis = Axis::new(AxisScale::Linear, [value; 2], 0.0, 100.0);
            assert!((axis.position(value) - 50.0).abs() < 1e-3, "{value}");
            let ticks = axis.ticks(4.0);
            assert!(!ticks.is_empty() && ticks.len() < 12, "{value}: {ticks:?}");
        }
    }
}
