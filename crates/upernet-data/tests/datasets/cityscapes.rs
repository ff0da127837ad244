//! Cityscapes, with training ids and with all ids.

use upernet_data::SampleSource;
use upernet_data::dataset::LayoutKind;

use crate::folder::{Folder, first_row};

fn photo(folder: &Folder, split: &str, name: &str) {
    folder.photo(
        &format!("leftImg8bit/{split}/ulm/{name}_leftImg8bit.png"),
        4,
        name.as_bytes()[0],
    );
}

#[test]
fn all_ids_go_through_the_official_table() {
    let folder = Folder::new();
    photo(&folder, "train", "a");
    // Unlabelled, road, bicycle, caravan: `labels.py` gives training ids 255, 0, 18, 255.
    folder.mask("gtFine/train/ulm/a_gtFine_labelIds.png", &[0, 7, 33, 29]);
    folder.color_mask("gtFine/train/ulm/a_gtFine_color.png", &[[1; 3]; 4]);
    photo(&folder, "val", "b");
    folder.mask("gtFine/val/ulm/b_gtFine_labelIds.png", &[26, 26, 34, 8]);
    let dataset = folder.open_plain();
    assert_eq!(dataset.layout().kind, LayoutKind::Cityscapes);
    assert!(
        dataset
            .layout()
            .to_string()
            .ends_with("there is leftImg8bit/ with *_labelIds.png in gtFine/")
    );
    assert_eq!(dataset.splits(), ["train", "val"]);
    assert_eq!(dataset.class_names()[18], "bicycle");
    assert_eq!(
        dataset.label_mapping().to_string(),
        "ids 7, 8, 11 to 13, 17, 19 to 28, 31 to 33 become the classes 0 to 18, ids 0 to 6, 9, 10, 14 to 16, 18, 29, \
         30, 255 are ignored (Cityscapes' official table of 34 ids)"
    );
    let split = dataset.split("train").unwrap();
    assert_eq!(
        (split.name(0), first_row(&split, 0)),
        ("ulm/a".to_owned(), vec![255, 0, 18, 255])
    );
    let message = folder.message(&dataset.split("val").unwrap().read(0).unwrap_err());
    assert!(
        message.starts_with(
            "gtFine/val/ulm/b_gtFine_labelIds.png: id 34 at row 0, column 2 is neither"
        ),
        "{message}"
    );
}

#[test]
fn training_ids_are_preferred() {
    let folder = Folder::new();
    photo(&folder, "train", "a");
    folder.mask("gtFine/train/ulm/a_gtFine_labelIds.png", &[0, 7, 33, 29]);
    folder.mask(
        "gtFine/train/ulm/a_gtFine_labelTrainIds.png",
        &[255, 0, 18, 255],
    );
    let dataset = folder.open_plain();
    assert!(dataset.label_mapping().is_identity());
    assert_eq!(
        first_row(&dataset.split("train").unwrap(), 0),
        [255, 0, 18, 255]
    );
}

#[test]
fn a_photo_without_its_mask_is_named() {
    let folder = Folder::new();
    photo(&folder, "train", "a");
    photo(&folder, "train", "b");
    folder.mask(
        "gtFine/train/ulm/a_gtFine_labelTrainIds.png",
        &[255, 0, 18, 255],
    );
    let message = folder.message(&folder.open_plain().split("train").unwrap_err());
    assert!(
        message.starts_with("leftImg8bit/train/ulm/b_leftImg8bit.png: the photo has no mask; add"),
        "{message}"
    );
}
