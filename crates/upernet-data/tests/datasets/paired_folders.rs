//! `images/` beside `masks/`.

use rstest::rstest;
use upernet_data::dataset::{DatasetOptions, LabelTable, Unpaired};
use upernet_data::{SampleSource, class_weights::ClassCounts};

use crate::folder::{Folder, first_row};

fn classes(num_classes: usize) -> DatasetOptions {
    DatasetOptions {
        num_classes: Some(num_classes),
        ..DatasetOptions::default()
    }
}

#[rstest]
#[case::masks("images", "masks")]
#[case::annotations("images", "annotations")]
#[case::labels("images", "labels")]
#[case::mmseg("img_dir", "ann_dir")]
fn flat_folders_are_one_split(#[case] images: &str, #[case] masks: &str) {
    let folder = Folder::new();
    for (seed, name) in ["b", "a"].into_iter().enumerate() {
        folder.photo(
            &format!("{images}/{name}.jpg"),
            3,
            u8::try_from(seed).unwrap(),
        );
        folder.mask(&format!("{masks}/{name}.png"), &[0, 1, 255]);
    }
    let dataset = folder.open_plain();
    let said = dataset.layout().to_string();
    assert!(
        said.ends_with(&format!(
            "layout paired-folders, because there is {images}/ with pictures in {masks}/"
        )),
        "{said}"
    );
    assert_eq!(dataset.splits(), ["all"]);
    assert_eq!(dataset.class_names(), ["class_0", "class_1"]);
    let said = dataset.label_mapping().to_string();
    assert_eq!(
        said,
        "ids 0 to 1 are the classes, 255 is ignored, nothing is renumbered (counted in 2 masks)"
    );
    let split = dataset.split("all").unwrap();
    assert_eq!([split.name(0), split.name(1)], ["a", "b"]);
    assert_eq!(first_row(&split, 0), [0, 1, 255]);
    assert_eq!(ClassCounts::scan(&split).unwrap().pixels, [4, 4]);
}

#[test]
fn splits_are_folders_below_or_above() {
    let below = Folder::new();
    below
        .photo("images/train/city/a.png", 2, 0)
        .mask("masks/train/city/a.png", &[0, 1]);
    below
        .photo("images/val/b.png", 2, 1)
        .mask("masks/val/b.png", &[1, 1]);
    let above = Folder::new();
    above
        .photo("train/images/city/a.png", 2, 0)
        .mask("train/masks/city/a.png", &[0, 1]);
    above
        .photo("val/images/b.png", 2, 1)
        .mask("val/masks/b.png", &[1, 1]);
    for folder in [below, above] {
        let dataset = folder.open_plain();
        assert_eq!(dataset.splits(), ["train", "val"]);
        let split = dataset.split("train").unwrap();
        assert_eq!((split.len(), split.name(0)), (1, "city/a".to_owned()));
        assert_eq!(first_row(&split, 0), [0, 1]);
        let message = folder.message(&dataset.split("test").unwrap_err());
        assert_eq!(
            message,
            "ROOT: there is no split \"test\"; there are: train, val"
        );
    }
}

#[test]
fn sixteen_bits_and_tiff_are_read() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .wide_mask("masks/a.png", &[0, 300, 255]);
    folder
        .photo("images/b.png", 3, 1)
        .wide_mask("masks/b.tif", &[1, 300, 0]);
    folder
        .photo("images/c.png", 3, 2)
        .mask("masks/c.bmp", &[1, 1, 0]);
    folder.text(
        "label_map.toml",
        "classes = ['a', 'b', 'far']\n[ids]\n0 = 0\n1 = 'b'\n300 = 'far'\n",
    );
    let dataset = folder.open_plain();
    let said = dataset.label_mapping().to_string();
    assert_eq!(
        said,
        "ids 0, 1, 300 become the classes 0 to 2, ids 255 are ignored (label_map.toml)"
    );
    let split = dataset.split("all").unwrap();
    assert_eq!(
        [0, 1, 2].map(|index| first_row(&split, index)),
        [[0, 2, 255], [1, 2, 0], [1, 1, 0]]
    );
}

#[test]
fn colours_need_a_map() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .color_mask("masks/a.png", &[[9, 9, 9], [1, 2, 3], [0, 0, 0]]);
    let message = folder.open_error(&DatasetOptions::default());
    assert_eq!(
        message,
        "masks/a.png: the mask has colours, and no colour map says which classes they are; list them \
        under [colors] in label_map.toml, or export ids"
    );
    let mut options = DatasetOptions {
        label_map: Some(LabelTable::from_toml("colors = {'9,9,9' = 0, '#010203' = 1}").unwrap()),
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
        "masks/a.png: colour 0,0,0 at row 0, column 2 has no class; map it under [colors] in \
        label_map.toml, or look for anti-aliased edges"
    );
    options.label_map = Some(
        LabelTable::from_toml("colors = {'9,9,9' = 0, '1,2,3' = 1, '0,0,0' = 'ignore'}").unwrap(),
    );
    assert_eq!(
        first_row(&folder.open(&options).split("all").unwrap(), 0),
        [0, 1, 255]
    );
}

