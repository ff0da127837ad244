//! `train`, `config` and `eval`: whole runs of a toy on synthetic scenes, killed, interrupted, damaged.

use std::{fs, path::Path, thread, time::Duration};

use crate::support::{run, start, text};

/// Settings of a run that takes a second and saves often.
const SETTINGS: [&str; 6] = [
    "steps=60",
    "checkpoint.every=3",
    "validation.every=20",
    "ema_decay=0.9",
    "model.drop_path_rate=0.2",
    "data.workers=2",
];

fn arguments(folder: &Path) -> Vec<String> {
    let mut arguments = [
        "train",
        "--preset",
        "smoke",
        "--device",
        "flex",
        "--threads",
        "2",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend(["--out".to_owned(), text(folder)]);
    for setting in SETTINGS {
        arguments.extend(["--set".to_owned(), setting.to_owned()]);
    }
    arguments
}

fn resume(folder: &Path) -> Vec<String> {
    let folder = text(folder);
    [
        "train",
        "--resume",
        &folder,
        "--device",
        "flex",
        "--threads",
        "2",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Asserts that two runs have the same weights, average and optimiser, bit by bit.
fn assert_same_bits(expected: &Path, found: &Path) {
    let read = |path: &Path| fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    for file in [
        "last/model.safetensors",
        "best/model.safetensors",
        "checkpoints/step-00000060/model.safetensors",
        "checkpoints/step-00000060/optimizer.safetensors",
        "checkpoints/step-00000060/ema/model.safetensors",
    ] {
        let same = read(&expected.join(file)) == read(&found.join(file));
        assert!(same, "{file} differs");
    }
}

fn steps_of(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .map(|line: serde_json::Value| line["step"].as_u64().unwrap())
        .collect()
}

#[test]
fn twenty_kills_change_no_bit() {
    let work = tempfile::tempdir().unwrap();
    let (whole, killed) = (work.path().join("whole"), work.path().join("killed"));
    run(arguments(&whole)).succeeded();

    let mut kills = 0;
    let mut next = arguments(&killed);
    // Delays that fall anywhere: in the start, in steps, in the middle of a checkpoint.
    let mut delay = 40;
    while kills < 20 {
        let mut child = start(&next);
        thread::sleep(Duration::from_millis(delay));
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        if killed.join("config.toml").exists() {
            next = resume(&killed);
        }
        if ended.is_some() {
            // It was done before it could be killed: undo its end, and go on killing.
            for step in [60, 57] {
                let folder = killed.join(format!("checkpoints/step-{step:08}"));
                let _ = fs::remove_dir_all(folder);
            }
            delay = 40;
            next = resume(&killed);
            continue;
        }
        kills += 1;
        delay = 40 + (delay * 31 + 17) % 260;
    }
    run(&next).succeeded();
    assert_same_bits(&whole, &killed);
    assert_eq!(steps_of(&whole), steps_of(&killed));
}

#[test]
fn a_kill_after_the_last_checkpoint_leaves_no_old_model() {
    let work = tempfile::tempdir().unwrap();
    let (whole, killed) = (work.path().join("whole"), work.path().join("killed"));
    run(arguments(&whole)).succeeded();
    run(arguments(&killed)).succeeded();
    // As it is between the two parts of the last save.
    let old = killed.join("checkpoints/step-00000057/model.safetensors");
    fs::copy(old, killed.join("last/model.safetensors")).unwrap();
    run(resume(&killed)).succeeded();
    assert_same_bits(&whole, &killed);
}

#[test]
fn a_truncated_checkpoint_is_passed_over_aloud() {
    let work = tempfile::tempdir().unwrap();
    let (whole, damaged) = (work.path().join("whole"), work.path().join("damaged"));
    run(arguments(&whole)).succeeded();
    run(arguments(&damaged)).succeeded();
    let file = damaged.join("checkpoints/step-00000060/model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();

    let ended = run(resume(&damaged)).succeeded();
    let expected = format!("a checkpoint is passed over: {}", text(&file));
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("resumed at step 57"),
        "{}",
        ended.stderr
    );
    assert_same_bits(&whole, &damaged);

    // One byte is enough, and without a whole one there is nothing to resume.
    for step in [57, 60] {
        let file = damaged.join(format!("checkpoints/step-{step:08}/optimizer.safetensors"));
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    run(resume(&damaged)).refused(2, "no checkpoint is whole");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_and_goes_on() {
    let work = tempfile::tempdir().unwrap();
    let (whole, interrupted) = (work.path().join("whole"), work.path().join("interrupted"));
    run(arguments(&whole)).succeeded();

    let child = start(&arguments(&interrupted));
    while !interrupted.join("checkpoints/step-00000003").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("go on with --resume"), "{stderr}");

    run(resume(&interrupted)).succeeded();
    assert_same_bits(&whole, &interrupted);
}

#[test]
fn the_run_folder_has_what_the_help_says() {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().join("run");
    let mut arguments = arguments(&folder);
    arguments.push("--json".to_owned());
    let report = run(arguments).succeeded().json();
    assert_eq!(report["ending"], "finished");
    assert_eq!(report["step"], 60);
    for file in [
        "config.toml",
        "metrics.csv",
        "metrics.jsonl",
        "curves.png",
        "confusion.png",
        "samples/step-00000060.png",
        "best/config.json",
        "last/preprocessor_config.json",
    ] {
        assert!(folder.join(file).is_file(), "{file} is not there");
    }
    // What was trained is a model like any other.
    let best = text(&folder.join("best"));
    run(["models", "info", &best]).succeeded();
    // The folder is taken.
    run(self::arguments(&folder)).refused(2, "resume it with --resume");
}

#[test]
fn settings_that_make_no_sense_are_refused_before_any_work() {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().join("run");
    let out = text(&folder);
    let refused = |settings: &[&str], code, needle: &str| {
        let mut arguments = vec![
            "train", "--preset", "smoke", "--device", "flex", "--out", &out,
        ];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        run(arguments).refused(code, needle);
        assert!(!folder.exists(), "{settings:?} left a folder");
    };
    refused(&["optimizer.lr=1"], 4, "unknown field `lr`");
    refused(&["steps=0"], 2, "steps: use a number above 0");
    refused(
        &["batch_size=3", "accumulate=2"],
        2,
        "batch_size: 3 images do not part evenly over 2",
    );
    refused(&["schedule.curve=wavy"], 4, "schedule.curve=wavy");
    refused(&["loss.terms=[{ kind = 'hinge' }]"], 4, "hinge");
    refused(
        &["model.weights=nowhere"],
        2,
        "model.weights: set model.start",
    );
    refused(
        &["model.start=checkpoint", "model.weights=/no/such/model"],
        3,
        "/no/such/model",
    );
    refused(&["model.config.backbone_config.model_type=vgg"], 4, "vgg");
    refused(&["data.path=/no/such/data"], 3, "/no/such/data");
    refused(
        &["data={ path = '/no/such/data', scenes = { count = 9 } }"],
        2,
        "data.scenes",
    );
    refused(
        &["augmentation.random_crop.size=[8, 8]"],
        2,
        "augmentation: ",
    );
    refused(
        &["augmentation.random_crop.size=[0, 8]"],
        2,
        "augmentation.random_crop.size: ",
    );
    refused(&["data.scenes.size=[8, 8]"], 2, "data.scenes.size: ");
    refused(&["validation.size=[8, 8]"], 2, "validation.size: ");
    refused(
        &["validation.slide_crop=[0, 0]"],
        2,
        "validation.slide_crop: ",
    );
    refused(&["data.scenes.count=0"], 2, "data.scenes.count");
    refused(&["optimizer.learning_rate=0"], 2, "optimizer.learning_rate");

    run(["train", "--resume", "/no/such/run"]).refused(3, "/no/such/run");
    run(["train", "--preset", "nothing", "--out", &out]).refused(4, "there are scratch-small");
    run(["train", "--config", "/no/such.toml", "--out", &out]).refused(3, "/no/such.toml");
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let work = tempfile::tempdir().unwrap();
    let out = text(&work.path().join("run"));
    let ended = run([
        "train",
        "--preset",
        "smoke",
        "--device",
        "flex",
        "--out",
        &out,
        "-q",
        "--set",
        "optimizer.learning_rate=1e30",
    ]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("lower optimizer.learning_rate"),
        "{}",
        ended.stderr
    );
}

#[test]
fn configs_are_written_merged_and_shown() {
    let work = tempfile::tempdir().unwrap();
    let file = text(&work.path().join("street.toml"));
    run(["config", "init", "--preset", "smoke", "--out", &file]).succeeded();
    run(["config", "init", "--out", &file]).refused(1, "already");
    let shown = run([
        "config",
        "show",
        "--config",
        &file,
        "--set",
        "batch_size=4",
        "--json",
    ]);
    let shown = shown.succeeded().json();
    assert_eq!(shown["batch_size"], 4);
    assert_eq!(shown["steps"], 20);

    // What is shown is itself a config.
    let text_of = |arguments: &[&str]| run(arguments).succeeded().stdout;
    let merged = work.path().join("merged.toml");
    fs::write(&merged, text_of(&["config", "show", "--config", &file])).unwrap();
    let again = text_of(&["config", "show", "--config", &text(&merged)]);
    assert_eq!(again, fs::read_to_string(&merged).unwrap());

    for line in text_of(&["config", "presets"]).lines().skip(1) {
        let name = line.split_whitespace().next().unwrap();
        run(["config", "show", "--preset", name]).succeeded();
    }
}

#[test]
fn two_devices_train_as_one() {
    let work = tempfile::tempdir().unwrap();
    let trained = |name: &str, devices: &str, settings: &[&str]| {
        let folder = work.path().join(name);
        let out = text(&folder);
        let mut arguments = vec![
            "train",
            "--preset",
            "smoke",
            "--out",
            &out,
            "--devices",
            devices,
            "--set",
            "log_every=1",
        ];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        run(arguments).succeeded();
        let log = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
        let losses = lines.filter_map(|line: serde_json::Value| line["loss"].as_f64());
        losses.collect::<Vec<_>>()
    };
    // Batch normalisation sees the images of one device, unless its statistics are frozen.
    for (statistics, tolerance) in [("true", 1e-3), ("false", 0.1)] {
        let frozen = format!("freeze.batch_norm_statistics={statistics}");
        for checkpointing in ["false", "true"] {
            let checkpointing = format!("gradient_checkpointing={checkpointing}");
            let settings = [frozen.as_str(), &checkpointing];
            let name = |count| format!("{count}-{}", settings.join("-"));
            let expected = trained(&name(1), "flex", &settings);
            let found = trained(&name(2), "flex,flex", &settings);
            assert_eq!((expected.len(), found.len()), (20, 20), "one line a step");
            for (expected, found) in expected.iter().zip(&found) {
                let off = (expected - found).abs() / expected;
                assert!(off < tolerance, "{settings:?}: {found} is not {expected}");
            }
        }
    }
}

#[test]
fn a_run_that_gets_no_better_stops_early_and_stays_stopped() {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().join("run");
    let mut arguments = arguments(&folder);
    for setting in [
        "optimizer.learning_rate=1e-30",
        "freeze.batch_norm_statistics=true",
        "validation.every=5",
        "validation.patience=2",
    ] {
        arguments.extend(["--set".to_owned(), setting.to_owned()]);
    }
    arguments.push("--json".to_owned());
    let report = run(arguments).succeeded().json();
    // The first is the best, and the next two are no better.
    assert_eq!(
        (&report["ending"], &report["step"]),
        (&"early_stop".into(), &15.into())
    );
    let mut again = resume(&folder);
    again.push("--json".to_owned());
    let report = run(again).succeeded().json();
    assert_eq!(
        (&report["ending"], &report["step"]),
        (&"early_stop".into(), &15.into())
    );
}
