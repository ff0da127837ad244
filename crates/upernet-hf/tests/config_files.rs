//! Configurations as `transformers` of both generations wrote them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use upernet_hf::{
    config::{
        HfBackboneConfig, HfConfig, HfConvNextConfig, HfConvNextV2Config, HfDinov3ConvNextConfig,
        HfPvtV2Config, HfResNetConfig, HfSwinConfig, HfSwinV2Config,
    },
    processor::HfProcessorConfig,
};

/// The golden folders of the repository, written by `transformers` with the keys of version 4.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/goldens")
        .join(name)
}

fn read(name: &str) -> HfConfig {
    HfConfig::read(&golden(name).join("config.json")).expect("this golden's network is built")
}

/// What version 4.27 wrote to the hub for `UPerNet` on `ConvNeXt`: base fields inside the backbone, no
/// `out_indices`, an explicit `auxiliary_in_channels`.
const VERSION_4_27: &str = r#"{
  "_commit_hash": null,
  "architectures": ["UperNetForSemanticSegmentation"],
  "auxiliary_channels": 256, "auxiliary_concat_input": false, "auxiliary_in_channels": 384,
  "auxiliary_loss_weight": 0.4, "auxiliary_num_convs": 1,
  "backbone_config": {
    "_name_or_path": "", "add_cross_attention": false, "architectures": null,
    "bad_words_ids": null, "depths": [3, 3, 9, 3], "drop_path_rate": 0.0,
    "hidden_act": "gelu", "hidden_sizes": [96, 192, 384, 768],
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "image_size": 224, "initializer_range": 0.02,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1}, "layer_norm_eps": 1e-12,
    "layer_scale_init_value": 1e-06, "model_type": "convnext", "num_channels": 3, "num_stages": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"], "patch_size": 4,
    "return_dict": true, "stage_names": ["stem", "stage1", "stage2", "stage3", "stage4"],
    "torch_dtype": null, "torchscript": false, "transformers_version": "4.27.0.dev0",
    "use_bfloat16": false
  },
  "hidden_size": 512,
  "id2label": {"0": "wall", "1": "building", "10": "tree", "2": "sky", "3": "floor", "4": "road",
    "5": "bed", "6": "window", "7": "grass", "8": "cabinet", "9": "sidewalk"},
  "initializer_range": 0.02, "label2id": {"wall": 0}, "loss_ignore_index": 255,
  "model_type": "upernet", "pool_scales": [1, 2, 3, 6], "torch_dtype": "float32",
  "transformers_version": null, "use_auxiliary_head": true
}"#;

/// What version 5.23 writes for `UPerNet` on Swin: `dtype`, nested base fields, no `backbone`.
const VERSION_5_23: &str = r#"{
  "architectures": ["UperNetForSemanticSegmentation"],
  "auxiliary_channels": 64, "auxiliary_concat_input": true, "auxiliary_in_channels": null,
  "auxiliary_loss_weight": 0.5, "auxiliary_num_convs": 2,
  "backbone_config": {
    "_name_or_path": "", "architectures": null, "chunk_size_feed_forward": 0, "dtype": null,
    "attention_probs_dropout_prob": 0.25, "depths": [2, 2, 18, 2], "drop_path_rate": 0.3,
    "embed_dim": 128, "encoder_stride": 32, "hidden_act": "gelu", "hidden_dropout_prob": 0.125,
    "hidden_size": 1024, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "image_size": [384, 384],
    "initializer_range": 0.01, "is_encoder_decoder": false, "layer_norm_eps": 1e-05,
    "mlp_ratio": 3.5, "model_type": "swin", "num_channels": 4, "num_heads": [4, 8, 16, 32],
    "num_layers": 4, "out_features": ["stage2", "stage3", "stage4"], "out_indices": [2, 3, 4],
    "output_attentions": false, "patch_size": [4, 4], "problem_type": null, "qkv_bias": false,
    "stage_names": ["stem", "stage1", "stage2", "stage3", "stage4"],
    "use_absolute_embeddings": true, "window_size": 12
  },
  "dtype": "float32", "hidden_size": 96, "id2label": {"0": "Sky", "1": "Road", "2": "Car"},
  "initializer_range": 0.03, "label2id": {"Sky": 0, "Road": 1, "Car": 2},
  "loss_ignore_index": -100, "model_type": "upernet", "pool_scales": [1, 4],
  "transformers_version": "5.23.0", "use_auxiliary_head": true
}"#;

