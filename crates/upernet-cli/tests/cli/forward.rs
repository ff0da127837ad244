//! `forward`: parity with PyTorch, and tensors that do not fit.

use std::{collections::BTreeMap, env, fs, path::Path};

use safetensors::Dtype;
use serde_json::json;

use crate::support::{
    Place, Stored, floats, names, read_tensors, run, testdata, text, tiny, write_tensors,
};

/// Largest difference, relative to max(1, largest magnitude).
const ALLOWED: f32 = 1e-4;

#[test]
fn goldens_are_pytorchs() {
    // A relative folder is meant from where cargo was called, not from this crate.
    let workspace = testdata("..");
    let named = env::var_os("UPERNET_GOLDENS").map(|folder| workspace.join(folder));
    let root = named.unwrap_or_else(|| testdata("goldens"));
    let mut compared = Vec::new();
    for name in names(&root) {
        let folder = root.join(&name);
        if folder.join("config.json").exists() && folder.join("expected.safetensors").exists() {
            compared.extend(check_golden(&folder).then_some(name));
        }
    }
    assert!(!compared.is_empty(), "no golden folder was compared");
    if env::var_os("UPERNET_GOLDENS").is_none() {
        let expected = [
            "convnext",
            "convnext-small-image",
            "convnextv2",
            "dinov3-convnext",
            "head-aux-concat",
            "head-three-level",
            "swin",
            "swin-absolute",
            "swin-options",
            "swin-small-image",
        ];
        for name in expected {
            assert!(
                compared.iter().any(|compared| compared == name),
                "{name} was not compared"
            );
        }
    }
}

/// Compares whole tensors; returns false for a backbone that is refused by name.
fn check_golden(folder: &Path) -> bool {
    let place = Place::new();
    let output = place.path("out.safetensors");
    let input = folder.join("input.safetensors");
    let ended = run([
        "forward",
        "--model",
        &text(folder),
        "--input",
        &text(&input),
        "--output",
        &text(&output),
        "-q",
    ]);
    if ended.code == Some(4) {
        ended.refused(4, "which is not supported; supported are");
        return false;
    }
    ended.succeeded();
    let (found, expected) = (
        read_tensors(&output),
        read_tensors(&folder.join("expected.safetensors")),
    );
    let expected = expected.iter().filter_map(|(name, stored)| {
        let name = name
            .strip_prefix("eval.")
            .filter(|name| !name.starts_with("debug."))?;
        Some((name, stored))
    });
    let mut compared = 0;
    for (name, (_, shape, bytes)) in expected {
        let (dtype, found_shape, found_bytes) = &found[name];
        assert_eq!(
            (*dtype, found_shape),
            (Dtype::F32, shape),
            "{}: {name}",
            folder.display()
        );
        let (found, expected) = (floats(found_bytes), floats(bytes));
        let scale = expected
            .iter()
            .fold(1.0_f32, |scale, value| scale.max(value.abs()));
        for (index, (f, e)) in found.iter().zip(&expected).enumerate() {
            let near = (f - e).abs() <= ALLOWED * scale;
            assert!(
                near,
                "{}: {name}[{index}] is {f}, not {e}",
                folder.display()
            );
        }
        compared += 1;
    }
    assert_eq!(
        compared,
        found.len(),
        "{}: tensors without a golden",
        folder.display()
    );
    true
}

fn input() -> BTreeMap<String, Stored> {
    read_tensors(&testdata("goldens/convnext/input.safetensors"))
}

/// Runs the convnext golden's model on changed tensors and expects a refusal that writes nothing.
#[track_caller]
fn refused(change: impl FnOnce(&mut BTreeMap<String, Stored>), code: i32, needle: &str) {
    let place = Place::new();
    let mut tensors = input();
    change(&mut tensors);
    let input = place.file("in.safetensors", &write_tensors(&tensors));
    let model = text(&testdata("goldens/convnext"));
    let ended = run([
        "forward",
        "-m",
        &model,
        "-i",
        &input,
        "-o",
        &place.arg("out.safetensors"),
    ]);
    assert!(ended.stderr.contains("in.safetensors"), "{}", ended.stderr);
    ended.refused(code, needle);
    assert_eq!(names(&place.path("")), ["in.safetensors"]);
}

