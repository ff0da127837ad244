//! `convert`: from outside, on files that other libraries wrote.

use std::fs;

use serde_json::json;

use crate::support::{Place, names, run, testdata, text};

fn fixture(name: &str) -> String {
    text(&testdata(&format!("dialects/{name}")))
}

#[test]
fn a_network_of_mmsegmentation_becomes_a_folder_that_the_other_verbs_use() {
    let place = Place::new();
    let (source, made) = (fixture("mmseg-swin.pth"), place.arg("made"));
    let report = run(["convert", &source, &made]).succeeded();
    assert_eq!(report.stderr, "");
    for line in [
        "names       mmsegmentation\n",
        "made        a UPerNet on Swin, 3 classes\n",
        "config      told by the shapes of the tensors\n",
        "assumed     layer_norm_eps 0.00001; drop_path_rate 0.1; pool_scales 1, 2, 3, 6; ",
        ", 30 of them split from fused ones, 9 reordered (patch merging)\n",
        "ignored     5: ",
    ] {
        assert!(
            report.stdout.contains(line),
            "{line} is not in {}",
            report.stdout
        );
    }
    assert_eq!(
        names(&place.path("made")),
        [
            "config.json",
            "model.safetensors",
            "preprocessor_config.json"
        ]
    );
    let info = run(["models", "info", &made]).succeeded().stdout;
    assert!(info.contains("3: sky, road, traffic light"), "{info}");

    // Beside that config.json the file itself is a model.
    let copy = place.file("direct/model.pth", &fs::read(&source).unwrap());
    let config = fs::read(place.path("made/config.json")).unwrap();
    place.file("direct/config.json", &config);
    let info = run(["models", "info", &copy, "--json"]).succeeded().json();
    assert_eq!(info["keys"]["dialect"], "mmsegmentation");
    assert_eq!(info["keys"]["reordered"].as_array().unwrap().len(), 9);
    let info = run(["models", "info", &copy]).succeeded().stdout;
    assert!(
        info.contains("0 of another shape, 30 split from fused ones, 9 reordered"),
        "{info}"
    );
}

#[test]
fn a_backbone_is_reported_key_by_key() {
    let place = Place::new();
    let (source, made) = (fixture("torchvision-convnext.pth"), place.arg("made"));
    let report = run(["convert", &source, &made, "--json"])
        .succeeded()
        .json();
    assert_eq!(report["made"], "backbone");
    assert_eq!(report["dialect"], "torchvision");
    assert_eq!(report["backbone"], "convnext");
    assert_eq!(
        (&report["config"], &report["num_labels"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        report["keys"]["dropped"][0],
        json!({
            "key": "classifier.0.bias",
            "why": "of the image classifier, which a segmentation network has not",
        })
    );
    let missing = report["keys"]["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 8, "{missing:?}");
    assert_eq!(
        missing[0]["key"],
        "backbone.hidden_states_norms.stage1.weight"
    );
    assert_eq!(
        names(&place.path("made")),
        ["config.json", "model.safetensors"]
    );

    let again = ["convert", &source, &made];
    run(again).refused(1, "already exists");
    run(again.iter().chain(&["--force"])).succeeded();
    let verbose = run(again.iter().chain(&["--force", "-v"]))
        .succeeded()
        .stdout;
    assert!(
        verbose.contains("dropped     classifier.2.weight\n"),
        "{verbose}"
    );
}

#[test]
fn what_cannot_be_converted_ends_with_the_code_of_its_reason() {
    let place = Place::new();
    let made = place.arg("made");
    let convert = |source: &str| run(["convert", source, &made]);
    convert("no/such/file.pth").refused(3, "no/such/file.pth: not found");
    let malicious = text(&testdata("weights/malicious.bin"));
    convert(&malicious).refused(4, "was not run");
    let unknown = text(&testdata("weights/module.bin"));
    convert(&unknown).refused(4, "its tensors do not tell one: no backbone is recognised");
    let (source, config) = (
        fixture("mmseg-swin.pth"),
        text(&testdata("tiny/config.json")),
    );
    run(["convert", &source, &made, "--config", &config])
        .refused(4, "weights do not fit config.json");
    assert!(!place.path("made").exists(), "something was written");
}

#[test]
fn weights_of_another_width_or_format_are_the_same_network() {
    let place = Place::new();
    let source = text(&testdata("tiny"));
    let photo = text(&testdata("tiny/photo.jpg"));
    let segment = |model: &str, out: &str| {
        let out = place.arg(out);
        run(["segment", "--model", model, "--out", &out, &photo, "--json"])
            .succeeded()
            .json()
    };
    let shares = |document: &serde_json::Value| {
        let classes = document["images"][0]["classes"].as_array().unwrap().clone();
        classes
            .into_iter()
            .map(|class| (class["name"].clone(), class["fraction"].as_f64().unwrap()))
            .collect::<Vec<_>>()
    };
    let expected = segment(&source, "expected");
    let size = |folder: &str, file: &str| {
        let path = place.path(folder).join(file);
        fs::metadata(path).unwrap().len()
    };
    let mut sizes = Vec::new();
    for (options, file) in [
        (["--dtype", "f32"], "model.safetensors"),
        (["--dtype", "f16"], "model.safetensors"),
        (["--dtype", "bf16"], "model.safetensors"),
        (["--dtype", "int8"], "model.safetensors"),
        (["--format", "burnpack"], "model.bpk"),
    ] {
        let made = place.arg(options[1]);
        run(["convert", &source, &made].iter().chain(&options)).succeeded();
        assert!(names(&place.path(options[1])).contains(&file.to_owned()));
        sizes.push(size(options[1], file));
        let found = segment(&made, &format!("{}-out", options[1]));
        assert_eq!(shares(&found).len(), shares(&expected).len(), "{options:?}");
        for (found, expected) in shares(&found).iter().zip(shares(&expected)) {
            assert_eq!(found.0, expected.0, "{options:?}");
            assert!(
                (found.1 - expected.1).abs() < 0.05,
                "{options:?}: {found:?}"
            );
        }
    }
    assert!(
        2 * sizes[3] < sizes[1] + sizes[3] && sizes[1] < sizes[0],
        "{sizes:?}"
    );
    let made = place.arg("int8-pack");
    let both = ["--dtype", "int8", "--format", "burnpack"];
    run(["convert", &source, &made].iter().chain(&both))
        .refused(2, "weights of 8 bits are kept in safetensors alone");
}