#[test]
fn a_file_of_version_4_is_read() {
    let config = HfConfig::from_json(VERSION_4_27.as_bytes()).expect("it is well formed");
    let backbone = HfConvNextConfig {
        out_stages: vec![1, 2, 3, 4],
        ..HfConvNextConfig::default()
    };
    let labels = "wall building sky floor road bed window grass cabinet sidewalk tree".split(' ');
    let expected = HfConfig {
        auxiliary_in_channels: Some(384),
        id2label: labels.map(str::to_owned).collect(),
        ..HfConfig::new(HfBackboneConfig::ConvNext(backbone))
    };
    assert_eq!(config, expected);
}

#[test]
fn a_file_of_version_5_is_read() {
    let config = HfConfig::from_json(VERSION_5_23.as_bytes()).expect("it is well formed");
    let backbone = HfSwinConfig {
        image_size: 384,
        patch_size: 4,
        num_channels: 4,
        embed_dim: 128,
        depths: vec![2, 2, 18, 2],
        num_heads: vec![4, 8, 16, 32],
        window_size: 12,
        mlp_ratio: 3.5,
        qkv_bias: false,
        hidden_dropout_prob: 0.125,
        attention_probs_dropout_prob: 0.25,
        drop_path_rate: 0.3,
        use_absolute_embeddings: true,
        layer_norm_eps: 1e-5,
        initializer_range: 0.01,
        out_stages: vec![2, 3, 4],
    };
    let expected = HfConfig {
        backbone: HfBackboneConfig::Swin(backbone),
        hidden_size: 96,
        pool_scales: vec![1, 4],
        use_auxiliary_head: true,
        auxiliary_loss_weight: 0.5,
        auxiliary_in_channels: None,
        auxiliary_channels: 64,
        auxiliary_num_convs: 2,
        auxiliary_concat_input: true,
        loss_ignore_index: -100,
        initializer_range: 0.03,
        id2label: vec!["Sky".into(), "Road".into(), "Car".into()],
    };
    assert_eq!(config.auxiliary_input_channels(), Some(1024));
    assert_eq!(config, expected);
}

#[test]
fn what_is_written_reads_back_exactly() {
    for text in [VERSION_4_27, VERSION_5_23] {
        let config = HfConfig::from_json(text.as_bytes()).expect("it is well formed");
        assert_eq!(HfConfig::from_json(config.to_json().as_bytes()), Ok(config));
    }
}

