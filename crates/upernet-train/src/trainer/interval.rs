//! What the log says of some steps together.

use crate::{journal::TrainEntry, learner::StepReport};

/// Sums over the steps since the last line of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Interval {
    steps: u64,
    seconds: f64,
    waited: f64,
    norms: f64,
    sum: StepReport,
}

impl Interval {
    pub(super) fn add(&mut self, report: &StepReport, waited: f64, seconds: f64) {
        self.steps += 1;
        self.seconds += seconds;
        self.waited += waited;
        self.norms += report.gradient_norm;
        self.sum.add(report);
        self.sum.update_seconds += report.update_seconds;
    }

    /// Means over the steps; whoever logs them knows the step, the epoch and the rate.
    pub(super) fn entry(self, batch_size: usize) -> TrainEntry {
        let steps = self.steps.max(1) as f64;
        let parts = self.sum.parts.into_iter();
        TrainEntry {
            loss: self.sum.loss / steps,
            parts: parts.map(|(name, sum)| (name, sum / steps)).collect(),
            gradient_norm: self.norms / steps,
            images_per_second: steps * batch_size as f64 / self.seconds.max(f64::MIN_POSITIVE),
            data_seconds: self.waited / steps,
            forward_seconds: self.sum.forward_seconds / steps,
            backward_seconds: self.sum.backward_seconds / steps,
            update_seconds: self.sum.update_seconds / steps,
            ..TrainEntry::default()
        }
    }
}
