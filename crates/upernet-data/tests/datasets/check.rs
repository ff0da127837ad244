//! Reports about good and bad datasets.

use std::fs;

use rstest::rstest;
use upernet_data::check::{self, Report, Severity};
use upernet_data::dataset::{DatasetOptions, LabelTable};
use upernet_data::pixels::image::RgbImage;

use crate::folder::Folder;

/// Two classes in two photos of one split.
fn good() -> Folder {
    let folder = Folder::new();
    folder
        .photo("images/train/a.png", 3, 0)
        .mask("masks/train/a.png", &[0, 1, 255]);
    folder
        .photo("images/train/b.png", 3, 1)
        .mask("masks/train/b.png", &[1, 1, 0]);
    folder.text("id2label.json", r#"{"0": "road", "1": "car"}"#);
    folder
}

fn report(folder: &Folder) -> Report {
    check::check(&folder.open_plain(), &[]).unwrap()
}

/// The problems as lines, without what to do.
fn problems(report: &Report) -> Vec<String> {
    let line =
        |problem: &check::Problem| problem.to_string().split("; ").next().unwrap().to_owned();
    report.problems.iter().map(line).collect()
}

#[test]
fn a_good_dataset_has_no_problems() {
    let folder = good();
    let report = report(&folder);
    assert!(!report.has_errors());
    let root = folder.root().display();
    assert_eq!(
        report.to_string(),
        format!(
            "{root}: layout paired-folders, because there is images/ with pictures in masks/\n\
             labels: ids 0 to 1 are the classes, 255 is ignored, nothing is renumbered (names from id2label.json)\n\
             split train: 2 photos with labels\n\
             value 0 = road: 4 pixels (33.33 %) in 2 of the masks\n\
             value 1 = car: 6 pixels (50.00 %) in 2 of the masks\n\
             value 255 = ignore: 2 pixels (16.67 %) in 1 of the masks\n\
             0 errors, 0 warnings"
        )
    );
    assert_eq!(report.splits[0].class_pixels, [4, 6]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["values"][1]["class"], "car");
}

#[test]
fn ids_without_class_are_listed_with_their_files() {
    let folder = good();
    for name in 'c'..='i' {
        folder.photo(&format!("images/train/{name}.png"), 3, name as u8);
        folder.mask(&format!("masks/train/{name}.png"), &[0, 1, 12]);
    }
    let report = report(&folder);
    let problem = &report.problems[0];
    assert_eq!((problem.severity, problem.count), (Severity::Error, 7));
    assert_eq!(
        problem.files,
        ["c", "d", "e", "f", "g"].map(|name| format!("masks/train/{name}.png"))
    );
    assert!(problem.to_string().ends_with(
        "masks/train/g.png, ...); map or ignore it in label_map.toml, or set num_classes"
    ));
    let proposed = report.proposed_label_map.unwrap();
    assert_eq!(
        proposed,
        "classes = [\"road\", \"car\"]\n\n[ids]\n0 = \"road\"\n1 = \"car\"\n12 = \"ignore\"\n255 = \"ignore\"\n"
    );
    folder.text("label_map.toml", &proposed);
    assert!(!self::report(&folder).has_errors());
}

#[test]
fn without_names_a_map_is_proposed_that_works() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .mask("masks/a.png", &[0, 38, 75]);
    folder
        .photo("images/b.png", 3, 1)
        .mask("masks/b.png", &[38, 255, 0]);
    let report = check::check_folder(folder.root(), &DatasetOptions::default()).unwrap();
    assert_eq!(
        problems(&report),
        [
            "error: the masks hold the ids 0, 38, 75, 255, which are not 0, 1, 2, ... with 255 for ignore"
        ]
    );
    let proposed = report.proposed_label_map.unwrap();
    let table = LabelTable::from_toml(&proposed).unwrap();
    assert_eq!(table.classes, ["id_0", "id_38", "id_75"]);
    folder.text("label_map.toml", &proposed);
    assert!(!self::report(&folder).has_errors());
}

