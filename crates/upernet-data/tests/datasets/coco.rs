//! COCO's instance files.

use serde_json::{Value, json};
use upernet_data::SampleSource;
use upernet_data::dataset::{DatasetOptions, LayoutKind, Unpaired};

use crate::folder::{Folder, first_row};

/// One photo of 4 x 2 pixels with a large and, before it, a small shape.
fn content(file_name: &str) -> Value {
    json!({
        "info": {},
        "images": [{"id": 7, "file_name": file_name, "width": 4, "height": 2}],
        "categories": [{"id": 9, "name": "car", "supercategory": "x"}, {"id": 3, "name": "road"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 9, "iscrowd": 0, "segmentation": [[1, 0, 2, 0, 2, 2, 1, 2]]},
            {"id": 2, "image_id": 7, "category_id": 3, "segmentation": [[0, 0, 3, 0, 3, 2, 0, 2]]},
        ],
    })
}

#[test]
fn official_folders() {
    let folder = Folder::new();
    for (split, seed) in [("train2017", 0), ("val2017", 1)] {
        folder.photo(&format!("{split}/0001.jpg"), 4, seed);
        folder.text(
            &format!("annotations/instances_{split}.json"),
            &content("0001.jpg").to_string(),
        );
    }
    folder.text(
        "annotations/captions_val2017.json",
        r#"{"images": [], "annotations": []}"#,
    );
    let dataset = folder.open_plain();
    assert_eq!(dataset.layout().kind, LayoutKind::Coco);
    assert_eq!(dataset.splits(), ["train2017", "val2017"]);
    assert_eq!(dataset.class_names(), ["background", "road", "car"]);
    let said = dataset.label_mapping().to_string();
    assert!(
        said.ends_with("(categories of annotations/instances_train2017.json)"),
        "{said}"
    );
    let split = dataset.split("val2017").unwrap();
    assert!(split.image_path(0).ends_with("val2017/0001.jpg"));
    // Road from 0 to 3, the smaller car over it though it comes first, background where there is nothing.
    assert_eq!(first_row(&split, 0), [1, 2, 1, 0]);
}

#[test]
fn roboflow_folders_and_runs() {
    let folder = Folder::new();
    folder.photo("train/a.jpg", 4, 0);
    let mut content = content("a.jpg");
    // Down the columns: two pixels of none, then two of the car.
    content["annotations"] = json!([
        {"image_id": 7, "category_id": 9, "segmentation": {"size": [2, 4], "counts": [2, 2, 4]}},
        // The same numbers for the next column, compressed: 4 -> '4', 2 -> '2', 2 -> '2'.
        {"image_id": 7, "category_id": 3, "segmentation": {"size": [2, 4], "counts": "422"}},
        {"image_id": 7, "category_id": 3},
    ]);
    folder.text("train/_annotations.coco.json", &content.to_string());
    let dataset = folder.open_plain();
    assert_eq!(dataset.splits(), ["train"]);
    assert_eq!(first_row(&dataset.split("train").unwrap(), 0), [0, 2, 1, 0]);
}

#[test]
fn photos_are_only_looked_for_in_the_folder() {
    let folder = Folder::new();
    folder.photo("outside.jpg", 4, 0);
    folder.photo("data/images/a.jpg", 4, 0);
    folder.text("data/train.json", &content("../outside.jpg").to_string());
    let dataset =
        upernet_data::dataset::open(folder.path("data"), &DatasetOptions::default()).unwrap();
    let message = folder.message(&dataset.split("train").unwrap_err());
    assert_eq!(
        message,
        "data/train.json: there is no photo \"../outside.jpg\" for these labels; add the photo, remove the labels, or \
         set unpaired to skip"
    );
    let skipping = DatasetOptions {
        unpaired: Unpaired::Skip,
        ..DatasetOptions::default()
    };
    let dataset = upernet_data::dataset::open(folder.path("data"), &skipping).unwrap();
    let message = folder.message(&dataset.split("train").unwrap_err());
    assert_eq!(
        message,
        "data: the split \"train\" has no photo with a mask; masks are called like their photos"
    );
}

