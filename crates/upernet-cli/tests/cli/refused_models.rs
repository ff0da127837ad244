//! Models that cannot be used: one line, the right code, nothing written.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Place, photo, read_tensors, run, testdata, write_tensors};

/// Segments the photo with a broken model and expects a refusal that writes nothing.
#[track_caller]
fn refused(place: &Place, model: &str, code: i32, needle: &str) {
    let out = place.arg("out");
    let args = [
        "segment",
        &photo(),
        "--model",
        model,
        "--out",
        &out,
        "--json",
    ];
    run(args).refused(code, needle);
    assert!(
        !place.path("out").exists(),
        "the folder for results was made"
    );
}

#[track_caller]
fn config_refused(from: &str, change: impl FnOnce(&mut Value), needle: &str) {
    let place = Place::new();
    let model = place.model(from, change);
    refused(&place, &model, 4, needle);
}

#[track_caller]
fn weights_refused(change: impl FnOnce(Vec<u8>) -> Vec<u8>, needle: &str) {
    let place = Place::new();
    let model = place.model("tiny", |_| ());
    let weights = change(fs::read(testdata("tiny/model.safetensors")).unwrap());
    place.file("model/model.safetensors", &weights);
    refused(&place, &model, 4, needle);
}

#[test]
fn a_model_that_is_not_there_is_not_found() {
    let place = Place::new();
    refused(&place, "no/such/model", 3, "no model at");
    fs::create_dir(place.path("empty")).unwrap();
    refused(&place, &place.arg("empty"), 3, "config.json: not found");
    place.file(
        "bare/config.json",
        &fs::read(testdata("tiny/config.json")).unwrap(),
    );
    refused(
        &place,
        &place.arg("bare"),
        3,
        "model.safetensors: not found",
    );
}

#[test]
fn configs_that_contradict_themselves_are_bad_data() {
    let without = |config: &mut Value| {
        config.as_object_mut().unwrap().remove("backbone_config");
    };
    // Without one it is a ResNet-50, which is not what the weights are of.
    config_refused("tiny", without, "missing (backbone.embedder.embedder.");
    let unknown = |config: &mut Value| config["backbone_config"]["model_type"] = json!("hiera");
    config_refused(
        "tiny",
        unknown,
        "\"hiera\", which is not supported; supported are",
    );
    let depths = |config: &mut Value| config["backbone_config"]["depths"] = json!([2, 2, 2]);
    config_refused("goldens/swin", depths, "config.json: ");
    let classes = |config: &mut Value| {
        config["id2label"] = json!({"0": "a", "1": "b", "2": "c"});
        config["label2id"] = json!({"a": 0, "b": 1, "c": 2});
    };
    config_refused(
        "tiny",
        classes,
        "the weights have 5 classes, id2label has 3",
    );
    let huge = |config: &mut Value| config["hidden_size"] = json!(1_u64 << 60);
    config_refused("tiny", huge, "hidden_size");
}

#[test]
fn a_config_that_is_no_json_is_bad_data() {
    let place = Place::new();
    let model = place.model("tiny", |_| ());
    place.file("model/config.json", b"{\"model_type\": ");
    refused(&place, &model, 4, "config.json: ");
}

#[test]
fn a_processor_that_divides_by_nothing_is_bad_data() {
    let place = Place::new();
    let model = place.model("tiny", |_| ());
    for (std, found) in [("0", "0"), ("-1", "-1"), ("1e-308", "1e-308")] {
        let processor = format!(r#"{{"image_std": [{std}, 1, 1]}}"#);
        place.file("model/preprocessor_config.json", processor.as_bytes());
        let line = format!("preprocessor_config.json: field `image_std[0]` is {found}, allowed is");
        refused(&place, &model, 4, &line);
    }
}

#[test]
fn folders_in_the_place_of_files_are_bad_data() {
    for name in [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
    ] {
        let place = Place::new();
        let model = place.model("tiny", |_| ());
        fs::remove_file(place.path(&format!("model/{name}"))).unwrap();
        fs::create_dir(place.path(&format!("model/{name}"))).unwrap();
        refused(
            &place,
            &model,
            4,
            &format!("{name}: is a folder, not a file"),
        );
    }
}

#[cfg(unix)]
#[test]
fn pipes_in_the_place_of_files_are_bad_data() {
    for name in ["config.json", "model.safetensors"] {
        let place = Place::new();
        let model = place.model("tiny", |_| ());
        let pipe = place.path(&format!("model/{name}"));
        fs::remove_file(&pipe).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let line = format!("{name}: is a pipe, a device or the like, not a file");
        refused(&place, &model, 4, &line);
    }
}

#[test]
fn an_index_with_an_endless_name_is_one_line() {
    let place = Place::new();
    let model = place.model("tiny", |_| ());
    fs::remove_file(place.path("model/model.safetensors")).unwrap();
    let index = json!({"weight_map": {"a": "A".repeat(100_000)}}).to_string();
    place.file("model/model.safetensors.index.json", index.as_bytes());
    let line = format!("\"{}\"..., which is not a file name", "A".repeat(80));
    refused(&place, &model, 4, &line);
}

#[test]
fn weight_files_that_are_broken_are_bad_data() {
    weights_refused(
        |whole| whole[..whole.len() / 2].to_vec(),
        "model.safetensors: ",
    );
    weights_refused(|_| Vec::new(), "model.safetensors: ");
    let huge_header = |mut whole: Vec<u8>| {
        whole[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        whole
    };
    weights_refused(huge_header, "model.safetensors: ");
}

#[test]
fn tensors_that_share_bytes_are_bad_data() {
    let overlap = |whole: Vec<u8>| {
        let length = usize::try_from(u64::from_le_bytes(whole[..8].try_into().unwrap())).unwrap();
        let mut header: Value = serde_json::from_slice(&whole[8..8 + length]).unwrap();
        let tensors = header.as_object_mut().unwrap();
        let key = tensors
            .keys()
            .find(|key| key.ends_with("convs.0.conv.weight"))
            .unwrap()
            .clone();
        let [start, end] = [0, 1].map(|i| tensors[&key]["data_offsets"][i].as_u64().unwrap());
        tensors[&key]["data_offsets"] = json!([start - 4, end - 4]);
        let header = header.to_string();
        let mut changed = (header.len() as u64).to_le_bytes().to_vec();
        changed.extend(header.as_bytes());
        changed.extend(&whole[8 + length..]);
        changed
    };
    weights_refused(overlap, "model.safetensors: ");
}

#[test]
fn tensors_that_do_not_fit_the_network_are_named() {
    let key = "decode_head.bottleneck.conv.weight";
    let changed =
        |change: &dyn Fn(&mut std::collections::BTreeMap<String, crate::support::Stored>)| {
            let mut tensors = read_tensors(&testdata("tiny/model.safetensors"));
            change(&mut tensors);
            write_tensors(&tensors)
        };
    let missing = changed(&|tensors| {
        tensors.remove(key);
    });
    weights_refused(|_| missing, &format!("1 missing ({key})"));
    let extra = changed(&|tensors| {
        let copy = tensors[key].clone();
        tensors.insert("decode_head.surprise.weight".to_owned(), copy);
    });
    weights_refused(|_| extra, "1 unexpected (decode_head.surprise.weight)");
    let shape = changed(&|tensors| tensors.get_mut(key).unwrap().1.swap(0, 1));
    weights_refused(|_| shape, &format!("1 of another shape ({key} is "));
}
