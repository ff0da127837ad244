//! Scores and class weights against scikit-learn, torchmetrics, mmsegmentation's formulas, and the
//! erosions of `OpenCV` and `SciPy`: `scripts/score_references.py` wrote the expected values, and says how.

use serde_json::Value;
use upernet_data::{
    class_weights::{ClassCounts, ClassWeights},
    pixels::{IGNORE_LABEL, LabelMap},
    scores::{AbsentClasses, BoundaryIou, BoundaryScores, ConfusionMatrix, Convention, Scores},
};

/// Sums of some numbers below 10, in another order.
const TOLERANCE: f64 = 1e-13;

fn references() -> Value {
    serde_json::from_str(include_str!("../testdata/scores.json")).expect("written by a script")
}

fn num_labels(references: &Value) -> usize {
    let number = references["num_labels"].as_u64().expect("a number");
    usize::try_from(number).expect("a small number")
}

/// Pairs of truth and prediction.
fn maps(references: &Value) -> Vec<[LabelMap; 2]> {
    let pairs = references["maps"].as_array().expect("a list");
    pairs
        .iter()
        .map(|pair| ["truth", "predicted"].map(|side| label_map(&pair[side])))
        .collect()
}

/// One letter a pixel, a dot where the pixel is ignored.
fn label_map(rows: &Value) -> LabelMap {
    let rows: Vec<&str> = rows
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row.as_str().expect("a row"))
        .collect();
    let labels: Vec<u16> = rows
        .concat()
        .bytes()
        .map(|letter| match letter {
            b'.' => IGNORE_LABEL,
            digit => u16::from(digit - b'0'),
        })
        .collect();
    LabelMap::new([rows.len(), rows[0].len()], labels).expect("rows of one length")
}

fn matrix(references: &Value) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(num_labels(references)).expect("few classes");
    for [truth, predicted] in maps(references) {
        matrix.add(&truth, &predicted).expect("labels in range");
    }
    matrix
}

/// Compares a number, or nothing, with what the file has.
#[track_caller]
fn assert_same(what: &str, found: Option<f64>, expected: &Value) {
    match (found, expected.as_f64()) {
        (None, None) => assert!(expected.is_null(), "{what} is in the file"),
        (Some(found), Some(expected)) => assert!(
            (found - expected).abs() < TOLERANCE,
            "{what}: {found}, expected {expected}"
        ),
        (found, _) => panic!("{what}: {found:?}, expected {expected}"),
    }
}

#[track_caller]
fn assert_all_same(
    what: &str,
    found: impl ExactSizeIterator<Item = Option<f64>>,
    expected: &Value,
) {
    let expected = expected.as_array().expect("a list");
    assert_eq!(found.len(), expected.len(), "{what}");
    for (class, (found, expected)) in found.zip(expected).enumerate() {
        assert_same(&format!("{what} of class {class}"), found, expected);
    }
}

#[test]
fn pixels_are_counted_as_scikit_learn_does() {
    let references = references();
    let rows: Vec<Vec<u64>> =
        serde_json::from_value(references["confusion"].clone()).expect("rows");
    let matrix = matrix(&references);
    assert!(matrix.rows().eq(rows.iter().map(Vec::as_slice)));
    assert_eq!(matrix.pixels(), rows.iter().flatten().sum::<u64>());
}

fn check_scores(absent_classes: AbsentClasses, key: &str) {
    let references = references();
    let expected = &references[key];
    let convention = Convention {
        absent_classes,
        ..Convention::default()
    };
    let scores = Scores::new(&matrix(&references), convention);
    assert_same("mIoU", scores.mean_iou, &expected["mIoU"]);
    assert_same("mAcc", scores.mean_accuracy, &expected["mAcc"]);
    assert_same("aAcc", scores.accuracy, &expected["aAcc"]);
    assert_same("mDice", scores.mean_dice, &expected["mDice"]);
    assert_same("mFscore", scores.mean_f1, &expected["mFscore"]);
    let expected = &expected["classes"];
    let classes = || scores.classes.iter();
    assert_all_same("IoU", classes().map(|class| class.iou), &expected["IoU"]);
    assert_all_same(
        "Acc",
        classes().map(|class| class.accuracy),
        &expected["Acc"],
    );
    assert_all_same(
        "Precision",
        classes().map(|class| class.precision),
        &expected["Precision"],
    );
    assert_all_same("Dice", classes().map(|class| class.dice), &expected["Dice"]);
    assert_all_same(
        "Fscore",
        classes().map(|class| class.f1),
        &expected["Fscore"],
    );
}

#[test]
fn absent_classes_are_skipped_as_mmsegmentation_does() {
    check_scores(AbsentClasses::Skip, "skip");
}

#[test]
fn absent_classes_are_zero_as_in_scikit_learn_and_ultralytics() {
    check_scores(AbsentClasses::Zero, "zero");
}

/// Boundary scores for the widths of the file, with the truth made by `change`.
fn check_boundaries(key: &str, change: fn(LabelMap) -> LabelMap) {
    let references = references();
    let widths = references[key].as_array().expect("a list");
    assert_eq!(widths.len(), 2);
    for expected in widths {
        let ratio = expected["ratio"].as_f64().expect("a number");
        let found = boundary(&references, ratio, change);
        assert_same(&format!("mIoU at {ratio}"), found.mean, &expected["mIoU"]);
        let classes = found.classes.into_iter();
        assert_all_same(&format!("IoU at {ratio}"), classes, &expected["IoU"]);
    }
}

fn boundary(references: &Value, ratio: f64, change: fn(LabelMap) -> LabelMap) -> BoundaryScores {
    let mut boundary = BoundaryIou::new(num_labels(references))
        .and_then(|boundary| boundary.with_ratio(ratio))
        .expect("a ratio of the script");
    for [truth, predicted] in maps(references) {
        boundary
            .add(&change(truth), &predicted)
            .expect("labels in range");
    }
    boundary.scores(AbsentClasses::Skip)
}

#[test]
fn outlines_are_those_of_erosion_in_opencv_and_scipy() {
    check_boundaries("boundary_everything_counts", |truth| {
        let size = truth.size();
        let class = |label| if label == IGNORE_LABEL { 5 } else { label };
        let labels = truth.into_labels().into_iter().map(class).collect();
        LabelMap::new(size, labels).expect("as many as before")
    });
}

#[test]
fn outlines_know_nothing_of_ignored_pixels() {
    check_boundaries("boundary", |truth| truth);
}

#[test]
fn weights_are_those_of_scikit_learn_and_the_papers() {
    let references = references();
    let mut counts = ClassCounts::new(num_labels(&references));
    for [truth, _] in maps(&references) {
        counts.add(&truth).expect("labels in range");
    }
    assert_eq!(counts.absent(), [5, 6]);
    for (name, expected) in references["weights"].as_object().expect("a table") {
        let method: ClassWeights = serde_json::from_value(name.as_str().into()).expect("a method");
        let weights = method.weights(&counts).expect("counts");
        let expected = expected.as_array().expect("a list");
        assert_eq!(weights.len(), expected.len());
        for (class, (weight, expected)) in weights.into_iter().zip(expected).enumerate() {
            // Null is a class without pixels, whose weight the papers leave open.
            let expected = expected.as_f64().unwrap_or(1.0);
            assert!(
                (f64::from(weight) / expected - 1.0).abs() < f64::from(f32::EPSILON),
                "{name} of class {class}: {weight}, expected {expected}"
            );
        }
    }
}
