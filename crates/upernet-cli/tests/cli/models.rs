//! `models`: the table, one model's facts, and the way to the hub.

use serde_json::json;

use crate::support::{Place, run, tiny};

#[test]
fn ls_lists_what_is_published() {
    let table = run(["models", "ls"]).succeeded().stdout;
    assert_eq!(
        table.lines().count(),
        35,
        "a heading and thirty-four models"
    );
    assert!(table.contains("openmmlab/upernet-convnext-xlarge"));
    let json = run(["models", "ls", "--json"]).succeeded().json();
    assert_eq!(json["models"].as_array().unwrap().len(), 34);
    assert!(table.contains("512x1024"), "{table}");
    let address = json["models"][12]["address"].as_str().unwrap();
    assert!(address.ends_with("upernet_r50_512x512_160k_ade20k_20200615_184328-8534de8d.pth"));
    assert_eq!(json["models"][0]["id"], "openmmlab/upernet-swin-tiny");
    assert!((json["models"][0]["miou"].as_f64().unwrap() - 44.41).abs() < 1e-9);
}

/// The table names it, so whoever copies the name is told the way.
#[test]
fn a_file_of_mmsegmentation_is_to_be_converted() {
    let ended = run(["models", "info", "upernet_r50_512x512_160k_ade20k"]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("8534de8d.pth, and `upernet convert`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn info_accounts_for_every_key() {
    let text = run(["models", "info", &tiny()]).succeeded().stdout;
    assert!(text.contains("ConvNeXt, depths 1, 1, 2, 1"), "{text}");
    assert!(text.contains("5: Sky, Road, Tree, Car, Building"), "{text}");
    assert!(
        text.contains("151 applied, 0 ignored, 0 missing, 0 unexpected"),
        "{text}"
    );
    let verbose = run(["models", "info", &tiny(), "-v"]).succeeded().stdout;
    assert!(verbose.contains("decode_head.classifier.bias"), "{verbose}");

    let json = run(["models", "info", &tiny(), "--json", "--size", "64x96"])
        .succeeded()
        .json();
    assert_eq!(json["backbone"], "convnext");
    assert_eq!(json["size"], json!([64, 96]));
    assert_eq!(json["keys"]["complete"], true);
    assert_eq!(json["keys"]["applied"].as_array().unwrap().len(), 151);
    let larger = run(["models", "info", &tiny(), "--json", "--size", "128x192"])
        .succeeded()
        .json();
    assert!(larger["macs"].as_u64().unwrap() > 3 * json["macs"].as_u64().unwrap());
    assert_eq!(larger["parameters"], json["parameters"]);
}

#[test]
fn info_reports_what_is_missing_and_fails() {
    let place = Place::new();
    let model = place.model("tiny", |config| config["auxiliary_num_convs"] = json!(2));
    let ended = run(["models", "info", &model, "--json"]);
    assert_eq!(ended.code, Some(4));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("weights do not fit config.json"),
        "{}",
        ended.stderr
    );
    let keys = &ended.json()["keys"];
    assert_eq!(keys["complete"], false);
    let missing = keys["missing"].as_array().unwrap();
    assert!(
        missing
            .iter()
            .any(|key| key == "auxiliary_head.convs.1.conv.weight"),
        "{missing:?}"
    );
}

#[test]
fn sizes_that_make_no_sense_are_usage_errors() {
    for size in ["512", "0x512", "512x", "1e9x1"] {
        assert_eq!(
            run(["models", "info", &tiny(), "--size", size]).code,
            Some(2),
            "{size}"
        );
    }
}

#[cfg(feature = "hub")]
#[test]
fn pull_says_what_the_cache_lacks_when_offline() {
    let ended = run(["models", "pull", "openmmlab/upernet-swin-tiny"]);
    assert_eq!(ended.stdout, "");
    assert_ne!(ended.code, Some(0));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("offline mode is on"),
        "{}",
        ended.stderr
    );
    run(["models", "pull", "not an id"]).refused(2, "not an id");
}

/// A model that Python, or an earlier run, has brought into the cache is used by its id.
#[cfg(feature = "hub")]
#[test]
fn a_cached_model_goes_by_its_id() {
    use std::fs;

    use crate::support::{Ended, command, mask, photo, pytorchs_mask, testdata};

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    let place = Place::new();
    let repo = "hub/models--someone--tiny";
    place.file(&format!("{repo}/refs/main"), COMMIT.as_bytes());
    for name in [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ] {
        let bytes = fs::read(testdata("tiny").join(name)).unwrap();
        place.file(&format!("{repo}/snapshots/{COMMIT}/{name}"), &bytes);
    }
    let cached = |args: &[&str]| {
        let mut command = command();
        command.env("HF_HUB_CACHE", place.path("hub")).args(args);
        Ended::from(command.output().unwrap()).succeeded()
    };
    let folder = place.arg(&format!("{repo}/snapshots/{COMMIT}"));
    assert_eq!(
        cached(&["models", "pull", "someone/tiny"]).stdout,
        format!("{folder}\n")
    );
    let json = cached(&["models", "pull", "someone/tiny", "--json"]).json();
    assert_eq!(
        (&json["commit"], &json["origin"]),
        (&json!(COMMIT), &json!("offline"))
    );
    assert_eq!(json["files"].as_array().unwrap().len(), 3);

    let (photo, out) = (photo(), place.arg("out"));
    cached(&[
        "segment",
        &photo,
        "--model",
        "someone/tiny@main",
        "--out",
        &out,
    ]);
    assert_eq!(mask(&place.path("out/photo.png")), pytorchs_mask());
}
