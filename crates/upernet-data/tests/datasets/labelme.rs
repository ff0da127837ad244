//! Labelme's files.

use serde_json::{Value, json};
use upernet_data::SampleSource;
use upernet_data::dataset::{DatasetOptions, LayoutKind};

use crate::folder::{Folder, first_row};

fn content(shapes: &Value) -> String {
    json!({
        "version": "5.4.1", "flags": {}, "shapes": shapes,
        "imagePath": "..\\photos\\a.jpg", "imageData": null, "imageHeight": 2, "imageWidth": 6,
    })
    .to_string()
}

fn rectangle(label: &str, left: f32, right: f32) -> Value {
    json!({"label": label, "points": [[left, 0], [right, 2]], "shape_type": "rectangle"})
}

#[test]
fn shapes_beside_their_photos() {
    let folder = Folder::new();
    folder.photo("train/a.jpg", 6, 0).photo("val/b.jpg", 6, 1);
    let polygon = json!({"label": "car", "points": [[1, 0], [2, 0], [2, 2], [1, 2]]});
    let shapes = json!([
        polygon,
        rectangle("road", 0.0, 4.0),
        rectangle("__ignore__", 5.0, 6.0)
    ]);
    folder.text("train/a.json", &content(&shapes));
    folder.text(
        "val/b.json",
        &content(&json!([rectangle("tree", 3.0, 0.0)])),
    );
    let dataset = folder.open_plain();
    assert_eq!(dataset.layout().kind, LayoutKind::Labelme);
    assert_eq!(dataset.splits(), ["train", "val"]);
    assert_eq!(dataset.class_names(), ["background", "car", "road", "tree"]);
    let said = dataset.label_mapping().to_string();
    assert!(
        said.ends_with("(labels of the shapes in 2 files)"),
        "{said}"
    );
    assert_eq!(
        first_row(&dataset.split("train").unwrap(), 0),
        [2, 1, 2, 2, 0, 255]
    );
    // A rectangle may be drawn from the right to the left.
    assert_eq!(
        first_row(&dataset.split("val").unwrap(), 0),
        [3, 3, 3, 0, 0, 0]
    );
}

#[test]
fn photos_elsewhere_are_found_by_the_name_in_the_file() {
    let folder = Folder::new();
    folder.photo("photos/a.jpg", 6, 0);
    let circle = json!({"label": "ball", "points": [[3, 1], [3, 2.5]], "shape_type": "circle"});
    folder.text("polygons/first.json", &content(&json!([circle])));
    let dataset = folder.open_plain();
    let split = dataset.split("all").unwrap();
    assert_eq!(split.name(0), "polygons/first");
    // Centres at 1.5 to 4.5 are at most sqrt(1.5^2 - 0.5^2) = 1.41 and more than that from 3: 2.5 and 3.5
    // are inside, 1.5 and 4.5 (distance 1.5) are not.
    assert_eq!(first_row(&split, 0), [0, 0, 1, 1, 0, 0]);
    std::fs::remove_file(folder.path("photos/a.jpg")).unwrap();
    folder.photo("photos/z.jpg", 6, 0);
    let message = folder.open_error(&DatasetOptions::default());
    assert!(
        message.starts_with(
            "polygons/first.json: there is no photo \"polygons/first\" for these labels"
        ),
        "{message}"
    );
}

#[test]
fn shapes_without_area_are_named() {
    let folder = Folder::new();
    folder.photo("a.jpg", 6, 0);
    folder.text(
        "a.json",
        &content(&json!([{"label": "pole", "points": [[1, 0], [1, 2]], "shape_type": "line"}])),
    );
    let message = folder.message(
        &folder
            .open_plain()
            .split("all")
            .unwrap()
            .read(0)
            .unwrap_err(),
    );
    assert_eq!(
        message,
        "a.json: a line of 2 points labelled \"pole\" has no area; draw it as a polygon, or remove it"
    );
    folder.text("a.json", "{\"shapes\": 3}");
    let message = folder.open_error(&DatasetOptions::default());
    assert!(
        message.starts_with("a.json: is not a Labelme file: invalid type"),
        "{message}"
    );
}

#[test]
fn sizes_that_the_photo_does_not_have_are_named() {
    let folder = Folder::new();
    folder
        .photo("a.jpg", 5, 0)
        .text("a.json", &content(&json!([rectangle("road", 0.0, 4.0)])));
    let message = folder.message(
        &folder
            .open_plain()
            .split("all")
            .unwrap()
            .read(0)
            .unwrap_err(),
    );
    assert_eq!(
        message,
        "a.json: has 6 x 2 pixels, but a.jpg has 5 x 2; export the mask at the size of the photo"
    );
}