#[test]
fn ids_that_are_no_classes_are_named() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .mask("masks/a.png", &[0, 1, 7]);
    let split = folder.open(&classes(2)).split("all").unwrap();
    assert_eq!(
        folder.message(&split.read(0).unwrap_err()),
        "masks/a.png: id 7 at row 0, column 2 is neither a class (0 to 1) nor mapped to one; map or ignore it in \
         label_map.toml, or set num_classes"
    );
    let ignoring = DatasetOptions {
        ignore: vec![7],
        ..classes(2)
    };
    assert_eq!(
        first_row(&folder.open(&ignoring).split("all").unwrap(), 0),
        [0, 1, 255]
    );
    assert_eq!(
        folder.open_error(&DatasetOptions::default()),
        "ROOT: the masks hold the ids 0, 1, 7, which are not 0, 1, 2, ... with 255 for ignore; say in label_map.toml \
         what they mean, or set num_classes"
    );
}

#[test]
fn zero_and_255_alone_are_not_guessed() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .mask("masks/a.png", &[0, 255, 255]);
    let message = folder.open_error(&DatasetOptions::default());
    assert!(
        message.starts_with("ROOT: the masks hold the ids 0, 255, which are not"),
        "{message}"
    );
    folder.text("label_map.toml", "[ids]\n0 = 0\n255 = 1\n");
    assert_eq!(
        first_row(&folder.open_plain().split("all").unwrap(), 0),
        [0, 1, 1]
    );
}

#[test]
fn photos_without_mask_are_refused_or_skipped() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 2, 0)
        .mask("masks/a.png", &[0, 1]);
    folder
        .photo("images/b.png", 2, 1)
        .photo("images/c.png", 2, 2);
    let message = folder.message(&folder.open_plain().split("all").unwrap_err());
    assert_eq!(
        message,
        "images/b.png: the photo has no mask (2 such); add the mask, remove the photo, or set unpaired to skip"
    );
    let skipping = DatasetOptions {
        unpaired: Unpaired::Skip,
        ..DatasetOptions::default()
    };
    assert_eq!(folder.open(&skipping).split("all").unwrap().len(), 1);
}

#[test]
fn sizes_must_agree() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .mask("masks/a.png", &[0, 1]);
    let message = folder.message(
        &folder
            .open(&classes(2))
            .split("all")
            .unwrap()
            .read(0)
            .unwrap_err(),
    );
    assert_eq!(
        message,
        "masks/a.png: has 2 x 2 pixels, but images/a.png has 3 x 2; export the mask at the size of the photo"
    );
}

#[test]
fn split_files_list_photos() {
    let folder = Folder::new();
    for name in ["a", "b", "c"] {
        folder.photo(&format!("images/{name}.jpg"), 2, name.as_bytes()[0]);
        folder.mask(&format!("masks/{name}_mask.png"), &[0, 1]);
    }
    folder
        .text("splits/train.txt", "c\n\na.jpg\r\n")
        .text("splits/val.txt", "b\n");
    let dataset = folder.open_plain();
    assert_eq!(dataset.splits(), ["train", "val"]);
    let split = dataset.split("train").unwrap();
    assert_eq!([split.name(0), split.name(1)], ["c", "a"]);
    folder.text("splits/val.txt", "b\nd\n");
    let message = folder.open_error(&DatasetOptions::default());
    assert_eq!(
        message,
        "splits/val.txt: line 2: there is no photo \"d\"; remove the line or add the photo"
    );
}

#[test]
fn a_second_mask_folder_is_ambiguous() {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 2, 0)
        .mask("masks/a.png", &[0, 1])
        .mask("labels/a.png", &[1, 0]);
    let message = folder.open_error(&DatasetOptions::default());
    assert_eq!(
        message,
        "ROOT: has pictures in masks/ and in labels/; choose with the option masks"
    );
    let chosen = DatasetOptions {
        masks: Some("labels".into()),
        ..DatasetOptions::default()
    };
    assert_eq!(
        first_row(&folder.open(&chosen).split("all").unwrap(), 0),
        [1, 0]
    );
}

#[test]
fn nothing_is_said_to_be_nothing() {
    let folder = Folder::new();
    folder.photo("holiday/a.png", 2, 0);
    let message = folder.open_error(&DatasetOptions::default());
    assert!(
        message.starts_with("ROOT: no known layout; make it one of: images/ with masks/"),
        "{message}"
    );
    let missing =
        upernet_data::dataset::open("/no/such/folder", &DatasetOptions::default()).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "/no/such/folder: no such folder; give the folder of the dataset"
    );
}
