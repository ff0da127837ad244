//! `--threads`: no more threads compute than were asked for.

use crate::support::{run, tiny};

fn threads_of(args: &[&str], environment: Option<&str>) -> u64 {
    let mut command = crate::support::command();
    command
        .args(args)
        .args(["bench", "-m", &tiny(), "--runs", "1", "--json"]);
    if let Some(threads) = environment {
        command.env("RAYON_NUM_THREADS", threads);
    }
    let ended = crate::support::Ended::from(command.output().unwrap()).succeeded();
    ended.json()["machine"]["threads"].as_u64().unwrap()
}

#[test]
fn the_option_comes_before_the_environment() {
    assert_eq!(threads_of(&[], Some("3")), 3);
    assert_eq!(threads_of(&["--threads", "2"], Some("3")), 2);
    assert_eq!(threads_of(&["--threads", "5"], None), 5);
}

#[test]
fn counts_that_make_no_sense_are_usage_errors() {
    for threads in ["0", "-1", "1025", "many", "1.5"] {
        let ended = run(["devices", "--threads", threads]);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{threads}"
        );
    }
}

/// Looks at every thread of the process while it works: at most `threads` have ever computed.
///
/// Others may be there, waiting for a signal for example, and take no time.
#[cfg(target_os = "linux")]
#[test]
fn no_more_threads_take_time_than_were_asked_for() {
    use std::{collections::BTreeMap, fs, process::Stdio, thread, time::Duration};

    use crate::support::{Place, command, photo, text};

    /// Clock ticks of a thread, in user and system mode: the 14th and 15th field, counted from 1, the
    /// second being its name in brackets.
    fn ticks(stat: &str) -> Option<u64> {
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let mut next = || fields.next()?.parse::<u64>().ok();
        Some(next()? + next()?)
    }

    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    for index in 0..1000 {
        // Links cost no disk; where they are refused, a copy does.
        let to = place.path(&format!("in/{index:03}.jpg"));
        fs::hard_link(photo(), &to)
            .or_else(|_| fs::copy(photo(), &to).map(drop))
            .unwrap();
    }
    for threads in [1, 2] {
        let out = place.path(&format!("out{threads}"));
        let mut child = command()
            .args([
                "--threads",
                &threads.to_string(),
                "segment",
                &place.arg("in"),
            ])
            .args(["-m", &tiny(), "-o", &text(&out), "-q"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let tasks = format!("/proc/{}/task", child.id());
        let mut taken: BTreeMap<String, u64> = BTreeMap::new();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            thread::sleep(Duration::from_millis(1));
            for task in fs::read_dir(&tasks).into_iter().flatten().flatten() {
                let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                if let Some(ticks) = ticks(&stat) {
                    let name = task.file_name().into_string().unwrap();
                    let most = taken.entry(name).or_default();
                    *most = ticks.max(*most);
                }
            }
        };
        assert!(status.success());
        let mut ticks: Vec<u64> = taken.into_values().collect();
        ticks.sort_unstable_by(|a, b| b.cmp(a));
        let all: u64 = ticks.iter().sum();
        assert!(all > 20, "too short to see anything: {ticks:?}");
        let others: u64 = ticks.iter().skip(threads).sum();
        assert!(others <= 2, "{threads} threads were asked for: {ticks:?}");
    }
}
