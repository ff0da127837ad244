//! ADE20K's folders, and datasets that only look like it.

use upernet_data::SampleSource;
use upernet_data::dataset::LayoutKind;

use crate::folder::Folder;

fn ade20k(folder: &Folder, name: &str, ids: &[u8]) {
    let width = u32::try_from(ids.len()).unwrap();
    folder.photo(
        &format!("ADEChallengeData2016/images/training/{name}.jpg"),
        width,
        1,
    );
    folder.mask(
        &format!("ADEChallengeData2016/annotations/training/{name}.png"),
        ids,
    );
}

#[test]
fn the_real_one_is_renumbered_and_says_so() {
    let folder = Folder::new();
    ade20k(&folder, "ADE_train_00000001", &[0, 1, 150]);
    let dataset = folder.open_plain();
    assert_eq!(dataset.layout().kind, LayoutKind::Ade20k);
    assert!(dataset.layout().root.ends_with("ADEChallengeData2016"));
    assert_eq!(
        (
            dataset.class_names().len(),
            dataset.class_names()[0].as_str()
        ),
        (150, "wall")
    );
    assert_eq!(
        dataset.label_mapping().to_string(),
        "ids 1 to 150 become the classes 0 to 149, ids 0, 255 are ignored (ADE20K's own numbering)"
    );
    let split = dataset.split("training").unwrap();
    assert_eq!(split.read(0).unwrap().labels.labels()[..3], [255, 0, 149]);
}

#[test]
fn masks_that_were_renumbered_before_are_left_alone() {
    let folder = Folder::new();
    ade20k(&folder, "ADE_train_00000001", &[255, 0, 149]);
    let dataset = folder.open_plain();
    assert!(
        dataset.label_mapping().is_identity(),
        "{}",
        dataset.label_mapping()
    );
    let split = dataset.split("training").unwrap();
    assert_eq!(split.read(0).unwrap().labels.labels()[..3], [255, 0, 149]);
}

/// `CamVid` as it is often prepared: ADE20K's folders, ids from 0, names in a file.
#[test]
fn the_folders_alone_change_nothing() {
    let folder = Folder::new();
    folder
        .photo("images/training/0001TP.jpg", 3, 0)
        .mask("annotations/training/0001TP.png", &[0, 1, 255]);
    folder.text("id2label.json", r#"{"0": "Sky", "1": "Building"}"#);
    let dataset = folder.open_plain();
    assert_eq!(dataset.layout().kind, LayoutKind::Ade20k);
    assert_eq!(dataset.class_names(), ["Sky", "Building"]);
    assert_eq!(
        dataset.label_mapping().to_string(),
        "ids 0 to 1 are the classes, 255 is ignored, nothing is renumbered (names from id2label.json)"
    );
    assert_eq!(
        dataset
            .split("training")
            .unwrap()
            .read(0)
            .unwrap()
            .labels
            .labels()[..3],
        [0, 1, 255]
    );
}
