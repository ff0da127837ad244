//! The learning rate over the steps.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How the learning rate goes from step to step, as a share of the base rate.
///
/// The warm-up multiplies the curve, as in mmcv: `warmup_ratio` at step 0, growing linearly to 1 after
/// `warmup_steps`. (One-cycle has its own and takes none.)
///
/// ```
/// use upernet_train::schedule::{Curve, Schedule};
///
/// let schedule = Schedule { curve: Curve::Poly, power: 1.0, ..Schedule::default() };
/// assert_eq!(schedule.factor(0, 100), 1.0);
/// assert_eq!(schedule.factor(75, 100), 0.25);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The curve after the warm-up.
    pub curve: Curve,
    /// Exponent of the poly curve.
    pub power: f64,
    /// Share of the base rate that the curve ends at.
    pub minimum: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Share of the rate that the warm-up starts with.
    pub warmup_ratio: f64,
}

/// A curve from 1 at the first step towards its minimum at the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// `(1 - step / steps)^power`. Upstream: mmcv's `PolyLrUpdaterHook`.
    Poly,
    /// Half a cosine. Source: Loshchilov and Hutter, *SGDR* (2017), without restarts.
    Cosine,
    /// Up from 1/25 over the first 30 % of the steps, then down to 1/250,000, both along half a cosine.
    /// Upstream: `torch.optim.lr_scheduler.OneCycleLR` with its defaults.
    OneCycle,
    /// 1 throughout.
    Constant,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            curve: Curve::Poly,
            power: 0.9,
            minimum: 0.0,
            warmup_steps: 0,
            warmup_ratio: 1e-6,
        }
    }
}

impl Schedule {
    /// The factor of the base rate at `step`, counted from 0, of `steps`.
    #[must_use]
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        let progress = (step as f64 / steps.max(1) as f64).min(1.0);
        let fall = |share: f64| self.minimum + (1.0 - self.minimum) * share;
        let curve = match self.curve {
            Curve::Poly => fall((1.0 - progress).powf(self.power)),
            Curve::Cosine => fall(half_cosine(progress)),
            Curve::OneCycle => return one_cycle(step, steps),
            Curve::Constant => 1.0,
        };
        curve * self.warmup(step)
    }

    fn warmup(&self, step: u64) -> f64 {
        if step >= self.warmup_steps {
            return 1.0;
        }
        let share = step as f64 / self.warmup_steps as f64;
        self.warmup_ratio + (1.0 - self.warmup_ratio) * share
    }

    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the field.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |name, problem: &str| {
            Err(Error::Setting {
                name,
                problem: problem.to_owned(),
            })
        };
        if !(self.power.is_finite() && self.power > 0.0) {
            return refuse("schedule.power", "use a number above 0");
        }
        if !(0.0..=1.0).contains(&self.minimum) {
            return refuse("schedule.minimum", "use a share from 0 to 1");
        }
        if !(0.0..=1.0).contains(&self.warmup_ratio) {
            return refuse("schedule.warmup_ratio", "use a share from 0 to 1");
        }
        Ok(())
    }
}

/// From 1 at 0 to 0 at 1.
fn half_cosine(progress: f64) -> f64 {
    f64::midpoint(1.0, (std::f64::consts::PI * progress).cos())
}

fn one_cycle(step: u64, steps: u64) -> f64 {
    const START: f64 = 1.0 / 25.0;
    const END: f64 = START / 1e4;
    let last = steps.saturating_sub(1).max(1) as f64;
    let peak = 0.3 * steps as f64 - 1.0;
    let step = step as f64;
    if step <= peak {
        let share = if peak > 0.0 { step / peak } else { 1.0 };
        START + (1.0 - START) * (1.0 - half_cosine(share))
    } else {
        let share = ((step - peak) / (last - peak)).clamp(0.0, 1.0);
        END + (1.0 - END) * half_cosine(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(curve: Curve) -> Schedule {
        Schedule {
            curve,
            ..Schedule::default()
        }
    }

    fn assert_close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn poly_falls_to_nothing() {
        // The published Swin recipe: power 1, 1,500 steps of warm-up from a millionth, of 160,000.
        let swin = Schedule {
            power: 1.0,
            warmup_steps: 1500,
            ..schedule(Curve::Poly)
        };
        assert_close(swin.factor(0, 160_000), 1e-6);
        assert_close(
            swin.factor(750, 160_000),
            (0.5 + 0.5e-6) * (1.0 - 750.0 / 160_000.0),
        );
        assert_close(swin.factor(80_000, 160_000), 0.5);
        assert_close(swin.factor(160_000, 160_000), 0.0);
    }

    #[test]
    fn cosine_is_half_way_in_the_middle() {
        let cosine = Schedule {
            minimum: 0.2,
            ..schedule(Curve::Cosine)
        };
        assert_close(cosine.factor(0, 10), 1.0);
        assert_close(cosine.factor(5, 10), 0.6);
        assert_close(cosine.factor(10, 10), 0.2);
    }

    /// torch 2.15: `OneCycleLR(SGD([p], 1.0), max_lr=1.0, total_steps=10)`, its rates step by step.
    #[test]
    fn one_cycle_follows_torch() {
        let expected = [
            0.04,
            0.52,
            1.0,
            0.950_484_632_013_473_7,
            0.811_745_653_949_763_8,
            0.611_262_021_936_289_3,
            0.388_741_978_063_710_75,
            0.188_258_346_050_236_1,
            0.049_519_367_986_526_286,
            4e-6,
        ];
        let one_cycle = schedule(Curve::OneCycle);
        for (step, expected) in (0..10).zip(expected) {
            assert_close(one_cycle.factor(step, 10), expected);
        }
    }

    #[test]
    fn numbers_out_of_range_name_their_field() {
        let negative = Schedule {
            power: -1.0,
            ..Schedule::default()
        };
        let message = negative.check().unwrap_err().to_string();
        assert_eq!(message, "schedule.power: use a number above 0");
    }
}
