//! Where the label map is from, and what is wrong with it.

use upernet_data::SampleSource;
use upernet_data::dataset::{DatasetOptions, LabelTable};

use crate::folder::{Folder, first_row};

fn folder() -> Folder {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .mask("masks/a.png", &[0, 1, 2]);
    folder
}

fn mapped(toml: &str) -> DatasetOptions {
    let label_map = Some(LabelTable::from_toml(toml).unwrap());
    DatasetOptions {
        label_map,
        ..DatasetOptions::default()
    }
}

#[test]
fn the_options_come_first_then_the_folders_map_then_its_names() {
    let folder = folder();
    folder.text("id2label.json", r#"{"0": "a", "1": "b", "2": "c"}"#);
    assert_eq!(folder.open_plain().class_names(), ["a", "b", "c"]);
    folder.text(
        "label_map.json",
        r#"{"classes": ["x", "y"], "ids": {"0": "y", "1": "x", "2": "ignore"}}"#,
    );
    let dataset = folder.open_plain();
    assert_eq!(dataset.class_names(), ["x", "y"]);
    assert_eq!(first_row(&dataset.split("all").unwrap(), 0), [1, 0, 255]);
    let options = mapped("ids = {0 = 0, 1 = 0, 2 = 0}");
    assert_eq!(
        first_row(&folder.open(&options).split("all").unwrap(), 0),
        [0, 0, 0]
    );
    folder.text("mine.toml", "ids = {0 = 0, 1 = 0, 2 = 1}");
    let options = DatasetOptions {
        label_map_file: Some("mine.toml".into()),
        ..DatasetOptions::default()
    };
    assert_eq!(
        first_row(&folder.open(&options).split("all").unwrap(), 0),
        [0, 0, 1]
    );
}

#[test]
fn names_and_counts_must_agree() {
    let folder = folder();
    folder.text("id2label.json", r#"{"0": "a", "1": "b", "2": "c"}"#);
    let options = DatasetOptions {
        num_classes: Some(4),
        ..DatasetOptions::default()
    };
    assert_eq!(
        folder.open_error(&options),
        "num_classes: 3 classes in one place, 4 in another; make the options agree with the dataset's label map"
    );
    let names = ["p", "q", "r"].map(str::to_owned).to_vec();
    let options = DatasetOptions {
        class_names: names.clone(),
        ..DatasetOptions::default()
    };
    assert_eq!(folder.open(&options).class_names(), names);
}

#[test]
fn mistakes_are_named() {
    let folder = folder();
    for (text, problem) in [
        (
            "ids = {0 = 'road'}\nclasses = ['car']",
            "\"0\" is mapped to \"road\", which is neither a class nor \"ignore\"",
        ),
        (
            "ids = {0 = 3}\nclasses = ['car']",
            "\"0\" is mapped to 3, but classes are 0 to 0, and 255 is ignore",
        ),
        ("ids = {x = 0}", "\"x\" is not an id from 0 to 65535"),
        (
            "colors = {'1,2' = 0}",
            "\"1,2\" is not a colour; write \"r,g,b\" or \"#rrggbb\"",
        ),
        (
            "colors = {'1,2,3' = 0, '#010203' = 0}",
            "the colour \"1,2,3\" is there twice",
        ),
        ("ids = {0 = 256}", "257 classes; 1 to 255 can be told apart"),
        ("", "0 classes; 1 to 255 can be told apart"),
    ] {
        folder.text("label_map.toml", text);
        assert_eq!(
            folder.open_error(&DatasetOptions::default()),
            format!("label_map.toml: {problem}")
        );
    }
    folder.text("label_map.toml", "idz = {}");
    let message = folder.open_error(&DatasetOptions::default());
    assert!(
        message.starts_with("label_map.toml: is not a label map: TOML parse error at line 1"),
        "{message}"
    );
    folder.text("label_map.json", "{}");
    assert_eq!(
        folder.open_error(&DatasetOptions::default()),
        "label_map.json: is there beside label_map.toml; keep one"
    );
}

#[test]
fn names_need_every_id() {
    let folder = folder();
    for (text, problem) in [
        (
            r#"{"0": "a", "2": "c"}"#,
            "class 1 has no name; ids must be 0, 1, 2, ... without a gap",
        ),
        (r#"{"a": "0"}"#, "\"a\" is not a class id; use 0, 1, 2, ..."),
        (
            "[]",
            "is not a map of ids to names: invalid type: sequence, expected a map at line 1 column 0",
        ),
    ] {
        folder.text("id2label.json", text);
        assert_eq!(
            folder.open_error(&DatasetOptions::default()),
            format!("id2label.json: {problem}")
        );
    }
}

#[test]
fn jpeg_masks_are_refused() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .photo("masks/a.jpg", 3, 0);
    let options = DatasetOptions {
        num_classes: Some(2),
        ..DatasetOptions::default()
    };
    let message = folder.message(
        &folder
            .open(&options)
            .split("all")
            .unwrap()
            .read(0)
            .unwrap_err(),
    );
    assert_eq!(
        message,
        "masks/a.jpg: the mask is a JPEG, whose compression changes ids; export masks as PNG"
    );
}
