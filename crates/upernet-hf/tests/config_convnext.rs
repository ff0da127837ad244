//! What the three families of `ConvNeXt` may ask for.

use serde_json::{Value, json};
use upernet_hf::{
    ErrorKind,
    config::{ConfigError, HfConfig},
};

const CONVNEXTS: [&str; 3] = ["convnext", "convnextv2", "dinov3_convnext"];

/// A configuration on a backbone of that family, with one of its fields set.
fn convnext(family: &str, field: &str, value: Value) -> Result<HfConfig, ConfigError> {
    let mut backbone = json!({"model_type": family, "out_indices": [1, 2, 3, 4]});
    backbone[field] = value;
    let config = json!({"model_type": "upernet", "backbone_config": backbone});
    HfConfig::from_json(config.to_string().as_bytes())
}

#[test]
fn the_unedited_configuration_is_accepted() {
    for family in CONVNEXTS {
        let config = convnext(family, "num_stages", json!(4)).expect("it is well formed");
        assert_eq!(config.backbone.model_type(), family);
        assert_eq!(config.backbone.out_channels(), [96, 192, 384, 768]);
    }
}

#[test]
fn the_stages_of_a_convnext_must_agree() {
    for family in CONVNEXTS {
        for (field, value, second, found) in [
            ("hidden_sizes", json!([1, 2, 3]), "hidden_sizes", 3),
            ("num_stages", json!(5), "num_stages", 5),
        ] {
            let error = convnext(family, field, value).expect_err("they differ");
            assert_eq!(
                error.to_string(),
                format!(
                    "fields `backbone_config.depths` and `backbone_config.{second}` disagree: \
                     the first has 4 stages, the second {found}"
                )
            );
            assert_eq!(error.kind(), ErrorKind::BadData);
        }
    }
}

#[test]
fn what_a_convnext_may_ask_for_is_bounded() {
    for (family, field, value, message) in [
        (
            "convnextv2",
            "hidden_act",
            json!("relu"),
            "field `backbone_config.hidden_act` asks for \"relu\", which is not supported; \
             supported is gelu",
        ),
        (
            "convnextv2",
            "patch_size",
            json!(65),
            "field `backbone_config.patch_size` is 65, allowed is 1 to 64",
        ),
        (
            "dinov3_convnext",
            "layer_norm_eps",
            json!(-1e-6),
            "field `backbone_config.layer_norm_eps` is -1e-6, allowed is 0 to 1",
        ),
        (
            "dinov3_convnext",
            "layer_scale_init_value",
            json!("small"),
            "field `backbone_config.layer_scale_init_value` must be a number, found \"small\"",
        ),
        (
            "dinov3_convnext",
            "depths",
            json!([1000, 1000]),
            "field `backbone_config.depths` is 2000 blocks in all, allowed is up to 1024",
        ),
    ] {
        let error = convnext(family, field, value).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    // What a family has no field for is not looked at.
    assert!(convnext("dinov3_convnext", "patch_size", json!(65)).is_ok());
    assert!(convnext("convnextv2", "layer_scale_init_value", json!("small")).is_ok());
}
