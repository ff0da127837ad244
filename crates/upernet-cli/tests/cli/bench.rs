//! `bench`: a table, its twin in JSON, and calls that make no sense.

use crate::support::{Place, photo, run, testdata, text, tiny};

const STAGES: [&str; 5] = ["preprocess", "backbone", "head", "postprocess", "total"];

#[test]
fn every_stage_of_every_size_is_timed() {
    let (model, photo) = (tiny(), photo());
    let sizes = ["--size", "64x96", "--size", "96x64"];
    let call = ["bench", "-m", &model, "--image", &photo, "--batch", "2"];
    let call = call.iter().chain(&sizes);
    let call = call.chain(&["--runs", "3", "--warmup", "0", "--device", "flex", "--json"]);
    let ended = run(call).succeeded();
    assert_eq!(ended.stderr, "");
    let json = ended.json();
    assert_eq!(json["model"], tiny());
    assert_eq!(
        (&json["device"], &json["precision"]),
        (&"flex".into(), &"f32".into())
    );
    assert!(json["machine"]["threads"].as_u64().unwrap() > 0);
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(number(&json["first_mask_seconds"]) > number(&json["load_seconds"]));

    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for (result, size) in results.iter().zip([[64, 96], [96, 64]]) {
        assert_eq!(result["size"], serde_json::json!(size));
        assert_eq!((&result["batch"], &result["runs"]), (&2.into(), &3.into()));
        let seconds = result["seconds"].as_object().unwrap();
        assert_eq!(seconds.len(), STAGES.len());
        for stage in STAGES {
            let [min, median, max] =
                ["min", "median", "max"].map(|name| number(&seconds[stage][name]));
            assert!(
                0.0 < min && min <= median && median <= max,
                "{stage}: {result}"
            );
        }
        let parts: f64 = STAGES[..4]
            .iter()
            .map(|stage| number(&seconds[*stage]["min"]))
            .sum();
        assert!(
            parts <= number(&seconds["total"]["min"]) * 1.000_001,
            "{result}"
        );
        let each = result["each"].as_array().unwrap();
        assert_eq!(each.len(), 3);
        let fastest = each.iter().map(|run| number(&run["head"]));
        let fastest = fastest.fold(f64::INFINITY, f64::min);
        assert!((fastest - number(&seconds["head"]["min"])).abs() < 1e-12);
        let per_second = 2.0 / number(&seconds["total"]["median"]);
        assert!((number(&result["images_per_second"]) / per_second - 1.0).abs() < 1e-9);
        #[cfg(target_os = "linux")]
        assert!(
            result["peak_bytes"].as_u64() >= json["load_peak_bytes"].as_u64()
                && result["peak_bytes"].as_u64() > Some(1 << 20),
            "{result}"
        );
    }
}

#[test]
fn without_a_size_it_is_the_processors() {
    let ended = run(["bench", "-m", &tiny(), "--runs", "1", "--threads", "1"]).succeeded();
    assert!(ended.stderr.starts_with("device: "), "{}", ended.stderr);
    let heading = "96 x 128, batch 1, 1 runs after 1 for warming up\n\
                   stage        median, ms";
    assert!(ended.stdout.contains(heading), "{}", ended.stdout);
    assert!(ended.stdout.contains(", 1 threads\n"), "{}", ended.stdout);
    for stage in STAGES {
        let row = |line: &str| line.starts_with(stage);
        assert_eq!(
            ended.stdout.lines().filter(|line| row(line)).count(),
            1,
            "{stage}"
        );
    }
}

#[test]
fn numbers_that_make_no_sense_are_usage_errors() {
    for wrong in [
        ["--size", "512"],
        ["--size", "0x512"],
        ["--runs", "0"],
        ["--batch", "0"],
        ["--batch", "-1"],
        ["--precision", "f64"],
        ["--threads", "0"],
    ] {
        let ended = run(["bench", "-m", &tiny()].iter().copied().chain(wrong));
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{wrong:?}"
        );
    }
}

#[test]
fn what_is_not_there_or_does_not_fit_is_told_apart() {
    run(["bench", "-m", "no/such/model"]).refused(3, "no model at");
    run(["bench", "-m", &tiny(), "--image", "no/such.jpg"]).refused(3, "no/such.jpg");
    let place = Place::new();
    let torn = place.file("torn.png", b"\x89PNG\r\n\x1a\n and no more");
    run(["bench", "-m", &tiny(), "--image", &torn]).refused(4, "torn.png");
    // Sizes are checked before the first one is run.
    let sizes = ["--size", "64x64", "--size", "8x8"];
    run(["bench", "-m", &tiny()].iter().copied().chain(sizes)).refused(4, "at least 32 x 32");
    let fixed = text(&testdata("goldens/swin-absolute"));
    run(["bench", "-m", &fixed, "--size", "48x64"]).refused(4, "its positions are learned");
}

/// Either the processor has it, or a line says that it has not.
#[test]
fn reduced_precision_is_had_or_said_not_to_be() {
    let model = tiny();
    let call = [
        "bench",
        "-m",
        &model,
        "--runs",
        "1",
        "--precision",
        "bf16",
        "--json",
    ];
    let ended = run(call.iter().copied().chain(["--device", "flex"])).succeeded();
    let said = ended.stderr.contains("flex has no products of bf16");
    let expected = if said { "f32" } else { "bf16" };
    assert_eq!(ended.json()["precision"], expected, "{}", ended.stderr);
}