#[test]
fn an_id2label_file_names_the_classes() {
    let folder = Folder::new();
    folder
        .photo("images/a.jpg", 4, 0)
        .text("train.json", &content("a.jpg").to_string());
    folder.text("id2label.json", r#"{"0": "car"}"#);
    let message = folder.message(
        &folder
            .open_plain()
            .split("train")
            .unwrap()
            .read(0)
            .unwrap_err(),
    );
    assert_eq!(
        message,
        "train.json: photo a.jpg: the label \"road\" is neither a class nor mapped to one; map or ignore it under \
         [names] in label_map.toml"
    );
    folder.text(
        "label_map.toml",
        "classes = ['car']\n[names]\nroad = 'ignore'\n",
    );
    // No class is called background, so what is not covered is ignored as well.
    assert_eq!(
        first_row(&folder.open_plain().split("train").unwrap(), 0),
        [255, 0, 255, 255]
    );
}

#[test]
fn damage_is_named() {
    let folder = Folder::new();
    folder.photo("a.jpg", 4, 0);
    for (pointer, value, problem) in [
        (
            "/annotations/0/image_id",
            json!(8),
            "an annotation is of photo 8, which is not listed; export it anew",
        ),
        (
            "/annotations/0/category_id",
            json!(1),
            "an annotation is of category 1, which is not listed; export it anew",
        ),
    ] {
        let mut content = content("a.jpg");
        *content.pointer_mut(pointer).unwrap() = value;
        folder.text("train.json", &content.to_string());
        assert_eq!(
            folder.open_error(&DatasetOptions::default()),
            format!("train.json: {problem}")
        );
    }
    folder.text("train.json", "{\"images\": [");
    let message = folder.open_error(&DatasetOptions::default());
    assert!(
        message.starts_with("train.json: is not a COCO instance file: EOF while parsing"),
        "{message}"
    );
    for (segmentation, problem) in [
        (
            json!([[1, 2, 3]]),
            "a polygon has a coordinate without partner",
        ),
        (
            json!({"size": [4, 2], "counts": [8]}),
            "runs are of 2 x 4 pixels; export the file anew",
        ),
        (
            json!({"size": [2, 4], "counts": [7]}),
            "runs of 7 pixels for a photo of 4 x 2",
        ),
        (
            json!({"size": [2, 4], "counts": "!"}),
            "damaged compressed runs",
        ),
    ] {
        let mut content = content("a.jpg");
        content["annotations"][0]["segmentation"] = segmentation;
        folder.text("train.json", &content.to_string());
        let message = folder.message(
            &folder
                .open_plain()
                .split("train")
                .unwrap()
                .read(0)
                .unwrap_err(),
        );
        assert_eq!(message, format!("train.json: photo a.jpg: {problem}"));
    }
    let mut content = content("a.jpg");
    content["images"][0]["width"] = json!(4_000_000_000_u32);
    folder.text("train.json", &content.to_string());
    let message = folder.message(
        &folder
            .open_plain()
            .split("train")
            .unwrap()
            .read(0)
            .unwrap_err(),
    );
    assert_eq!(
        message,
        "train.json: photo a.jpg: 4000000000 x 2 pixels are none, or over the limits"
    );
}

#[test]
fn splits_must_have_the_same_categories() {
    let folder = Folder::new();
    folder
        .photo("images/a.jpg", 4, 0)
        .text("train.json", &content("a.jpg").to_string());
    let mut other = content("a.jpg");
    other["categories"][0]["name"] = json!("bus");
    folder.text("val.json", &other.to_string());
    assert_eq!(
        folder.open_error(&DatasetOptions::default()),
        "val.json: has other categories than train.json; export both from one project"
    );
}
