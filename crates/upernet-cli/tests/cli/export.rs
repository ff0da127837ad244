//! `export onnx`: files that appear whole, and models that are refused. What is in the files is the
//! business of `upernet-onnx` and of `scripts/check_onnx.py`.

use std::fs;

use serde_json::json;

use crate::support::{Place, names, run, testdata, text, tiny};

fn golden(name: &str) -> String {
    text(&testdata(&format!("goldens/{name}")))
}

#[test]
fn a_model_becomes_a_file() {
    let place = Place::new();
    let out = place.arg("tiny.onnx");
    let call = ["export", "onnx", "--model", &tiny(), "--out", &out];
    let ended = run(call).succeeded();
    assert_eq!(
        (ended.stdout, ended.stderr.as_str()),
        (format!("{out}\n"), "")
    );
    let written = fs::read(&out).unwrap();
    // What makes the input is in the file, for programs that have nothing else.
    for needle in ["\"image_mean\"", "\"id2label\"", "pixel_values", "logits"] {
        assert!(
            written
                .windows(needle.len())
                .any(|part| part == needle.as_bytes()),
            "{needle} is not in the file"
        );
    }
    run(call).refused(1, "tiny.onnx: already exists; use --force to replace it");
    run(call.iter().chain(&["--force"])).succeeded();
    assert_eq!(
        fs::read(&out).unwrap(),
        written,
        "the same call, the same file"
    );
}

#[test]
fn the_document_says_what_was_written() {
    let place = Place::new();
    let out = place.arg("swin.onnx");
    let model = golden("swin");
    let call = ["export", "onnx", "--model", &model, "--out", &out, "--json"];
    let fixed = run(call.iter().chain(&["--size", "40x72", "--external-data"]));
    let fixed = fixed.succeeded().json();
    let data = format!("{out}.data");
    assert_eq!(fixed["files"], json!([out, data]));
    assert_eq!(fixed["size"], json!([40, 72]));
    assert_eq!(fixed["backbone"], "swin");
    let bytes = [&out, &data].map(|file| fs::metadata(file).unwrap().len());
    assert_eq!(fixed["bytes"], json!(bytes.iter().sum::<u64>()));

    let any = run(call.iter().chain(&["--dynamic-size", "--force"]));
    let any = any.succeeded().json();
    assert_eq!((&any["files"], &any["size"]), (&json!([out]), &json!(null)));
    assert!(any["nodes"].as_u64() > fixed["nodes"].as_u64());
}

#[test]
fn weights_of_other_libraries_become_the_same_file() {
    let place = Place::new();
    let made = place.arg("made");
    let source = testdata("dialects/mmseg-swin.pth");
    run(["convert", &text(&source), &made]).succeeded();
    let copy = place.file("direct/model.pth", &fs::read(&source).unwrap());
    for name in ["config.json", "preprocessor_config.json"] {
        let settings = fs::read(place.path("made").join(name)).unwrap();
        place.file(&format!("direct/{name}"), &settings);
    }
    let export = |model: &str, name: &str| {
        let out = place.arg(name);
        run([
            "export", "onnx", "--model", model, "--out", &out, "--size", "64x64",
        ])
        .succeeded();
        fs::read(out).unwrap()
    };
    let converted = export(&made, "converted.onnx");
    assert!(
        converted == export(&copy, "direct.onnx"),
        "the files differ"
    );
}

#[test]
fn a_size_has_one_bound() {
    let out = "no/such/folder/a.onnx";
    let call = ["export", "onnx", "--model", &tiny(), "--out", out, "--size"];
    let beyond = run(call.iter().chain(&["16385x64"]));
    assert_eq!(beyond.code, Some(2));
    assert!(beyond.stderr.contains("each from 1 to 16384"), "{beyond:?}");
    // The bound itself is a size: what is refused then is the folder.
    run(call.iter().chain(&["16384x64"])).refused(1, "its folder does not exist");
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let refuse = |model: &str, arguments: &[&str], code, needle: &str| {
        let out = place.arg("out/a.onnx");
        fs::create_dir_all(place.path("out")).unwrap();
        let call = ["export", "onnx", "--model", model, "--out", &out];
        run(call.iter().chain(arguments)).refused(code, needle);
        assert!(names(&place.path("out")).is_empty(), "{needle}");
    };
    let small = "it needs at least 32 x 32 pixels";
    refuse(&golden("convnext"), &["--size", "31x64"], 4, small);
    let learned = "36 x 36 pixels: its positions are learned";
    refuse(&golden("swin-absolute"), &["--dynamic-size"], 4, learned);
    refuse(&place.arg("nothing"), &[], 3, "nothing");
    let broken = place.model("tiny", |config| config["hidden_size"] = json!(7));
    refuse(&broken, &[], 4, "weights do not fit config.json");
    let out = place.arg("missing/a.onnx");
    let call = ["export", "onnx", "--model", &tiny(), "--out", &out];
    run(call).refused(1, "its folder does not exist");
}
