//! Configurations of backbones on their own, and the folders they are in.

use std::{fs, path::Path};

use serde_json::json;
use upernet_hf::{
    BackboneFolder, ErrorKind, ModelFolder,
    config::{ConfigError, HfBackboneConfig, HfConfig, SUPPORTED_BACKBONES},
};

fn read(config: &serde_json::Value) -> Result<HfBackboneConfig, ConfigError> {
    HfBackboneConfig::from_json(config.to_string().as_bytes())
}

/// As `microsoft/swin-tiny-patch4-window7-224` has it, but for its thousand classes.
fn swin() -> serde_json::Value {
    json!({
        "architectures": ["SwinForImageClassification"],
        "model_type": "swin",
        "depths": [2, 2, 6, 2],
        "embed_dim": 96,
        "hidden_act": "gelu",
        "image_size": 224,
        "layer_norm_eps": 1e-5,
        "num_heads": [3, 6, 12, 24],
        "path_norm": true,
        "torch_dtype": "float32",
        "window_size": 7
    })
}

#[test]
fn a_classifier_is_its_backbone_with_the_last_map() {
    let backbone = read(&swin()).expect("a published configuration");
    assert_eq!(
        backbone,
        HfBackboneConfig::Swin(upernet_hf::config::HfSwinConfig::default())
    );
    assert_eq!(backbone.out_stages(), [4]);
    assert_eq!(
        backbone.with_all_stages().out_channels(),
        [96, 192, 384, 768]
    );
}

#[test]
fn a_upernet_is_read_for_its_backbone() {
    let mut alone = swin();
    alone["out_indices"] = json!([1, 2, 3, 4]);
    let whole = json!({"model_type": "upernet", "backbone_config": alone});
    assert_eq!(read(&whole), read(&alone));
}

#[test]
fn other_networks_are_refused_by_name() {
    let refused = |edit: fn(&mut serde_json::Value)| {
        let mut config = swin();
        edit(&mut config);
        read(&config).expect_err("refused").to_string()
    };
    assert_eq!(
        refused(|config| config["model_type"] = json!("hiera")),
        format!(
            "field `model_type` asks for \"hiera\", which is not supported; supported are {}",
            SUPPORTED_BACKBONES.join(", ")
        )
    );
    assert_eq!(
        refused(|config| config["model_type"] = json!(null)),
        "field `model_type` is missing; it names the backbone family, such as swin"
    );
    assert_eq!(
        refused(|config| {
            config["embed_dim"] = json!(8192);
            config["num_heads"] = json!([1, 1, 1, 1]);
            config["depths"] = json!([2, 2, 30, 2]);
        }),
        // Channels c are 2^13 to 2^16: 12 c^2 for each of the 2, 2, 30, 2 blocks, 8 c^2 between stages.
        "field `(whole network)` is about 5.1e11 parameters, allowed is up to 4.3e9"
    );
    let text = "[".repeat(17 << 20);
    let error = HfBackboneConfig::from_json(text.as_bytes()).expect_err("17 MiB");
    assert!(matches!(error, ConfigError::TooLarge { .. }));
}

#[test]
fn a_classifiers_folder_is_no_model_but_a_backbone() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/backbones/swin");
    let folder = BackboneFolder::open(&path).expect("a fixture");
    assert_eq!(folder.config.model_type(), "swin");
    let by_file = BackboneFolder::open(&path.join("model.safetensors")).expect("a fixture");
    assert_eq!(by_file.config, folder.config);
    assert_eq!(by_file.checkpoint.len(), folder.checkpoint.len());
    let error = ModelFolder::open(&path).expect_err("it is no UPerNet");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn missing_files_are_named() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let message = |path: &Path| {
        let error = BackboneFolder::open(path).expect_err("something is missing");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        error.to_string()
    };
    assert!(message(&home.path().join("none")).ends_with("none: not found; check the path"));
    assert!(
        message(home.path())
            .ends_with("config.json: not found; a model folder holds one beside its weights")
    );
    fs::write(home.path().join("config.json"), swin().to_string()).expect("writable");
    assert!(message(home.path()).contains("model.safetensors: not found"));
}

/// `MODEL_FOR_BACKBONE_MAPPING_NAMES` of transformers 5.23.0: what `AutoBackbone` offers.
const AUTO_BACKBONES: [&str; 32] = [
    "beit",
    "bit",
    "convnext",
    "convnextv2",
    "dinat",
    "dinov2",
    "dinov2_with_registers",
    "dinov3_convnext",
    "dinov3_vit",
    "focalnet",
    "hgnet_v2",
    "hiera",
    "lw_detr_vit",
    "maskformer-swin",
    "pixio",
    "pp_lcnet",
    "pp_lcnet_v3",
    "pp_lcnet_v4",
    "pvt_v2",
    "resnet",
    "rf_detr_dinov2",
    "rt_detr_resnet",
    "sapiens2",
    "swin",
    "swinv2",
    "textnet",
    "timm_backbone",
    "tipsv2",
    "tipsv2_vision_model",
    "uvdoc_backbone",
    "vitdet",
    "vitpose_backbone",
];

#[test]
fn every_backbone_of_upstream_is_built_or_refused_by_its_name() {
    for model_type in AUTO_BACKBONES {
        let network = json!({
            "model_type": "upernet",
            "backbone_config": {"model_type": model_type},
        });
        let error = HfConfig::from_json(network.to_string().as_bytes()).err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        let refused = text.contains(&format!(
            "asks for \"{model_type}\", which is not supported"
        ));
        assert_eq!(
            refused,
            !SUPPORTED_BACKBONES.contains(&model_type),
            "{model_type}: {text}"
        );
        if refused {
            assert!(text.contains(&SUPPORTED_BACKBONES.join(", ")), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }
}
