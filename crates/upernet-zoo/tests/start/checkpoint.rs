//! Whole checkpoints whose classes are others.

use std::path::Path;

use burn::tensor::Device;
use tempfile::TempDir;
use upernet_zoo::{
    BuildOptions, Error, Model,
    hf::{ModelFolder, config::HfConfig},
    start::{StartReport, from_checkpoint},
};

use crate::{
    by_key,
    support::{convnext, rewrite, saved, swin},
};

const CLASSIFIERS: [&str; 4] = [
    "auxiliary_head.classifier.bias",
    "auxiliary_head.classifier.weight",
    "decode_head.classifier.bias",
    "decode_head.classifier.weight",
];

fn start(folder: &Path, config: &HfConfig) -> Result<(Model, StartReport), Error> {
    let folder = ModelFolder::open(folder).expect("a readable folder");
    from_checkpoint(&folder, config, &BuildOptions::default(), &Device::flex())
}

/// A saved network and the folder it is in.
fn folder(config: &HfConfig) -> (TempDir, Model) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = saved(config, folder.path());
    (folder, model)
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Checks that `model` has the values of `before`, but for the parameters in `drawn`.
fn assert_kept(
    (model, config): (&Model, &HfConfig),
    (before, before_config): (&Model, &HfConfig),
    drawn: &[String],
) {
    let (after, before) = (by_key(model, config), by_key(before, before_config));
    for (key, values) in &after {
        if !drawn.contains(key) {
            assert!(before.get(key) == Some(values), "{key} is not kept");
        }
    }
}

#[test]
fn the_same_classes_keep_every_weight() {
    for mut config in [swin(), convnext()] {
        config.id2label = named(&["leaf", "Rock-Face"]);
        let (folder, before) = folder(&config);
        let mut same = config.clone();
        same.id2label = named(&["Leaf ", "rock face"]);
        let (model, report) = start(folder.path(), &same).expect("all fits");
        assert_kept((&model, &same), (&before, &config), &[]);
        assert!(report.left_out.is_empty() && report.drawn.is_empty());
        assert_eq!(report.keys.applied.len(), by_key(&model, &same).len());
        assert_eq!(
            report.sentences[1],
            "the classes are those of the weights, whose classifiers are kept"
        );
        assert_eq!(report.to_string().lines().count(), 2);
    }
}

#[test]
fn another_number_of_classes_draws_both_classifiers() {
    for config in [swin(), convnext()] {
        let (folder, before) = folder(&config);
        let mut other = config.clone();
        other.id2label = named(&["a", "b", "c", "d", "e"]);
        let (model, report) = start(folder.path(), &other).expect("the rest fits");
        assert_eq!(report.left_out, CLASSIFIERS);
        let mut drawn = report.drawn.clone();
        drawn.sort_unstable();
        assert_eq!(drawn, CLASSIFIERS);
        assert_kept((&model, &other), (&before, &config), &drawn);
        assert_eq!(
            report.sentences[1],
            "the weights are of 2 classes, the network has 5: both classifiers are drawn anew"
        );

        let values = by_key(&model, &other);
        assert_eq!(values["decode_head.classifier.bias"], [0.0; 5]);
        let weight = &values["decode_head.classifier.weight"];
        assert_eq!(weight.len(), 5 * config.hidden_size);
        assert!(
            weight.iter().all(|value| value.abs() < 0.2),
            "not of deviation 0.02"
        );
        assert_ne!(weight[..12], weight[12..24], "not drawn");
    }
}

#[test]
fn other_names_in_one_place_draw_both_classifiers() {
    let mut config = convnext();
    config.id2label = named(&["road", "sky", "car"]);
    let (folder, before) = folder(&config);
    let mut swapped = config.clone();
    swapped.id2label.swap(1, 2);
    let (model, report) = start(folder.path(), &swapped).expect("the shapes fit");
    assert_eq!(report.left_out, CLASSIFIERS);
    assert_kept((&model, &swapped), (&before, &config), &report.drawn);
    assert_ne!(
        by_key(&model, &swapped)["decode_head.classifier.weight"],
        by_key(&before, &config)["decode_head.classifier.weight"]
    );
    assert_eq!(
        report.sentences[1],
        "class 1 is \"car\", in the weights \"sky\": both classifiers are drawn anew"
    );
}

#[test]
fn a_missing_auxiliary_head_is_drawn() {
    let mut config = swin();
    config.use_auxiliary_head = false;
    let (folder, before) = folder(&config);
    let (model, report) = start(folder.path(), &swin()).expect("the rest fits");
    assert!(report.left_out.is_empty());
    assert!(
        report.drawn.len() > 4
            && report
                .drawn
                .iter()
                .all(|key| key.starts_with("auxiliary_head."))
    );
    assert_kept((&model, &swin()), (&before, &config), &report.drawn);
    assert_eq!(
        report.sentences[2],
        "the weights have no auxiliary head: it is drawn anew"
    );
}

#[test]
fn an_auxiliary_head_that_is_not_wanted_is_left_out() {
    let config = swin();
    let (folder, before) = folder(&config);
    let mut without = swin();
    without.use_auxiliary_head = false;
    without.id2label = named(&["a", "b", "c"]);
    let (model, report) = start(folder.path(), &without).expect("the rest fits");
    assert_kept((&model, &without), (&before, &config), &report.drawn);
    assert_eq!(report.drawn.len(), 2);
    assert!(
        report
            .left_out
            .iter()
            .any(|key| key == "auxiliary_head.convs.0.conv.weight")
    );
    let sentences = report.to_string();
    assert!(
        sentences.contains("the network has 3: the classifier is drawn anew")
            && sentences.contains("no auxiliary head: that of the weights is left out"),
        "{sentences}"
    );
}

#[test]
fn every_other_difference_is_an_error() {
    let config = convnext();
    let (folder, _) = folder(&config);
    let mut wider = config.clone();
    wider.hidden_size = 20;
    wider.id2label = named(&["a", "b", "c"]);
    let message = start(folder.path(), &wider)
        .expect_err("the head is wider")
        .to_string();
    assert!(
        message.contains("model.safetensors: weights do not fit config.json:")
            && message.contains("decode_head.bottleneck.batch_norm.bias is [12], expected [20]"),
        "{message}"
    );

    // A classifier that was promised and is not there.
    rewrite(folder.path(), |name, info| {
        (name != CLASSIFIERS[2]).then(|| (name.to_owned(), info.clone()))
    });
    let message = start(folder.path(), &config)
        .expect_err("one is missing")
        .to_string();
    assert!(message.contains("1 missing (decode_head.classifier.bias)"));
}
