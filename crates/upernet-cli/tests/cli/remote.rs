//! `lend` and `remote:host:port` over loopback: the same numbers, and ends that come at once on either side.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Ended, Place, command, mask, photo, pytorchs_mask, run, start, text, tiny};

/// The longest that anything here may take to notice that the other side is gone.
const BOUND: Duration = Duration::from_mins(1);

/// A process that lends its processor.
struct Lender {
    child: Child,
    /// What others call its device.
    name: String,
}

impl Lender {
    fn start() -> Self {
        Self::start_with_token("")
    }

    fn start_with_token(token: &str) -> Self {
        let mut child = command()
            .args([
                "lend",
                "--listen",
                "127.0.0.1:0",
                "--device",
                "flex",
                "--threads",
                "1",
            ])
            .env("UPERNET_REMOTE_TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let name = line.split_whitespace().next().unwrap().to_owned();
        Self { child, name }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn training(folder: &Path, devices: &str, settings: &[&str]) -> Vec<String> {
    let folder = text(folder);
    let mut arguments = [
        "train",
        "--preset",
        "smoke",
        "--devices",
        devices,
        "--out",
        &folder,
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend(["--threads".to_owned(), "1".to_owned()]);
    let often = [
        "checkpoint.every=2",
        "log_every=1",
        "model.drop_path_rate=0.2",
        "data.workers=1",
        "freeze.batch_norm_statistics=true",
    ];
    for setting in often.iter().chain(settings) {
        arguments.extend(["--set".to_owned(), (*setting).to_owned()]);
    }
    arguments
}

fn resuming(folder: &Path, devices: &str) -> Vec<String> {
    [
        "train",
        "--resume",
        &text(folder),
        "--devices",
        devices,
        "--threads",
        "1",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Waits until the run has a checkpoint of `step`.
fn reach(folder: &Path, step: u64, child: &mut Child) {
    let checkpoint = folder.join(format!("checkpoints/step-{step:08}"));
    let start = Instant::now();
    while !checkpoint.exists() {
        assert!(start.elapsed() < 4 * BOUND, "no step {step}");
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before step {step}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// The end of a process that has to come within [`BOUND`].
fn end_of(mut child: Child) -> Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > BOUND {
            child.kill().unwrap();
            panic!("it hangs: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

/// Step and loss of every line that has a loss.
fn losses(folder: &Path) -> Vec<(u64, f64)> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter_map(|line: serde_json::Value| {
            Some((line["step"].as_u64()?, line["loss"].as_f64()?))
        })
        .collect()
}

/// Asserts equal steps, and losses equal to the rounding of f32 sums in another order, which grows with the steps.
#[track_caller]
fn assert_close(found: &[(u64, f64)], expected: &[(u64, f64)]) {
    assert!(!expected.is_empty(), "no loss was written");
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.0, expected.0);
        let difference = (found.1 - expected.1).abs() / expected.1;
        assert!(
            difference < 1e-3,
            "step {}: {} and {}",
            found.0,
            found.1,
            expected.1
        );
    }
}

#[test]
fn a_photo_is_segmented_as_at_home() {
    let lender = Lender::start();
    let place = Place::new();
    run([
        "segment",
        &photo(),
        "-m",
        &tiny(),
        "-o",
        &place.arg("out"),
        "--device",
        &lender.name,
    ])
    .succeeded();
    let name = Path::new(&photo()).with_extension("png");
    let name = name.file_name().unwrap().to_str().unwrap();
    assert_eq!(mask(&place.path("out").join(name)), pytorchs_mask());
}

#[test]
fn training_far_away_is_training() {
    let work = tempfile::tempdir().unwrap();
    let lenders = [Lender::start(), Lender::start()];
    let [first, second] = lenders.each_ref().map(|lender| lender.name.as_str());
    let folder = |name: &str| work.path().join(name);
    let train = |name: &str, devices: &str, settings: &[&str]| {
        run(training(&folder(name), devices, settings)).succeeded();
        losses(&folder(name))
    };
    let one = train("one", "flex", &[]);
    assert_close(&train("one-far", first, &[]), &one);
    // Two devices part a batch as two parts of `accumulate` do.
    let parts = train("parts", "flex", &["accumulate=2"]);
    assert_close(
        &train("both-far", &format!("{first},{second}"), &[]),
        &parts,
    );
    assert_close(
        &train("one-of-two-far", &format!("flex,{first}"), &[]),
        &parts,
    );
}

#[test]
fn a_killed_client_leaves_its_lenders_to_the_next() {
    let work = tempfile::tempdir().unwrap();
    let (whole, killed) = (work.path().join("whole"), work.path().join("killed"));
    let lenders = [Lender::start(), Lender::start()];
    let devices = lenders
        .each_ref()
        .map(|lender| lender.name.as_str())
        .join(",");
    run(training(&whole, &devices, &[])).succeeded();
    let mut next = training(&killed, &devices, &[]);
    for step in [2, 6, 12] {
        let mut client = start(&next);
        reach(&killed, step, &mut client);
        client.kill().unwrap();
        client.wait().unwrap();
        next = resuming(&killed, &devices);
    }
    run(&next).succeeded();
    assert_close(&losses(&killed), &losses(&whole));
}

/// Kills one of the lenders in the middle of a run; the client has to end soon, and another device to go on.
#[track_caller]
fn the_run_survives(lost: &mut Lender, devices: &str, elsewhere: &str) {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().join("run");
    let mut client = start(&training(&folder, devices, &["steps=2000"]));
    reach(&folder, 4, &mut client);
    lost.kill();
    let ended = Ended::from(end_of(client));
    assert!(matches!(ended.code, Some(1 | 5)), "{ended:?}");
    let errors = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.lines().last().unwrap().starts_with("error: "),
        "{}",
        ended.stderr
    );

    let reached = last_step(&folder);
    let mut resumed = start(&resuming(&folder, elsewhere));
    reach(&folder, reached + 2, &mut resumed);
    resumed.kill().unwrap();
    let resumed = Ended::from(resumed.wait_with_output().unwrap());
    assert!(
        !resumed.stderr.contains("passed over"),
        "{}",
        resumed.stderr
    );
    assert!(
        resumed
            .stderr
            .contains(&format!("resumed at step {reached}")),
        "{}",
        resumed.stderr
    );
}

/// The step of the newest checkpoint.
fn last_step(folder: &Path) -> u64 {
    let steps = crate::support::names(&folder.join("checkpoints"));
    let steps = steps
        .iter()
        .filter_map(|name| name.strip_prefix("step-")?.parse().ok());
    steps.max().unwrap()
}

#[test]
fn a_killed_lender_ends_its_client_and_not_the_run() {
    let mut lost = Lender::start();
    let name = lost.name.clone();
    the_run_survives(&mut lost, &name, "flex");
}

#[test]
fn one_killed_lender_of_two_ends_the_client_too() {
    for first_is_lost in [true, false] {
        let (mut lost, kept) = (Lender::start(), Lender::start());
        let devices = if first_is_lost {
            format!("{},{}", lost.name, kept.name)
        } else {
            format!("{},{}", kept.name, lost.name)
        };
        // The other lender was left with half of the work, and serves the next.
        the_run_survives(&mut lost, &devices, &kept.name);
    }
}

#[test]
fn nobody_there_is_one_line_within_seconds() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("remote:127.0.0.1:{}", free.local_addr().unwrap().port());
    drop(free);
    let started = Instant::now();
    run([
        "train",
        "--preset",
        "smoke",
        "--devices",
        &name,
        "--out",
        "never",
    ])
    .refused(5, "nothing answered within 10 s");
    assert!(started.elapsed() < BOUND);
    // A host that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("remote:127.0.0.1:{}", silent.local_addr().unwrap().port());
    run(["doctor", "--device", &name]).refused(5, "did not answer within 10 s");
    run(["doctor", "--device", "remote:gpu"]).refused(2, "remote:host:port");
}

#[test]
fn a_device_that_is_not_lent_is_told_from_those_that_are() {
    let lender = Lender::start();
    run(["doctor", "--device", &format!("{}/1", lender.name)])
        .refused(5, "one device is lent there, /0");
}

#[test]
fn strangers_are_refused_by_a_token() {
    let lender = Lender::start_with_token("open sesame");
    let check = |token: &str| -> Ended {
        let arguments = ["doctor", "--only", "gelu", "--device", &lender.name];
        let output = command()
            .args(arguments)
            .env("UPERNET_REMOTE_TOKEN", token)
            .output();
        output.unwrap().into()
    };
    check("").refused(5, "set UPERNET_REMOTE_TOKEN");
    check("open barley").refused(5, "set UPERNET_REMOTE_TOKEN");
    check("open sesame").succeeded();
}

#[test]
fn a_taken_port_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(["lend", "--device", "flex", "--listen", &address]).refused(1, "choose another --listen");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_lending() {
    let lender = Lender::start();
    let id = lender.child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(sent.unwrap().success());
    let mut lender = lender;
    assert_eq!(lender.child.wait().unwrap().code(), Some(130));
}