#[test]
fn absent_fields_have_hugging_faces_defaults() {
    for expected in [
        HfBackboneConfig::Swin(HfSwinConfig::default()),
        HfBackboneConfig::SwinV2(HfSwinV2Config::default()),
        HfBackboneConfig::ConvNext(HfConvNextConfig::default()),
        HfBackboneConfig::ConvNextV2(HfConvNextV2Config::default()),
        HfBackboneConfig::Dinov3ConvNext(HfDinov3ConvNextConfig::default()),
        HfBackboneConfig::ResNet(HfResNetConfig::default()),
        HfBackboneConfig::PvtV2(HfPvtV2Config::default()),
    ] {
        let family = expected.model_type();
        // Without a stem the first stage has index 0.
        let indices = match expected {
            HfBackboneConfig::PvtV2(_) => r#""out_indices": [0, 1, 2, 3]"#,
            _ => r#""out_indices": [1, 2, 3, 4]"#,
        };
        let backbone = format!(r#"{{"model_type": "{family}", {indices}}}"#);
        let text = format!(r#"{{"model_type": "upernet", "backbone_config": {backbone}}}"#);
        let config = HfConfig::from_json(text.as_bytes()).expect("it is well formed");
        let expected = HfConfig::new(expected.with_all_stages());
        assert_eq!(config, expected);
        assert_eq!(config.id2label, ["LABEL_0", "LABEL_1"]);
    }
}

#[test]
fn every_golden_of_a_built_backbone_is_read() {
    for name in [
        "beit",
        "beit-flat",
        "beit-shared",
        "convnext",
        "convnext-small-image",
        "convnextv2",
        "dinov3-convnext",
        "head-aux-concat",
        "head-three-level",
        "pvt-v2",
        "pvt-v2-linear",
        "resnet",
        "resnet-basic",
        "resnet-options",
        "swin",
        "swin-absolute",
        "swin-options",
        "swin-small-image",
        "swinv2",
        "swinv2-clamped",
    ] {
        let config = read(name);
        let text = std::fs::read(golden(name).join("config.json")).expect("it was just read");
        let value: Value = serde_json::from_slice(&text).expect("it is JSON");
        let backbone = &value["backbone_config"];
        assert_eq!(
            config.num_labels(),
            value["label2id"]
                .as_object()
                .map_or(0, serde_json::Map::len)
        );
        let named = config.backbone.out_stages().iter();
        let named: Vec<_> = named.map(|stage| format!("stage{stage}")).collect();
        assert_eq!(json!(named), backbone["out_features"], "{name}");
        assert_eq!(
            json!(config.backbone.model_type()),
            backbone["model_type"],
            "{name}"
        );
        match &config.backbone {
            HfBackboneConfig::Swin(swin) => {
                assert_eq!(json!(swin.depths), backbone["depths"], "{name}");
                assert_eq!(
                    json!(config.backbone.stage_channels()[3]),
                    backbone["hidden_size"],
                    "{name}"
                );
            }
            HfBackboneConfig::SwinV2(swin) => {
                // Upstream writes four windows, also for three stages.
                let windows = backbone["pretrained_window_sizes"].as_array();
                let windows = &windows.expect("it is a list")[..swin.depths.len()];
                assert_eq!(
                    json!(swin.pretrained_window_sizes),
                    json!(windows),
                    "{name}"
                );
                assert_eq!(json!(swin.image_size), backbone["image_size"], "{name}");
            }
            HfBackboneConfig::Beit(beit) => {
                let layers = json!(beit.num_hidden_layers);
                assert_eq!(layers, backbone["num_hidden_layers"], "{name}");
                assert_eq!(json!(beit.add_fpn), backbone["add_fpn"], "{name}");
                assert_eq!(json!(beit.image_size), backbone["image_size"], "{name}");
            }
            convnext => {
                assert_eq!(json!(convnext.depths()), backbone["depths"], "{name}");
                let sizes = json!(convnext.stage_channels());
                assert_eq!(sizes, backbone["hidden_sizes"], "{name}");
            }
        }
        assert_eq!(
            HfConfig::from_json(config.to_json().as_bytes()),
            Ok(config),
            "{name}"
        );
        let processor = HfProcessorConfig::read(&golden(name).join("preprocessor_config.json"));
        assert_eq!(
            processor.expect("it is well formed"),
            HfProcessorConfig::default(),
            "{name}"
        );
    }
}

#[test]
fn the_options_of_a_golden_arrive() {
    let config = read("swin-options");
    let HfBackboneConfig::Swin(swin) = config.backbone else {
        panic!("swin-options holds a Swin");
    };
    assert_eq!(
        (swin.layer_norm_eps, swin.qkv_bias, swin.window_size),
        (1e-3, false, 4)
    );
    assert_eq!((swin.depths, swin.mlp_ratio), (vec![2, 1, 2, 1], 2.0));
    assert_eq!(
        (config.pool_scales, config.use_auxiliary_head),
        (vec![1, 2, 4], false)
    );
    let HfBackboneConfig::Dinov3ConvNext(dinov3) = read("dinov3-convnext").backbone else {
        panic!("dinov3-convnext holds a ConvNeXt of DINOv3");
    };
    assert_eq!(
        (dinov3.layer_norm_eps, dinov3.depths),
        (1e-3, vec![1, 1, 2, 1])
    );
    let three = read("head-three-level");
    assert_eq!(
        (three.auxiliary_num_convs, three.auxiliary_input_channels()),
        (0, Some(24))
    );
    assert!(
        read("head-aux-concat").auxiliary_concat_input,
        "it is in its name"
    );
}

#[test]
fn processors_of_a_golden_arrive() {
    let processor = HfProcessorConfig::read(&golden("preprocess").join("preprocessor_config.json"));
    let expected = HfProcessorConfig {
        size: [64, 80],
        do_reduce_labels: true,
        ..HfProcessorConfig::default()
    };
    assert_eq!(processor.expect("it is well formed"), expected);
}
