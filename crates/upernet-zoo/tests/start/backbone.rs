//! Backbones on their own, made from a saved network by renaming its tensors.

use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};
use tempfile::TempDir;
use upernet_zoo::{
    BuildOptions, Dialect, Error, Model,
    hf::{
        BackboneFolder,
        config::{HfBackboneConfig, HfConfig},
        weights::TensorInfo,
    },
    start::{StartReport, from_backbone},
};

use crate::{
    by_key,
    support::{
        beit, convnext, convnextv2, dinov3_convnext, pvt_v2, resnet, rewrite, saved, swin, swinv2,
    },
};

fn start(folder: &Path, config: &HfConfig) -> Result<(Model, StartReport), Error> {
    let folder = BackboneFolder::open(folder).expect("a readable folder");
    from_backbone(&folder, config, &BuildOptions::default(), &Device::flex())
}

fn is_norm(key: &str) -> bool {
    key.starts_with("backbone.hidden_states_norms.")
}

/// A folder as an image classifier's: the backbone's tensors under other names, a classifier, and the
/// backbone's part of the configuration alone.
fn classifier(config: &HfConfig, rename: impl Fn(&str) -> String) -> (TempDir, Model) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = saved(config, folder.path());
    rewrite(folder.path(), |name, info| match name {
        "decode_head.classifier.bias" => Some(("classifier.bias".to_owned(), info.clone())),
        "decode_head.bottleneck.batch_norm.bias" => {
            Some((rename("backbone.layernorm.bias"), info.clone()))
        }
        _ if is_norm(name) => None,
        _ => name
            .starts_with("backbone.")
            .then(|| (rename(name), info.clone())),
    });
    let path = folder.path().join("config.json");
    let text = std::fs::read(&path).expect("saved");
    let whole: Value = serde_json::from_slice(&text).expect("JSON");
    let mut alone = whole["backbone_config"].clone();
    alone["out_features"] = json!(["stage4"]);
    alone["out_indices"] = json!([-1]);
    std::fs::write(&path, alone.to_string()).expect("writable");
    (folder, model)
}

/// Names in memory of `transformers` 5.
fn memory(key: &str) -> String {
    [
        ("backbone.", "swin."),
        (".attention.self.query.", ".attention.q_proj."),
        (".attention.self.key.", ".attention.k_proj."),
        (".attention.self.value.", ".attention.v_proj."),
        (".attention.output.dense.", ".attention.o_proj."),
        (
            ".attention.self.relative",
            ".attention.relative_position_bias.relative",
        ),
        (".intermediate.dense.", ".mlp.fc1."),
        (".output.dense.", ".mlp.fc2."),
    ]
    .iter()
    .fold(key.to_owned(), |key, (hub, memory)| {
        key.replace(hub, memory)
    })
}

/// Checks that the backbone of `model` is that of `before`, but for the parameters in `drawn`.
fn assert_kept(config: &HfConfig, model: &Model, before: &Model, drawn: &[String]) {
    let before = by_key(before, config);
    for (key, values) in by_key(model, config) {
        assert_eq!(
            drawn.contains(&key),
            !key.starts_with("backbone.") || is_norm(&key),
            "{key}"
        );
        if !drawn.contains(&key) {
            assert!(before[&key] == values, "{key} is not kept");
        } else if key.ends_with("norms.stage2.weight") {
            assert_eq!(values, vec![1.0; values.len()], "{key}");
        }
    }
}

