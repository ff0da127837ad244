//! A check in a process of its own: whatever the driver does to that, doctor goes on.

use std::{
    env,
    io::{self, Read},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::checks::Measured;
use crate::{failure::Failure, threads};

/// How often a running check is asked whether it is done.
const PAUSE: Duration = Duration::from_millis(5);

/// How a check's process ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It measured.
    Measured(Measured),
    /// It said what went wrong.
    Failed(String),
    /// It was ended from outside, in these words.
    Ended(String),
}

/// Runs one check on a device, for as long as `limit`.
pub(super) fn run(check: &str, device: &str, limit: Duration) -> Result<Outcome, Failure> {
    let failed = |error| Failure::Failed(format!("a check cannot be started: {error}"));
    let program = env::current_exe().map_err(failed)?;
    let child = Command::new(program)
        .args(["--quiet", "--threads", &threads::count().to_string()])
        .args(["doctor", "--device", device, "--only", check])
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    watch(child, limit).map_err(failed)
}

/// Waits for a process, but no longer than `limit`.
fn watch(mut child: Child, limit: Duration) -> io::Result<Outcome> {
    // Read as it comes, so that a talkative driver never waits for a full pipe.
    let stdout = child.stdout.take().map(read);
    let stderr = child.stderr.take().map(read);
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return Ok(Outcome::Ended(format!(
                "timed out after {} s",
                limit.as_secs()
            )));
        }
        thread::sleep(PAUSE);
    };
    Ok(outcome(status, &text(stdout), &text(stderr)))
}

fn outcome(status: ExitStatus, stdout: &str, stderr: &str) -> Outcome {
    if status.success() {
        return match serde_json::from_str(stdout) {
            Ok(measured) => Outcome::Measured(measured),
            Err(error) => Outcome::Failed(format!("the check's answer is unreadable: {error}")),
        };
    }
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Outcome::Ended(format!("crashed (signal {signal})"));
    }
    let error = stderr
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "));
    Outcome::Failed(error.map_or_else(|| format!("ended with {status}"), str::to_owned))
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before the pipe broke is all there is to know.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn text(reader: Option<JoinHandle<Vec<u8>>>) -> String {
    let bytes = reader
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn a_crash_is_told_from_an_error() {
        let crashed = outcome(ExitStatus::from_raw(11), "", "");
        assert!(matches!(crashed, Outcome::Ended(how) if how == "crashed (signal 11)"));
        let failed = outcome(ExitStatus::from_raw(256), "", "noise\nerror: no memory\n");
        assert!(matches!(failed, Outcome::Failed(message) if message == "no memory"));
    }

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("every Unix has a shell")
    }

    #[test]
    fn a_process_that_hangs_is_ended_and_one_that_crashes_is_survived() {
        let hanging = watch(shell("exec sleep 60"), Duration::from_millis(50)).expect("watched");
        assert!(matches!(hanging, Outcome::Ended(how) if how.starts_with("timed out after")));
        let crashing = watch(shell("kill -SEGV $$"), Duration::from_mins(1)).expect("watched");
        assert!(matches!(crashing, Outcome::Ended(how) if how == "crashed (signal 11)"));
        let talkative = "head -c 1000000 /dev/zero >&2; echo >&2; echo 'error: done' >&2; exit 1";
        let talkative = watch(shell(talkative), Duration::from_mins(1)).expect("watched");
        assert!(matches!(talkative, Outcome::Failed(message) if message == "done"));
    }

    #[test]
    fn an_answer_is_read() {
        let answer = r#"{"compared_with":"flex","forward":0.5,"backward":0.0,
            "allowed_forward":1.0,"allowed_backward":1.0}"#;
        let measured = outcome(ExitStatus::from_raw(0), answer, "");
        assert!(matches!(measured, Outcome::Measured(measured) if measured.is_ok()));
        let cut = outcome(ExitStatus::from_raw(0), "{", "");
        assert!(matches!(cut, Outcome::Failed(_)));
    }
}
