//! Interrupts, closed pipes and full disks on the other end of stdout.

use std::process::Stdio;

use crate::support::{command, run};

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = command()
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_printed_are_a_failure() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command()
        .args(["models", "ls"])
        .stdout(full)
        .output()
        .unwrap();
    crate::support::Ended::from(output).refused(1, "standard output: cannot be written");
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_whole_files_alone() {
    use std::{fs, process::Command, thread, time::Duration};

    use crate::support::{Place, mask, names, photo, pytorchs_mask, text, tiny};

    /// So many that a busy machine cannot finish them before it gets to the interrupt.
    const PHOTOS: usize = 3000;

    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    for index in 0..PHOTOS {
        // Links cost no disk; where they are refused, a copy does.
        let to = place.path(&format!("in/{index:04}.jpg"));
        fs::hard_link(photo(), &to)
            .or_else(|_| fs::copy(photo(), &to).map(drop))
            .unwrap();
    }
    let out = place.path("out");
    let child = command()
        .args([
            "segment",
            &place.arg("in"),
            "-m",
            &tiny(),
            "-o",
            &text(&out),
            "-q",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while names(&out).len() < 20 {
        thread::sleep(Duration::from_millis(2));
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(output.stderr, b"error: interrupted\n");

    let written = names(&out);
    assert!(
        written.len() < 2 * PHOTOS,
        "the run was over before it was interrupted"
    );
    let expected = pytorchs_mask();
    for name in written {
        assert!(!name.starts_with('.'), "{name} was left behind");
        if !name.contains("overlay") {
            assert_eq!(mask(&out.join(&name)), expected, "{name}");
        }
    }
}

#[test]
fn quiet_and_verbose_exclude_each_other() {
    assert_eq!(run(["devices", "-q", "-v"]).code, Some(2));
}