#[test]
fn masks_of_0_and_255_are_proposed_as_two_classes() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .mask("masks/a.png", &[0, 255, 255]);
    let report = check::check_folder(folder.root(), &DatasetOptions::default()).unwrap();
    let table = LabelTable::from_toml(&report.proposed_label_map.unwrap()).unwrap();
    assert_eq!(table.classes, ["id_0", "id_255"]);
}

#[rstest]
#[case::colours(&[[9, 0, 0], [0, 9, 0], [0; 3]], "masks with colours, and no colour map says what they mean")]
#[case::grey(&[[1; 3], [2; 3], [0; 3]], "masks with grey ids saved as RGB")]
fn rgb_masks_without_map(#[case] row: &[[u8; 3]], #[case] what: &str) {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .color_mask("masks/a.png", row);
    let report = check::check_folder(folder.root(), &DatasetOptions::default()).unwrap();
    assert!(
        problems(&report).contains(&format!("error: {what} (1 file: masks/a.png)")),
        "{report}"
    );
    folder.text("label_map.toml", &report.proposed_label_map.unwrap());
    assert!(!self::report(&folder).has_errors());
}

#[test]
fn smoothed_masks_are_told_from_forgotten_classes() {
    let folder = good();
    let ids: Vec<u8> = (0..40).collect();
    folder
        .photo("images/train/c.png", 40, 2)
        .mask("masks/train/c.png", &ids);
    let found = problems(&report(&folder));
    assert_eq!(
        found,
        [
            "error: masks with very many values, as after JPEG or anti-aliasing (1 file: masks/train/c.png)"
        ]
    );
}

#[test]
fn unreadable_and_mismatched_files_are_named() {
    let folder = good();
    folder
        .text("images/train/c.png", "no picture")
        .mask("masks/train/c.png", &[0, 1, 1]);
    folder
        .photo("images/train/d.png", 3, 3)
        .photo("masks/train/d.jpg", 3, 3);
    folder
        .photo("images/train/e.png", 4, 4)
        .mask("masks/train/e.png", &[0, 1, 1]);
    folder
        .photo("images/train/f.png", 3, 5)
        .photo("images/train/g.png", 3, 6)
        .mask("masks/train/h.png", &[0]);
    let report = report(&folder);
    assert_eq!(
        problems(&report),
        [
            "error: photos without mask (2 files: images/train/f.png, images/train/g.png)",
            "error: photos that cannot be read (1 file: images/train/c.png: is not a JPEG, PNG, WebP, TIFF, BMP or GIF image)",
            "error: masks that cannot be read (1 file: masks/train/d.jpg: the mask is a JPEG, whose compression changes ids",
            "error: masks of another size than their photos (1 file: masks/train/e.png: 3 x 2, the photo 4 x 2)",
            "warning: labels without photo (1 file: masks/train/h.png: no h)",
        ]
    );
    assert_eq!(report.first_error().unwrap().count, 2);
}

#[test]
fn the_same_photo_in_two_splits_is_found_by_its_bytes() {
    let folder = good();
    fs::copy(
        folder.path("images/train/a.png"),
        folder.path("images/val/z.png"),
    )
    .unwrap();
    folder.mask("masks/val/z.png", &[0, 1, 1]);
    fs::copy(
        folder.path("images/train/a.png"),
        folder.path("images/train/c.png"),
    )
    .unwrap();
    folder.mask("masks/train/c.png", &[0, 1, 1]);
    assert_eq!(
        problems(&report(&folder)),
        [
            "warning: the same photo in several splits (1 file: images/val/z.png = images/train/a.png)"
        ]
    );
    // A split alone holds no photo of another.
    assert_eq!(
        problems(&check::check(&folder.open_plain(), &["train"]).unwrap()),
        [""; 0]
    );
}

