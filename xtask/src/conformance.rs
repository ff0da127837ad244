//! The golden suite and the doctor on a device, as a row of the table in `docs/backends.md`.

use crate::{Failure, shell::command};

/// What the golden suite said, read from its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    comparisons: usize,
    forward_failures: usize,
    backward_failures: usize,
    /// The first panic that was no failed comparison.
    stopped: Option<String>,
}

/// Runs both on `device` and returns the row.
///
/// Builds for other backends have a target folder of their own, so that they do not undo the usual
/// build. flex is compiled in too: the doctor compares with it.
pub(crate) fn run(device: &str) -> Result<String, Failure> {
    let backend = device.split(':').next().unwrap_or(device);
    let target = format!("target/{backend}");
    let features = format!("flex,{backend}");
    let build = |verb, package| {
        let mut words = vec![verb, "--release", "--package", package];
        words.extend(["--no-default-features", "--features", &features]);
        words.extend(["--target-dir", &target]);
        words
    };

    let mut compile = build("test", "upernet-golden");
    compile.push("--no-run");
    command("cargo", &compile).run()?;
    let mut suite = build("test", "upernet-golden");
    suite.extend(["--test", "goldens", "--", "--nocapture", "--test-threads=1"]);
    let suite = command("cargo", &suite)
        .variable("UPERNET_DEVICE", device)
        .output()?;
    let text = format!(
        "{}\n{}",
        String::from_utf8_lossy(&suite.stdout),
        String::from_utf8_lossy(&suite.stderr)
    );
    eprintln!("{text}");
    let mut outcome = read(&text);
    if !suite.status.success() && !outcome.has_failures() && outcome.stopped.is_none() {
        outcome.stopped = Some(suite.status.to_string());
    }

    let mut doctor = build("run", "upernet-cli");
    doctor.extend(["--", "doctor", "--device", device]);
    let doctor = command("cargo", &doctor).run();
    Ok(outcome.row(device, doctor.is_ok()))
}

impl Outcome {
    fn has_failures(&self) -> bool {
        self.forward_failures + self.backward_failures > 0
    }

    fn row(&self, device: &str, doctor: bool) -> String {
        let column = |failures: usize| match (&self.stopped, failures) {
            (_, 1..) => format!("{failures} outside the tolerance"),
            (Some(_), 0) => "not finished".to_owned(),
            (None, 0) => "passes".to_owned(),
        };
        let stopped = self.stopped.as_ref();
        let stopped = stopped.map_or_else(String::new, |why| format!("; stopped: {why}"));
        let doctor = if doctor { "passes" } else { "fails" };
        format!(
            "| {device} | {} | {} | {} comparisons in finished folders; doctor {doctor}{stopped} |",
            column(self.forward_failures),
            column(self.backward_failures),
            self.comparisons,
        )
    }
}

/// Reads the suite's lines: `NAME: COUNT comparisons, ...` for each folder, `NAME: WHAT: ...
/// (allowed ...` for each failed comparison.
fn read(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(count) = comparisons(line) {
            outcome.comparisons += count;
        } else if line.contains(" (allowed ") {
            let forward = line.contains(": eval.");
            if forward {
                outcome.forward_failures += 1;
            } else {
                outcome.backward_failures += 1;
            }
        } else if line.contains(" panicked at ")
            && let Some(message) = lines.peek()
            && !message.contains("comparisons failed")
            && outcome.stopped.is_none()
        {
            outcome.stopped = Some(message.trim().to_owned());
        }
    }
    outcome
}

fn comparisons(line: &str) -> Option<usize> {
    let (before, _) = line.split_once(" comparisons, closest ")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as `upernet_golden` prints them.
    const PASSED: &str = "swin: 120 comparisons, closest eval.logits: 2.00e-6 (allowed 1e-4), \
                          worst at 3: 1 instead of 1\n\
                          convnext: 80 comparisons, closest eval.loss: 1.00e-7 (allowed 1e-4)";

    #[test]
    fn comparisons_are_summed_and_closest_calls_are_no_failures() {
        let outcome = read(PASSED);
        assert_eq!(outcome.comparisons, 200);
        assert!(!outcome.has_failures());
        assert_eq!(
            outcome.row("flex", true),
            "| flex | passes | passes | 200 comparisons in finished folders; doctor passes |"
        );
    }

    #[test]
    fn failures_are_told_forward_from_backward() {
        let text = "thread 'main' panicked at goldens.rs:44:5:\n2 comparisons failed:\n\
                    swin: eval.logits: 2.00e-1 (allowed 1e-4), worst at 3: 1 instead of 2\n\
                    swin: norm of the gradient of a.b: 2.00e-1 (allowed 2e-3), worst at 0";
        let outcome = read(text);
        assert_eq!(
            (outcome.forward_failures, outcome.backward_failures),
            (1, 1)
        );
        assert_eq!(outcome.stopped, None);
    }

    #[test]
    fn a_crash_is_neither_passed_nor_failed() {
        let outcome = read("thread 'main' panicked at x.rs:1:1:\ninterpolate_backward failed\n");
        let row = outcome.row("vulkan", false);
        assert_eq!(
            row,
            "| vulkan | not finished | not finished | 0 comparisons in finished folders; doctor \
             fails; stopped: interpolate_backward failed |"
        );
    }
}