#[test]
fn classifiers_and_bare_models_give_their_backbone() {
    type Rename = fn(&str) -> String;
    let cases: [(HfConfig, Rename, Dialect); 9] = [
        (
            swin(),
            |key| key.replace("backbone.", "swin."),
            Dialect::Hub,
        ),
        (swin(), |key| key.replace("backbone.", ""), Dialect::Hub),
        (swin(), memory, Dialect::V5Memory),
        (
            swin(),
            |key| memory(key).replace("swin.", ""),
            Dialect::V5Memory,
        ),
        (
            convnext(),
            |key| key.replace("backbone.", "convnext."),
            Dialect::Hub,
        ),
        (convnext(), |key| key.replace("backbone.", ""), Dialect::Hub),
        (
            convnextv2(),
            |key| key.replace("backbone.", "convnextv2."),
            Dialect::Hub,
        ),
        (
            resnet(),
            |key| key.replace("backbone.", "resnet."),
            Dialect::Hub,
        ),
        (
            pvt_v2(),
            |key| key.replace("backbone.", "pvt_v2."),
            Dialect::Hub,
        ),
    ];
    for (config, rename, dialect) in cases {
        let (folder, before) = classifier(&config, rename);
        let (model, report) = start(folder.path(), &config).expect("the backbone fits");
        assert_kept(&config, &model, &before, &report.drawn);
        assert_eq!(report.keys.dialect, dialect);
        let mut expected = [
            "classifier.bias".to_owned(),
            rename("backbone.layernorm.bias"),
        ];
        expected.sort_unstable();
        assert_eq!(report.left_out, expected);
        let sentences = report.to_string();
        let first = config.backbone.out_stages()[0];
        // A ResNet's maps have no norms, and those of a PVTv2 are its stages' own.
        let has_norms = !matches!(
            config.backbone,
            HfBackboneConfig::ResNet(_) | HfBackboneConfig::PvtV2(_)
        );
        assert_eq!(sentences.contains("the norms of feature maps"), has_norms);
        let norms =
            format!(", and the norms of feature maps (backbone.hidden_states_norms.stage{first}.");
        for part in [
            "model.safetensors",
            &format!(
                "left out: 2 tensors that are not the backbone's ({}",
                expected[0]
            ),
            "drawn anew: both heads",
            if has_norms { &norms } else { "" },
        ] {
            assert!(sentences.contains(part), "{part} is not in {sentences}");
        }
    }
}

/// Its maps have no norms, so nothing of it is drawn.
#[test]
fn a_classifier_of_swinv2_gives_its_whole_backbone() {
    let config = swinv2();
    let (folder, before) = classifier(&config, |key| key.replace("backbone.", "swinv2."));
    let (model, report) = start(folder.path(), &config).expect("the backbone fits");
    assert_kept(&config, &model, &before, &report.drawn);
    assert_eq!(
        report.left_out,
        ["classifier.bias", "swinv2.layernorm.bias"]
    );
    assert_eq!(report.sentences[2], "drawn anew: both heads");
}

/// The neck is upstream's too, and no classifier has one.
#[test]
fn a_classifier_of_beit_gives_its_backbone_without_the_neck() {
    let config = beit();
    let is_neck = upernet_zoo::is_neck;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let before = saved(&config, folder.path());
    rewrite(folder.path(), |name, info| {
        let backbone = name.starts_with("backbone.") && !is_neck(name);
        let name = name.replace("backbone.beit.", "backbone.");
        let classifier = name.replace("decode_head.classifier.", "classifier.");
        let lm_head = classifier.replace("auxiliary_head.classifier.", "lm_head.");
        let kept = backbone || lm_head != name;
        kept.then(|| (lm_head.replace("backbone.", "beit."), info.clone()))
    });
    let (model, report) = start(folder.path(), &config).expect("the backbone fits");
    assert_eq!(
        report.left_out,
        [
            "classifier.bias",
            "classifier.weight",
            "lm_head.bias",
            "lm_head.weight"
        ]
    );
    let before = by_key(&before, &config);
    for (key, values) in by_key(&model, &config) {
        let taken = key.starts_with("backbone.") && !is_neck(&key);
        assert_eq!(report.drawn.contains(&key), !taken, "{key}");
        assert!(!taken || before[&key] == values, "{key} is not kept");
    }
    let drawn = "drawn anew: both heads, and the neck (backbone.fpn1.0.weight";
    assert!(report.sentences[2].starts_with(drawn), "{report}");
}

/// A neck of which a part is missing is no missing neck.
#[test]
fn half_a_neck_is_refused() {
    let config = beit();
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&config, folder.path());
    rewrite(folder.path(), |name, info| {
        (name != "backbone.fpn2.0.bias").then(|| (name.to_owned(), info.clone()))
    });
    let error = start(folder.path(), &config)
        .expect_err("it lacks one")
        .to_string();
    assert!(
        error.contains("1 missing (backbone.fpn2.0.bias)"),
        "{error}"
    );
}