#[test]
fn lists_that_overlap_are_one_remark() {
    let folder = Folder::new();
    for (name, seed) in [("a", 0), ("b", 1)] {
        folder
            .photo(&format!("images/{name}.png"), 2, seed)
            .mask(&format!("masks/{name}.png"), &[0, 1]);
    }
    folder
        .text("splits/train.txt", "a\n")
        .text("splits/trainval.txt", "a\nb\n")
        .text("splits/test.txt", "\n");
    assert_eq!(
        problems(&report(&folder)),
        [
            "error: the split \"test\" has no photo with a mask",
            "warning: the splits \"train\" and \"trainval\" list the same photos (1 file: images/a.png)",
        ]
    );
}

#[test]
fn masks_that_teach_nothing_are_remarked_on() {
    let folder = good();
    folder
        .photo("images/train/c.png", 2, 2)
        .mask("masks/train/c.png", &[255, 255]);
    folder
        .photo("images/train/d.png", 2, 3)
        .mask("masks/train/d.png", &[1, 1]);
    folder.text(
        "id2label.json",
        r#"{"0": "road", "1": "car", "2": "bus", "3": "tram"}"#,
    );
    let report = report(&folder);
    assert!(!report.has_errors());
    assert_eq!(
        problems(&report),
        [
            "warning: masks in which everything is ignored (1 file: masks/train/c.png)",
            "warning: masks with one class only (1 file: masks/train/d.png)",
            "warning: no pixel is of the classes bus, tram",
        ]
    );
}

#[test]
fn a_palette_that_contradicts_the_ids_is_remarked_on() {
    let folder = Folder::new();
    let colors = upernet_data::pixels::Palette::generated(2);
    let [first, second] = [0, 1].map(|class| {
        colors
            .color(class)
            .unwrap()
            .map(|part| part.to_string())
            .join(",")
    });
    folder
        .photo("JPEGImages/a.png", 2, 0)
        .indexed_mask("SegmentationClass/a.png", &[0, 1]);
    folder.text("labelmap.txt", &format!("road:{first}::\ncar:{second}::\n"));
    assert_eq!(problems(&report(&folder)), [""; 0]);
    folder.text("labelmap.txt", &format!("car:{second}::\nroad:{first}::\n"));
    assert_eq!(
        problems(&report(&folder)),
        [
            "warning: indexed masks whose palette says another class than the id (1 file: SegmentationClass/a.png)"
        ]
    );
}

#[test]
fn polygons_are_counted_by_label() {
    let folder = Folder::new();
    folder.photo("a.png", 4, 0);
    folder.text(
        "a.json",
        r#"{"shapes": [{"label": "car", "points": [[0, 0], [1, 0], [1, 2], [0, 2]]}],
            "imagePath": "a.png", "imageHeight": 2, "imageWidth": 4}"#,
    );
    let report = report(&folder);
    let values: Vec<_> = report
        .values
        .iter()
        .map(|value| (value.value.as_str(), value.pixels))
        .collect();
    assert_eq!(values, [("background", 6), ("car", 2)]);
}

#[test]
fn missing_splits_are_refused() {
    let folder = good();
    let message = folder.message(&check::check(&folder.open_plain(), &["val"]).unwrap_err());
    assert_eq!(message, "ROOT: there is no split \"val\"; there are: train");
}

/// What is found does not depend on how many threads look.
#[test]
fn reports_are_the_same_on_one_thread() {
    let folder = good();
    for name in 0..20_u8 {
        RgbImage::from_pixel(3, 2, upernet_data::pixels::image::Rgb([name; 3]))
            .save(folder.path(&format!("images/train/x{name}.png")))
            .unwrap();
        folder.mask(&format!("masks/train/x{name}.png"), &[name, name / 2, 0]);
    }
    let dataset = folder.open_plain();
    let one = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let alone = one.install(|| check::check(&dataset, &[]).unwrap());
    assert_eq!(check::check(&dataset, &[]).unwrap(), alone);
}
