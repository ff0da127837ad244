//! `ResNet`s, and the one that is meant by a `UPerNet` without a backbone.

use std::path::Path;

use serde_json::{Value, json};
use upernet_hf::{
    ErrorKind,
    config::{
        ConfigError, HfBackboneConfig, HfConfig, HfResNetActivation, HfResNetConfig,
        HfResNetLayerType, HfVariant,
    },
};

/// The backbone of a golden folder of the repository.
fn golden(name: &str) -> HfResNetConfig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens");
    let config = HfConfig::read(&folder.join(name).join("config.json"));
    match config.expect("this golden's network is built").backbone {
        HfBackboneConfig::ResNet(resnet) => resnet,
        other => panic!("{name} holds a {}", other.model_type()),
    }
}

/// A `UPerNet` on a `ResNet` with one field set.
fn resnet(field: &str, value: Value) -> Result<HfConfig, ConfigError> {
    let mut backbone = json!({"model_type": "resnet", "out_indices": [1, 2, 3, 4]});
    backbone[field] = value;
    let config = json!({"model_type": "upernet", "backbone_config": backbone});
    HfConfig::from_json(config.to_string().as_bytes())
}

fn assert_refused(result: Result<HfConfig, ConfigError>, kind: ErrorKind, message: &str) {
    let error = result.expect_err(message);
    assert_eq!(error.to_string(), message);
    assert_eq!(error.kind(), kind, "{message}");
}

#[test]
fn the_options_of_a_resnet_arrive() {
    let basic = golden("resnet-basic");
    assert_eq!(basic.layer_type, HfResNetLayerType::Basic);
    assert_eq!(basic.hidden_act, HfResNetActivation::Relu);
    let options = golden("resnet-options");
    assert_eq!(options.embedding_size, 4);
    assert_eq!(options.layer_type, HfResNetLayerType::Bottleneck);
    assert_eq!(options.hidden_act, HfResNetActivation::Gelu);
    assert!(
        options.downsample_in_first_stage && options.downsample_in_bottleneck,
        "both are its options"
    );
}

/// What `UperNetConfig()` of 4.57 and 5.23 has: `ResNetConfig(out_features=[all four])`.
#[test]
fn without_a_backbone_hugging_faces_default_is_meant() {
    let resnet_50 = HfBackboneConfig::ResNet(HfResNetConfig {
        out_stages: vec![1, 2, 3, 4],
        ..HfResNetConfig::default()
    });
    for text in [
        r#"{"model_type": "upernet"}"#,
        r#"{"model_type": "upernet", "backbone_config": null, "backbone": null,
            "use_timm_backbone": false, "use_pretrained_backbone": false, "backbone_kwargs": null}"#,
    ] {
        let config = HfConfig::from_json(text.as_bytes()).expect("it has a default");
        assert_eq!(config, HfConfig::new(resnet_50.clone()));
        assert_eq!(config.backbone.out_channels(), [256, 512, 1024, 2048]);
        assert_eq!(config.auxiliary_input_channels(), Some(1024));
        assert_eq!(HfConfig::from_json(config.to_json().as_bytes()), Ok(config));
    }
    let other = br#"{"model_type": "upernet", "auxiliary_in_channels": 384}"#;
    assert_eq!(
        HfConfig::from_json(other)
            .expect_err("it has 1024")
            .to_string(),
        "fields `auxiliary_in_channels` and `backbone_config` disagree: \
         the first says 384, the third feature map has 1024 channels"
    );
}

/// It is mmsegmentation's, so it is no field of the backbone's.
#[test]
fn a_deep_stem_is_asked_for_and_written() {
    let network = |family: &str| {
        let config = json!({
            "model_type": "upernet",
            "variant": "deep_stem",
            "backbone_config": {"model_type": family, "out_indices": [1, 2, 3, 4]},
        });
        HfConfig::from_json(config.to_string().as_bytes())
    };
    let config = network("resnet").expect("it is built");
    assert_eq!(config.backbone.variant(), Some(HfVariant::DeepStem));
    assert_eq!(
        HfConfig::from_json(config.to_json().as_bytes()),
        Ok(config.clone())
    );
    let alone = config.backbone.to_json();
    assert_eq!(
        HfBackboneConfig::from_json(alone.as_bytes()),
        Ok(config.backbone)
    );
    assert_refused(
        network("swin"),
        ErrorKind::BadData,
        "fields `variant` and `backbone_config.model_type` disagree: \
         a deep stem is for resnet, not for swin",
    );
    let plain = resnet("hidden_act", json!("relu")).expect("it is the default");
    assert_eq!(plain.backbone.variant(), None);
}

#[test]
fn a_resnet_that_is_not_built_is_refused_by_name() {
    assert!(resnet("hidden_act", json!("gelu")).is_ok(), "it is built");
    for (field, value, message) in [
        (
            "layer_type",
            json!("preact"),
            "field `backbone_config.layer_type` asks for \"preact\", which is not supported; \
             supported are basic, bottleneck",
        ),
        (
            "hidden_act",
            json!("silu"),
            "field `backbone_config.hidden_act` asks for \"silu\", which is not supported; \
             supported are relu, gelu",
        ),
    ] {
        assert_refused(resnet(field, value), ErrorKind::Unsupported, message);
    }
}

#[test]
fn the_numbers_of_a_resnet_are_bounded() {
    for (field, value, message) in [
        (
            "hidden_sizes",
            json!([16, 3, 16, 16]),
            "field `backbone_config.hidden_sizes[1]` is 3, allowed is 4 to 65536",
        ),
        (
            "hidden_sizes",
            json!([16, 16, 16]),
            "fields `backbone_config.depths` and `backbone_config.hidden_sizes` disagree: \
             the first has 4 stages, the second 3",
        ),
        (
            "embedding_size",
            json!(65_537),
            "field `backbone_config.embedding_size` is 65537, allowed is 1 to 65536",
        ),
        (
            "depths",
            json!([1024, 1, 1, 1]),
            "field `backbone_config.depths` is 1027 blocks in all, allowed is up to 1024",
        ),
        (
            "downsample_in_bottleneck",
            json!(1),
            "field `backbone_config.downsample_in_bottleneck` must be true or false, found 1",
        ),
        (
            "hidden_sizes",
            json!([65_536, 65_536, 1024, 65_536]),
            // 17/16 c^2 for a block of c channels: 12.6e9, 22.5e9, little and 12.7e9 in the stages.
            "field `(whole network)` is about 4.8e10 parameters, allowed is up to 4.3e9",
        ),
    ] {
        assert_refused(resnet(field, value), ErrorKind::BadData, message);
    }
}
