//! Pascal VOC and CVAT's export in its layout.

use upernet_data::SampleSource;
use upernet_data::dataset::{DatasetOptions, LayoutKind};

use crate::folder::{Folder, first_row};

#[test]
fn voc_has_its_names_and_lists() {
    let folder = Folder::new();
    for name in ["2007_000032", "2007_000033"] {
        folder.photo(
            &format!("VOCdevkit/VOC2012/JPEGImages/{name}.jpg"),
            3,
            name.as_bytes()[10],
        );
        // The palette has nothing to do with ids.
        folder.indexed_mask(
            &format!("VOCdevkit/VOC2012/SegmentationClass/{name}.png"),
            &[0, 15, 255],
        );
    }
    // Photos for other tasks have no mask, and no list for this one has them.
    folder.photo("VOCdevkit/VOC2012/JPEGImages/2007_000027.jpg", 3, 1);
    folder.text(
        "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt",
        "2007_000032\n",
    );
    folder.text(
        "VOCdevkit/VOC2012/ImageSets/Segmentation/trainval.txt",
        "2007_000032\n2007_000033\n",
    );
    let dataset = folder.open_plain();
    assert_eq!(dataset.layout().kind, LayoutKind::PascalVoc);
    assert_eq!(dataset.splits(), ["train", "trainval"]);
    assert_eq!(
        (
            dataset.class_names().len(),
            dataset.class_names()[15].as_str()
        ),
        (21, "person")
    );
    let split = dataset.split("trainval").unwrap();
    assert_eq!((split.len(), first_row(&split, 1)), (2, vec![0, 15, 255]));
}

#[test]
fn a_list_that_names_a_photo_without_mask_is_refused() {
    let folder = Folder::new();
    folder
        .photo("JPEGImages/a.jpg", 2, 0)
        .mask("SegmentationClass/a.png", &[0, 1]);
    folder.photo("JPEGImages/b.jpg", 2, 1);
    folder.text("ImageSets/Segmentation/train.txt", "a\nb\n");
    let dataset = folder.open_plain();
    assert_eq!(dataset.class_names(), ["class_0", "class_1"]);
    let message = folder.message(&dataset.split("train").unwrap_err());
    assert!(
        message.starts_with("JPEGImages/b.jpg: the photo has no mask; add"),
        "{message}"
    );
}

const LABEL_MAP: &str =
    "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,64,128::\ncar:0,0,142::\n";

#[test]
fn cvat_gives_colours_or_places() {
    let folder = Folder::new();
    folder.text("labelmap.txt", LABEL_MAP);
    folder.photo("JPEGImages/a.png", 3, 0).color_mask(
        "SegmentationClass/a.png",
        &[[0, 0, 142], [128, 64, 128], [0; 3]],
    );
    folder
        .photo("JPEGImages/b.png", 3, 1)
        .mask("SegmentationClass/b.png", &[2, 1, 0]);
    folder.text("ImageSets/Segmentation/default.txt", "a\nb\n");
    let dataset = folder.open_plain();
    assert_eq!(dataset.layout().kind, LayoutKind::Cvat);
    assert_eq!(dataset.class_names(), ["background", "road", "car"]);
    assert_eq!(
        dataset.label_mapping().to_string(),
        "ids 0 to 2 are the classes, 255 is ignored, nothing is renumbered, 3 colours have a class (labelmap.txt)"
    );
    let split = dataset.split("default").unwrap();
    assert_eq!(
        [first_row(&split, 0), first_row(&split, 1)],
        [[2, 1, 0], [2, 1, 0]]
    );
}

#[test]
fn a_colour_that_is_not_in_cvats_map_is_named() {
    let folder = Folder::new();
    folder.text("labelmap.txt", LABEL_MAP);
    folder
        .photo("JPEGImages/a.png", 2, 0)
        .color_mask("SegmentationClass/a.png", &[[0, 0, 142], [0, 0, 71]]);
    let message = folder.message(
        &folder
            .open_plain()
            .split("all")
            .unwrap()
            .read(0)
            .unwrap_err(),
    );
    assert!(
        message.starts_with(
            "SegmentationClass/a.png: colour 0,0,71 at row 0, column 1 has no class; map it"
        ),
        "{message}"
    );
}

#[test]
fn mistakes_in_cvats_map_are_named() {
    let folder = Folder::new();
    folder
        .photo("JPEGImages/a.png", 2, 0)
        .mask("SegmentationClass/a.png", &[0, 1]);
    for (text, problem) in [
        (
            "road:1,2::\n",
            "line 1: \"1,2\" is not a colour; write name:r,g,b::",
        ),
        (
            "road:1,2,3::\n\nroad:4,5,6::\n",
            "line 3: the name \"road\" is empty or there twice; write name:r,g,b::",
        ),
        (
            "road:1,2,3::\ncar:1,2,3::\n",
            "line 2: the colour 1,2,3 has a class already; give each its own",
        ),
    ] {
        folder.text("labelmap.txt", text);
        assert_eq!(
            folder.open_error(&DatasetOptions::default()),
            format!("labelmap.txt: {problem}")
        );
    }
    folder.text("labelmap.txt", "# nothing\n");
    assert_eq!(
        folder.open_error(&DatasetOptions::default()),
        "labelmap.txt: names no class; write lines name:r,g,b::"
    );
}

#[test]
fn two_layouts_in_one_folder_are_ambiguous() {
    let folder = Folder::new();
    folder
        .photo("JPEGImages/a.png", 2, 0)
        .mask("SegmentationClass/a.png", &[0, 1]);
    folder
        .photo("images/a.png", 2, 0)
        .mask("masks/a.png", &[1, 0]);
    assert_eq!(
        folder.open_error(&DatasetOptions::default()),
        "ROOT: could be paired-folders (there is images/ with pictures in masks/) or pascal-voc (there is JPEGImages/ \
         with pictures in SegmentationClass/); choose with the option layout"
    );
    let chosen = DatasetOptions {
        layout: Some("pascal-voc".parse().unwrap()),
        ..DatasetOptions::default()
    };
    let dataset = folder.open(&chosen);
    assert_eq!(first_row(&dataset.split("all").unwrap(), 0), [0, 1]);
    assert!(
        dataset
            .layout()
            .reason
            .starts_with("it was chosen, and there is JPEGImages/")
    );
    let wrong = DatasetOptions {
        layout: Some(LayoutKind::Cityscapes),
        ..DatasetOptions::default()
    };
    assert_eq!(
        folder.open_error(&wrong),
        "ROOT: is not laid out as cityscapes, which needs leftImg8bit/ with gtFine/"
    );
    let error = "voc".parse::<LayoutKind>().unwrap_err().to_string();
    assert!(
        error.starts_with("layout: \"voc\" is not known; choose one of paired-folders, ade20k, "),
        "{error}"
    );
}
