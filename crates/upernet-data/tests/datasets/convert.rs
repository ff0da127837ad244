//! Datasets written anew.

use std::fs;
use std::path::Path;

use upernet_data::SampleSource;
use upernet_data::dataset::{self, DatasetOptions, LayoutKind, convert, write_samples};
use upernet_data::pixels::{DecodeLimits, Overwrite, read_image};

use crate::folder::{Folder, first_row};

/// Everything below a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(
                files(&path)
                    .into_iter()
                    .map(|inner| format!("{name}/{inner}")),
            );
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

fn cityscapes() -> Folder {
    let folder = Folder::new();
    folder.photo("data/leftImg8bit/train/ulm/a.b_leftImg8bit.png", 3, 0);
    folder.mask("data/gtFine/train/ulm/a.b_gtFine_labelIds.png", &[0, 7, 33]);
    folder.photo("data/leftImg8bit/val/bonn/c_leftImg8bit.png", 3, 1);
    folder.mask("data/gtFine/val/bonn/c_gtFine_labelIds.png", &[8, 11, 255]);
    folder
}

#[test]
fn labels_and_photos_survive() {
    let folder = cityscapes();
    let source = dataset::open(folder.path("data"), &DatasetOptions::default()).unwrap();
    let out = folder.root().join("new/out");
    let sizes = convert(&source, &out, Overwrite::Refuse).unwrap();
    assert_eq!(sizes, [("train".to_owned(), 1), ("val".to_owned(), 1)]);
    assert_eq!(
        files(&out),
        [
            "annotations/train/ulm/a.b.png",
            "annotations/val/bonn/c.png",
            "id2label.json",
            "images/train/ulm/a.b.png",
            "images/val/bonn/c.png",
        ]
    );
    assert_eq!(
        fs::read(out.join("images/train/ulm/a.b.png")).unwrap(),
        fs::read(folder.path("data/leftImg8bit/train/ulm/a.b_leftImg8bit.png")).unwrap()
    );
    let written = dataset::open(&out, &DatasetOptions::default()).unwrap();
    assert_eq!(written.class_names(), source.class_names());
    assert!(written.label_mapping().is_identity());
    for (split, row) in [("train", [255, 0, 18]), ("val", [1, 2, 255])] {
        assert_eq!(first_row(&written.split(split).unwrap(), 0), row);
    }
    // The palette is for the eye: road is Cityscapes' purple.
    let seen = read_image(
        out.join("annotations/train/ulm/a.b.png"),
        &DecodeLimits::default(),
    )
    .unwrap();
    assert_eq!(seen.get_pixel(1, 0).0, [128, 64, 128]);
    assert_eq!(files(&folder.root().join("new")).len(), 5);
}

#[test]
fn nothing_is_left_of_a_conversion_that_fails() {
    let folder = cityscapes();
    folder.mask("data/gtFine/val/bonn/c_gtFine_labelIds.png", &[8, 11, 99]);
    let source = dataset::open(folder.path("data"), &DatasetOptions::default()).unwrap();
    let message =
        folder.message(&convert(&source, folder.path("new/out"), Overwrite::Refuse).unwrap_err());
    assert!(
        message.starts_with("data/gtFine/val/bonn/c_gtFine_labelIds.png: id 99 at row 0, column 2"),
        "{message}"
    );
    assert!(files(&folder.path("new")).is_empty());
}

#[test]
fn only_converted_folders_are_replaced_and_only_if_asked() {
    let folder = cityscapes();
    let source = dataset::open(folder.path("data"), &DatasetOptions::default()).unwrap();
    let out = folder.path("out");
    convert(&source, &out, Overwrite::Refuse).unwrap();
    let message = folder.message(&convert(&source, &out, Overwrite::Refuse).unwrap_err());
    assert_eq!(
        message,
        "out: already exists; remove it, or ask for it to be replaced"
    );
    fs::remove_file(out.join("images/val/bonn/c.png")).unwrap();
    convert(&source, &out, Overwrite::Replace).unwrap();
    assert_eq!(files(&out).len(), 5);
    folder.text("out/notes.txt", "mine");
    let message = folder.message(&convert(&source, &out, Overwrite::Replace).unwrap_err());
    assert_eq!(
        message,
        "out/notes.txt: is not of a converted dataset, so its folder is not replaced; choose another one"
    );
    assert_eq!(files(&out).len(), 6);
}

#[test]
fn samples_of_any_origin_are_written() {
    let folder = cityscapes();
    let source = dataset::open(folder.path("data"), &DatasetOptions::default()).unwrap();
    let [train, val] = ["train", "val"].map(|name| source.split(name).unwrap());
    let out = folder.path("out");
    write_samples(
        &[("first", &train), ("second", &val)],
        &out,
        Overwrite::Refuse,
    )
    .unwrap();
    let written = dataset::open(&out, &DatasetOptions::default()).unwrap();
    assert_eq!(written.layout().kind, LayoutKind::PairedFolders);
    assert_eq!(
        written.split("second").unwrap().read(0).unwrap(),
        val.read(0).unwrap()
    );
}

/// Samples whose names are given.
struct Named(Vec<String>, [String; 1]);

impl SampleSource for Named {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn class_names(&self) -> &[String] {
        &self.1
    }

    fn name(&self, index: usize) -> String {
        self.0[index].clone()
    }

    fn read(&self, _: usize) -> Result<upernet_data::Sample, upernet_data::Error> {
        let labels = upernet_data::pixels::LabelMap::new([1, 1], vec![0])?;
        Ok(upernet_data::Sample {
            image: upernet_data::pixels::image::RgbImage::new(1, 1),
            labels,
        })
    }
}

#[test]
fn names_never_lead_out_of_the_folder() {
    let folder = Folder::new();
    let write = |names: &[&str], class: &str| {
        let source = Named(
            names.iter().map(|&name| name.to_owned()).collect(),
            [class.to_owned()],
        );
        write_samples(
            &[("train", &source)],
            folder.root().join("out"),
            Overwrite::Refuse,
        )
    };
    for name in ["../a", "/tmp/a", ""] {
        let message = folder.message(&write(&[name], "road").unwrap_err());
        assert_eq!(
            message,
            format!("{name}: cannot be a file in the new folder; rename it")
        );
    }
    let message = folder.message(&write(&["a", "b", "a"], "road").unwrap_err());
    assert_eq!(
        message,
        "a: two samples of a split are called so; rename one"
    );
    write(&["a", "b/c"], "a \"quoted\" name").unwrap();
    let written = dataset::open(folder.root().join("out"), &DatasetOptions::default()).unwrap();
    assert_eq!(written.class_names(), ["a \"quoted\" name"]);
}