fn set_label(tensors: &mut BTreeMap<String, Stored>, index: usize, label: i64) {
    let (_, _, bytes) = tensors.get_mut("labels").unwrap();
    bytes[8 * index..][..8].copy_from_slice(&label.to_le_bytes());
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let drop = |name: &'static str| {
        move |tensors: &mut BTreeMap<String, Stored>| {
            tensors.remove(name);
        }
    };
    refused(drop("pixel_values"), 4, "holds no tensor \"pixel_values\"");
    let retype = |name: &'static str, dtype| {
        move |tensors: &mut BTreeMap<String, Stored>| {
            let stored = tensors.get_mut(name).unwrap();
            let size = match dtype {
                Dtype::F64 => 8,
                _ => 4,
            };
            stored.0 = dtype;
            stored.2 = vec![0; stored.1.iter().product::<usize>() * size];
        }
    };
    refused(
        retype("pixel_values", Dtype::F64),
        4,
        "\"pixel_values\" is F64",
    );
    refused(
        retype("pixel_values", Dtype::I32),
        4,
        "\"pixel_values\" is I32",
    );
    refused(retype("labels", Dtype::I32), 4, "\"labels\" is I32");
    let flatten = |name: &'static str| {
        move |tensors: &mut BTreeMap<String, Stored>| {
            let stored = tensors.get_mut(name).unwrap();
            stored.1 = vec![stored.1.iter().product()];
        }
    };
    refused(
        flatten("pixel_values"),
        4,
        "expected F32 [N, channels, height, width]",
    );
    refused(flatten("labels"), 4, "expected I64 [N, height, width]");
    let other_size = |tensors: &mut BTreeMap<String, Stored>| {
        tensors.get_mut("labels").unwrap().1.reverse();
    };
    refused(other_size, 4, "\"pixel_values\" needs");
    let channels = |tensors: &mut BTreeMap<String, Stored>| {
        let shape = &mut tensors.get_mut("pixel_values").unwrap().1;
        *shape = vec![shape[0] * shape[1], 1, shape[2], shape[3]];
    };
    refused(channels, 4, "it needs 3 channels");
}

#[test]
fn labels_out_of_range_are_named_with_their_place() {
    let [_, height, width] = input()["labels"].1[..] else {
        panic!("labels have three axes")
    };
    let index = (height + 3) * width + 5;
    refused(
        |tensors| set_label(tensors, index, 99),
        4,
        "has 99 at [1, 3, 5]",
    );
    refused(
        |tensors| set_label(tensors, 0, -1),
        4,
        "has -1 at [0, 0, 0]",
    );
    refused(
        |tensors| set_label(tensors, 1, 256),
        4,
        "or 255 for pixels that do not count",
    );
}

#[test]
fn one_class_has_no_use_for_labels() {
    let place = Place::new();
    let model = place.model("tiny", |config| {
        config["id2label"] = json!({"0": "thing"});
        config["label2id"] = json!({"thing": 0});
    });
    let mut tensors = read_tensors(&testdata("tiny/model.safetensors"));
    for (name, (_, shape, bytes)) in &mut tensors {
        if name.contains("classifier") {
            bytes.truncate(bytes.len() / shape[0]);
            shape[0] = 1;
        }
    }
    place.file("model/model.safetensors", &write_tensors(&tensors));
    let mut input = input();
    let path = place.file("in.safetensors", &write_tensors(&input));
    let out = place.arg("out.safetensors");
    run(["forward", "-m", &model, "-i", &path, "-o", &out]).refused(4, "the model has one class");

    input.remove("labels");
    let path = place.file("in.safetensors", &write_tensors(&input));
    run(["forward", "-m", &model, "-i", &path, "-o", &out]).succeeded();
    let written = read_tensors(Path::new(&out));
    assert!(!written.contains_key("loss") && !written.contains_key("aux_logits"));
    assert_eq!(written["logits"].1[1], 1);
}

#[test]
fn the_output_is_kept_unless_it_may_be_replaced() {
    let place = Place::new();
    let input = text(&testdata("goldens/convnext/input.safetensors"));
    let model = text(&testdata("goldens/convnext"));
    let out = place.file("out.safetensors", b"mine");
    let args = ["forward", "-m", &model, "-i", &input, "-o", &out];
    run(args).refused(1, "already exists");
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    run(args.into_iter().chain(["--force"])).succeeded();
    assert!(read_tensors(Path::new(&out)).contains_key("logits"));
    let nowhere = place.arg("no/such/folder.safetensors");
    run(["forward", "-m", &model, "-i", &input, "-o", &nowhere]).refused(1, "does not exist");
}

#[test]
fn a_missing_input_is_not_found() {
    let place = Place::new();
    let out = place.arg("out.safetensors");
    let args = [
        "forward",
        "-m",
        &tiny(),
        "-i",
        "no/such.safetensors",
        "-o",
        &out,
    ];
    run(args).refused(3, "no/such.safetensors: not found");
}