#[test]
fn a_upernet_gives_its_backbone_with_the_norms_of_its_maps() {
    for config in [swin(), convnext(), convnextv2(), dinov3_convnext()] {
        let stages = [2, 3, 4];
        let folder = tempfile::tempdir().expect("a temporary folder");
        let before = saved(&config, folder.path());
        let mut other = config.clone();
        other.hidden_size = 20;
        match &mut other.backbone {
            HfBackboneConfig::Swin(swin) => swin.out_stages = stages.to_vec(),
            HfBackboneConfig::ConvNext(convnext) => convnext.out_stages = stages.to_vec(),
            HfBackboneConfig::ConvNextV2(convnext) => convnext.out_stages = stages.to_vec(),
            HfBackboneConfig::Dinov3ConvNext(convnext) => convnext.out_stages = stages.to_vec(),
            family => panic!("no case for {}", family.model_type()),
        }
        let (model, report) = start(folder.path(), &other).expect("the backbone fits");
        let before = by_key(&before, &config);
        for (key, values) in by_key(&model, &other) {
            if key.starts_with("backbone.") {
                assert!(before[&key] == values, "{key} is not kept");
            }
        }
        assert!(report.drawn.iter().all(|key| !key.starts_with("backbone.")));
        assert_eq!(report.sentences[2], "drawn anew: both heads");
        let first = "backbone.hidden_states_norms.stage1.weight".to_owned();
        let had_first = config.backbone.out_stages()[0] == 1;
        assert_eq!(report.left_out.contains(&first), had_first);
        assert!(
            report
                .left_out
                .iter()
                .any(|key| key == "decode_head.classifier.bias")
        );
    }
}

#[test]
fn another_depth_or_width_is_an_error_with_keys_and_shapes() {
    let (folder, _) = classifier(&convnext(), |key| key.replace("backbone.", "convnext."));
    let mut other = convnext();
    let HfBackboneConfig::ConvNext(backbone) = &mut other.backbone else {
        panic!("it is a ConvNeXt");
    };
    backbone.hidden_sizes[0] = 10;
    backbone.depths = vec![2, 1, 1, 1];
    let message = start(folder.path(), &other)
        .expect_err("another architecture")
        .to_string();
    for part in [
        "model.safetensors: the backbone does not fit the network: ",
        "9 missing (backbone.encoder.stages.0.layers.1.dwconv.bias, ",
        "9 unexpected (backbone.encoder.stages.2.layers.1.dwconv.bias, ",
        "backbone.embeddings.layernorm.bias is [8], expected [10]",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}

#[test]
fn one_tensor_under_two_names_is_an_error() {
    let (folder, _) = classifier(&swin(), |key| {
        key.replace("backbone.embeddings.norm.bias", "embeddings.norm.weight")
    });
    let message = start(folder.path(), &swin())
        .expect_err("one is there twice")
        .to_string();
    assert!(
        message.contains("embeddings.norm.weight, a second backbone.embeddings.norm.weight"),
        "{message}"
    );
}

#[test]
fn other_families_and_networks_are_named() {
    let (folder, _) = classifier(&convnext(), |key| key.replace("backbone.", "convnext."));
    let message = start(folder.path(), &swin())
        .expect_err("another family")
        .to_string();
    assert!(
        message.ends_with(
            "model.safetensors: holds a convnext backbone, the network is built on swin; \
             choose weights of that family, or another backbone"
        ),
        "{message}"
    );
    rewrite(folder.path(), |name, info| {
        let name = name.replace(
            "convnext.embeddings.patch_embeddings.",
            "segmentation_head.0.",
        );
        Some((name, TensorInfo::clone(info)))
    });
    let message = start(folder.path(), &convnext())
        .expect_err("another library")
        .to_string();
    assert!(
        message.contains("these are weights of segmentation_models.pytorch: "),
        "{message}"
    );
}
