//! What is on disk afterwards, and what is refused.

use upernet_image::{DecodeLimits, ErrorKind, read_image, read_label_png};

use super::*;

fn options(count: usize) -> DatasetOptions {
    DatasetOptions {
        scenes: SceneOptions::new([64, 70]).unwrap(),
        count,
        seed: 3,
        validation_share: 0.25,
        photos: PhotoFormat::Png,
        overwrite: Overwrite::Refuse,
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_written_is_what_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scenes");
    let written = write_dataset(&out, &options(4), || {}).unwrap();
    assert_eq!(
        written,
        WrittenDataset {
            training: 3,
            validation: 1
        }
    );
    let scene = render(&options(4).scenes, 3, 3);
    let photo = out.join("images/validation/scene_000003.png");
    assert_eq!(
        read_image(photo, &DecodeLimits::default()).unwrap(),
        scene.image
    );
    let mask = out.join("annotations/validation/scene_000003.png");
    assert_eq!(
        read_label_png(mask, &DecodeLimits::default()).unwrap(),
        scene.labels
    );
    assert_eq!(names(&out.join("images/training")).len(), 3);
    assert_eq!(
        names(&out),
        ["annotations", "id2label.json", "images", "synth.json"]
    );
    // Nothing is left beside it.
    assert_eq!(names(folder.path()), ["scenes"]);
    let names: Value =
        serde_json::from_slice(&fs::read(out.join("id2label.json")).unwrap()).unwrap();
    assert_eq!(names["10"], "Bicyclist");
}

#[test]
fn photos_may_be_jpeg() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = DatasetOptions {
        photos: PhotoFormat::Jpeg,
        ..options(1)
    };
    write_dataset(folder.path(), &jpeg, || {}).unwrap();
    let photo = folder.path().join("images/training/scene_000000.jpg");
    let photo = read_image(photo, &DecodeLimits::default()).unwrap();
    let drawn = render(&jpeg.scenes, 3, 0).image;
    let off: f64 = photo
        .iter()
        .zip(drawn.iter())
        .map(|(&a, &b)| f64::from(a.abs_diff(b)))
        .sum();
    let mean = off / photo.len() as f64;
    assert!(mean < 6.0, "off by {mean:.2} of 255 on average");
    // No scene is for validation, so there is no such split.
    assert_eq!(names(&folder.path().join("images")), ["training"]);
}

#[test]
fn an_earlier_dataset_is_replaced_as_a_whole_and_only_if_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scenes");
    write_dataset(&out, &options(4), || {}).unwrap();
    let refused = write_dataset(&out, &options(2), || {}).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BadData);
    assert!(refused.to_string().contains("is not empty"), "{refused}");
    let replace = DatasetOptions {
        overwrite: Overwrite::Replace,
        validation_share: 0.0,
        ..options(2)
    };
    write_dataset(&out, &replace, || {}).unwrap();
    assert_eq!(
        names(&out.join("images/training")),
        ["scene_000000.png", "scene_000001.png"]
    );
}

#[test]
fn what_is_not_synthetic_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious.txt");
    fs::write(&precious, "years of work").unwrap();
    let replace = DatasetOptions {
        overwrite: Overwrite::Replace,
        ..options(1)
    };
    let refused = write_dataset(folder.path(), &replace, || {}).unwrap_err();
    assert!(refused.to_string().contains("something else"), "{refused}");
    let refused = write_dataset(&precious, &replace, || {}).unwrap_err();
    assert!(refused.to_string().contains("not a folder"), "{refused}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "years of work");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for bad in [
        DatasetOptions {
            count: 0,
            ..options(1)
        },
        DatasetOptions {
            validation_share: 1.5,
            ..options(1)
        },
        DatasetOptions {
            validation_share: f64::NAN,
            ..options(1)
        },
    ] {
        let refused = write_dataset(folder.path(), &bad, || {}).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    }
}
