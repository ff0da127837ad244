//! `data`, `eval` and `demo`: datasets good and bad, scores that can be counted by hand.

use std::{fs, path::Path};

use crate::support::{run, text};

/// Ten scenes, two of them to validate on.
fn scenes(folder: &Path) -> String {
    let out = text(&folder.join("scenes"));
    let made = run([
        "data",
        "synth",
        "--count",
        "10",
        "--size",
        "64x96",
        "--seed",
        "3",
        "--validation",
        "0.2",
        "--out",
        &out,
    ]);
    let made = made.succeeded();
    assert_eq!(made.stdout, "training: 8 samples\nvalidation: 2 samples\n");
    out
}

/// The class ids of an indexed PNG.
fn ids(path: &Path) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap()))
        .read_info()
        .unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!(info.bit_depth, png::BitDepth::Eight, "one byte a pixel");
    bytes.truncate(info.buffer_size());
    bytes
}

fn write_ids(path: &Path, size: [u32; 2], color: png::ColorType, bytes: &[u8]) {
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), size[1], size[0]);
    encoder.set_color(color);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(bytes)
        .unwrap();
}

#[test]
fn scenes_are_the_same_for_the_same_seed_and_sound() {
    let work = tempfile::tempdir().unwrap();
    let out = scenes(work.path());
    let again = tempfile::tempdir().unwrap();
    let other = scenes(again.path());
    let file = "images/training/scene_000003.png";
    let read = |folder: &str| fs::read(Path::new(folder).join(file)).unwrap();
    assert!(
        read(&out) == read(&other),
        "the same seed drew another scene"
    );

    let checked = run(["data", "check", &out]).succeeded();
    assert!(checked.stdout.contains("0 errors"), "{}", checked.stdout);
    let stats = run(["data", "stats", &out, "--json"]).succeeded().json();
    let classes = stats["classes"].as_array().unwrap();
    let pixels: u64 = classes
        .iter()
        .map(|class| class["pixels"].as_u64().unwrap())
        .sum();
    assert_eq!((classes.len(), pixels), (11, 10 * 64 * 96));

    let sheet = text(&work.path().join("sheet.png"));
    run(["data", "preview", &out, "--out", &sheet, "--count", "4"]).succeeded();
    run(["data", "preview", &out, "--out", &sheet, "-q"]).refused(1, "already");
    let converted = text(&work.path().join("converted"));
    run(["data", "convert", &out, "--out", &converted]).succeeded();
    run(["data", "check", &converted]).succeeded();
    run(["data", "synth", "--count", "2", "--out", &converted]).refused(4, "converted");
}

#[test]
fn a_score_is_what_the_masks_say() {
    let work = tempfile::tempdir().unwrap();
    let data = scenes(work.path());
    let run_folder = text(&work.path().join("run"));
    run([
        "train",
        "--preset",
        "smoke",
        "--device",
        "flex",
        "--out",
        &run_folder,
        "--set",
        "steps=5",
        "--set",
        "validation.every=5",
    ])
    .succeeded();
    let model = text(&Path::new(&run_folder).join("last"));
    let scored = run([
        "eval", "--model", &model, "--data", &data, "--device", "flex", "--json",
    ]);
    let scored = scored.succeeded().json();

    // The same from the masks that `segment` writes.
    let masks = work.path().join("masks");
    let photos = Path::new(&data).join("images/validation");
    let (photos, out) = (text(&photos), text(&masks));
    run([
        "segment", &photos, "--model", &model, "--device", "flex", "--out", &out,
    ])
    .succeeded();
    let mut matrix = vec![[0_u64; 11]; 11];
    for entry in fs::read_dir(Path::new(&data).join("annotations/validation")).unwrap() {
        let truth = entry.unwrap().path();
        let predicted = ids(&masks.join(truth.file_name().unwrap()));
        for (truth, predicted) in ids(&truth).into_iter().zip(predicted) {
            matrix[usize::from(truth)][usize::from(predicted)] += 1;
        }
    }
    assert_eq!(scored["confusion_matrix"], serde_json::json!(matrix));
    let hits: u64 = (0..11).map(|class| matrix[class][class]).sum();
    let pixels: u64 = matrix.iter().flatten().sum();
    let accuracy = scored["scores"]["aAcc"].as_f64().unwrap();
    assert!(
        (accuracy - hits as f64 / pixels as f64).abs() < 1e-12,
        "{scored}"
    );

    // The other convention counts absent classes, so it can only be lower.
    let zero = run([
        "eval",
        "--model",
        &model,
        "--data",
        &data,
        "--device",
        "flex",
        "--json",
        "--absent-classes",
        "zero",
    ]);
    let zero = zero.succeeded().json()["scores"]["mIoU"].as_f64().unwrap();
    assert!(zero <= scored["scores"]["mIoU"].as_f64().unwrap(), "{zero}");

    let tiny = crate::support::tiny();
    run([
        "eval", "--model", &tiny, "--data", &data, "--device", "flex", "-q",
    ])
    .refused(4, "classes");
    run([
        "eval", "--model", &model, "--data", &data, "--split", "nope", "-q",
    ])
    .refused(3, "nope");
}

