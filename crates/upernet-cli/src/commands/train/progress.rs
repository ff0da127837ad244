//! A run on stderr: a bar on a terminal, lines for everyone.

use indicatif::ProgressBar;
use upernet_train::{Observer, journal::TrainEntry, learner::StepReport, validate::Validation};

use crate::{console::Console, interrupt};

/// Tells how a run goes.
#[derive(Debug)]
pub(super) struct Progress {
    console: Console,
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(console: Console) -> Self {
        Self {
            console,
            bar: console.steps_bar(),
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| self.console.note(text));
    }
}

impl Observer for Progress {
    fn note(&mut self, text: &str) {
        self.line(text);
    }

    fn stepped(&mut self, step: u64, steps: u64, report: &StepReport) {
        self.bar.set_length(steps);
        self.bar.set_position(step);
        self.bar.set_message(format!("loss {:.3}", report.loss));
    }

    fn logged(&mut self, entry: &TrainEntry) {
        if self.bar.is_hidden() {
            self.line(&format!(
                "step {}  loss {:.4}  rate {:.2e}  norm {:.2}  {:.1} images/s",
                entry.step,
                entry.loss,
                entry.learning_rate,
                entry.gradient_norm,
                entry.images_per_second
            ));
        }
    }

    fn validated(&mut self, step: u64, validation: &Validation, is_best: bool) {
        let percent = |score: Option<f64>| {
            score.map_or_else(|| "-".to_owned(), |score| format!("{:.2}", 100.0 * score))
        };
        let scores = &validation.scores;
        self.line(&format!(
            "step {step}  validation  mIoU {}  mAcc {}  aAcc {}  ({} images, {:.1} s){}",
            percent(scores.mean_iou),
            percent(scores.mean_accuracy),
            percent(scores.accuracy),
            validation.images,
            validation.seconds,
            if is_best { "  best so far" } else { "" }
        ));
    }

    fn wants_to_stop(&self) -> bool {
        interrupt::is_pending()
    }
}
