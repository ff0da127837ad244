//! Splits drawn by lot.

use std::collections::BTreeSet;
use std::fs;

use upernet_data::dataset::{DatasetOptions, split_folder};
use upernet_data::pixels::Overwrite;
use upernet_data::{Error, SampleSource};

use crate::folder::Folder;

fn ten() -> Folder {
    let folder = Folder::new();
    for name in 'a'..='j' {
        folder
            .photo(&format!("images/{name}.png"), 2, name as u8)
            .mask(&format!("masks/{name}.png"), &[0, 1]);
    }
    folder
}

fn split(
    folder: &Folder,
    shares: &[(&str, f64)],
    seed: u64,
) -> Result<Vec<(String, usize)>, Error> {
    split_folder(
        folder.root(),
        &DatasetOptions::default(),
        shares,
        seed,
        Overwrite::Replace,
    )
}

fn names(folder: &Folder, split: &str) -> BTreeSet<String> {
    let split = folder.open_plain().split(split).unwrap();
    (0..split.len()).map(|index| split.name(index)).collect()
}

#[test]
fn every_photo_is_in_one_split_and_the_seed_decides() {
    let folder = ten();
    let shares = [("train", 0.7), ("val", 0.2), ("test", 0.1)];
    let sizes = split(&folder, &shares, 3).unwrap();
    assert_eq!(
        sizes.iter().map(|(_, size)| *size).collect::<Vec<_>>(),
        [7, 2, 1]
    );
    let [train, val, test] = ["train", "val", "test"].map(|name| names(&folder, name));
    let all: BTreeSet<&String> = train.iter().chain(&val).chain(&test).collect();
    assert_eq!(all.len(), 10);
    // Drawn again from lists that are there already: the same for the same seed, others for others.
    split(&folder, &shares, 3).unwrap();
    assert_eq!(names(&folder, "train"), train);
    let drawn: BTreeSet<BTreeSet<String>> = (0..8)
        .map(|seed| {
            split(&folder, &shares, seed).unwrap();
            names(&folder, "test")
        })
        .collect();
    assert!(
        drawn.len() > 2,
        "eight draws of one photo in ten gave only {drawn:?}"
    );
}

#[test]
fn lists_are_not_replaced_unless_asked_and_others_never_mixed_in() {
    let folder = ten();
    folder.text("splits/train.txt", "a\n");
    let shares = [("train", 1.0), ("val", 1.0)];
    let refused = split_folder(
        folder.root(),
        &DatasetOptions::default(),
        &shares,
        0,
        Overwrite::Refuse,
    );
    let message = folder.message(&refused.unwrap_err());
    assert_eq!(
        message,
        "splits/train.txt: already exists; remove it, or ask for it to be replaced"
    );
    folder.text("splits/test.txt", "b\n");
    let message = folder.message(&split(&folder, &shares, 0).unwrap_err());
    assert_eq!(
        message,
        "splits/test.txt: is the list of another split; remove it first, or name that split too"
    );
    assert_eq!(
        fs::read_to_string(folder.path("splits/train.txt")).unwrap(),
        "a\n"
    );
}

#[test]
fn shares_that_make_no_sense_are_named() {
    let folder = ten();
    for (shares, problem) in [
        (
            &[("train", 1.0), ("val", 0.0)][..],
            "\"val\" gets 0; use positive numbers",
        ),
        (
            &[("train", f64::NAN)],
            "\"train\" gets NaN; use positive numbers",
        ),
        (
            &[("train", 99.0), ("val", 1.0)],
            "\"val\" gets none of 10 photos; give it a larger share",
        ),
        (
            &[("../up", 1.0)],
            "\"../up\" cannot name a split, or is there twice; use letters, digits, - and _",
        ),
        (
            &[("a", 1.0), ("a", 1.0)],
            "\"a\" cannot name a split, or is there twice; use letters, digits, - and _",
        ),
        (&[], "no split is named; name some, such as train and val"),
    ] {
        assert_eq!(
            split(&folder, shares, 0).unwrap_err().to_string(),
            format!("shares: {problem}")
        );
    }
    let divided = Folder::new();
    divided
        .photo("images/train/a.png", 2, 0)
        .mask("masks/train/a.png", &[0, 1]);
    let message = divided.message(&split(&divided, &[("train", 1.0)], 0).unwrap_err());
    assert_eq!(
        message,
        "ROOT: is divided by its folders or files already; move the photos into one folder first"
    );
}