/// The toy's settings, for a dataset on disk.
fn without_scenes() -> String {
    let preset = run(["config", "init", "--preset", "smoke"])
        .succeeded()
        .stdout;
    let (before, after) = preset.split_once("[data.scenes]").unwrap();
    let (_, after) = after.split_once("[model]").unwrap();
    format!("{before}[model]{after}")
}

#[test]
fn bad_datasets_are_refused_before_the_first_step() {
    let work = tempfile::tempdir().unwrap();
    let bad = |name: &str, spoil: fn(&Path), needle: &str| {
        let folder = work.path().join(name);
        fs::create_dir(&folder).unwrap();
        let data = scenes(&folder);
        spoil(Path::new(&data));
        let out = text(&folder.join("run"));
        let config = text(&folder.join("run.toml"));
        fs::write(&config, without_scenes()).unwrap();
        let ended = run([
            "train", "--config", &config, "--device", "flex", "--data", &data, "--out", &out,
        ]);
        ended.refused(4, needle);
        assert!(!Path::new(&out).exists(), "{name} left a run");
        let checked = run(["data", "check", &data]);
        assert_eq!(checked.code, Some(4), "{checked:?}");
        assert!(checked.stdout.contains(needle), "{}", checked.stdout);
    };
    bad(
        "id",
        |data| {
            let path = data.join("annotations/training/scene_000002.png");
            write_ids(&path, [64, 96], png::ColorType::Grayscale, &[77; 64 * 96]);
        },
        "id 77",
    );
    bad(
        "size",
        |data| {
            let path = data.join("annotations/training/scene_000002.png");
            write_ids(&path, [32, 96], png::ColorType::Grayscale, &[1; 32 * 96]);
        },
        "scene_000002.png",
    );
    bad(
        "colours",
        |data| {
            let path = data.join("annotations/training/scene_000002.png");
            write_ids(&path, [64, 96], png::ColorType::Rgb, &vec![9; 3 * 64 * 96]);
        },
        "scene_000002.png",
    );
    bad(
        "truncated",
        |data| {
            let path = data.join("annotations/training/scene_000002.png");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        },
        "scene_000002.png",
    );
    bad(
        "photo",
        |data| fs::write(data.join("images/training/scene_000002.png"), b"no photo").unwrap(),
        "scene_000002.png",
    );
    bad(
        "unpaired",
        |data| fs::remove_file(data.join("annotations/training/scene_000002.png")).unwrap(),
        "scene_000002",
    );
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_draws_segments_and_scores() {
    let work = tempfile::tempdir().unwrap();
    let out = text(&work.path().join("demo"));
    let shown = run(["demo", "--out", &out, "--device", "flex"]).succeeded();
    assert!(shown.stdout.contains("mIoU"), "{}", shown.stdout);
    assert!(
        shown.stderr.contains("embedded demo model"),
        "{}",
        shown.stderr
    );
    for name in ["scene", "mask", "truth", "overlay"] {
        assert!(
            work.path().join(format!("demo/{name}.png")).is_file(),
            "{name}"
        );
    }
    run(["demo", "--out", &out, "--device", "flex"]).refused(1, "--force");
    let again = run([
        "demo", "--out", &out, "--device", "flex", "--force", "--json",
    ]);
    let again = again.succeeded().json();
    // The score is that of the files.
    let [truth, mask] =
        ["truth", "mask"].map(|name| ids(&work.path().join(format!("demo/{name}.png"))));
    let hits = truth
        .iter()
        .zip(&mask)
        .filter(|(truth, mask)| truth == mask)
        .count();
    let accuracy = again["scores"]["aAcc"].as_f64().unwrap();
    assert!(
        (accuracy - hits as f64 / truth.len() as f64).abs() < 1e-12,
        "{accuracy}"
    );
    // A trained model, not a toy: half of a street is easy.
    assert!(accuracy > 0.8, "{accuracy}");

    // The model knows the scenes that the demo draws.
    let preset = run(["config", "show", "--preset", "demo-finish", "--json"])
        .succeeded()
        .json();
    assert_eq!(preset["data"]["scenes"]["size"], again["size"]);
    let photo = crate::support::photo();
    let masks = text(&work.path().join("masks"));
    let segmented = run(["segment", &photo, "--device", "flex", "--out", &masks]).succeeded();
    assert!(
        segmented.stderr.contains("no --model"),
        "{}",
        segmented.stderr
    );
}
