//! `PVTv2`, whose stages have no stem before them.

use std::path::Path;

use serde_json::{Value, json};
use upernet_hf::{
    ErrorKind,
    config::{ConfigError, HfBackboneConfig, HfConfig, HfPvtV2Config},
};

/// The backbone of a golden folder of the repository.
fn golden(name: &str) -> HfPvtV2Config {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens");
    let config = HfConfig::read(&folder.join(name).join("config.json"));
    match config.expect("this golden's network is built").backbone {
        HfBackboneConfig::PvtV2(pvt) => pvt,
        other => panic!("{name} holds a {}", other.model_type()),
    }
}

/// A `UPerNet` on a `PVTv2` with one field set.
fn pvt_v2(field: &str, value: Value) -> Result<HfConfig, ConfigError> {
    let mut backbone = json!({"model_type": "pvt_v2", "out_indices": [0, 1, 2, 3]});
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
fn the_options_of_a_pvt_v2_arrive() {
    let reduced = golden("pvt-v2");
    assert_eq!(reduced.sr_ratios, [3, 2, 1, 1]);
    assert_eq!(reduced.num_attention_heads, [1, 2, 2, 3]);
    assert_eq!(reduced.mlp_ratios, [2, 3, 2, 2]);
    assert!(
        !reduced.linear_attention && reduced.qkv_bias,
        "the defaults"
    );
    let linear = golden("pvt-v2-linear");
    assert!(linear.linear_attention && !linear.qkv_bias, "its options");
    assert_eq!(
        (linear.patch_sizes, linear.strides),
        (vec![5, 3, 5], vec![3, 2, 2])
    );
    assert_eq!(
        (linear.layer_norm_eps, linear.out_stages),
        (1e-3, vec![1, 2, 3])
    );
}

/// What transformers 5.23 makes of `OpenGVLab/pvt_v2_b2`'s classifier: its last stage alone.
#[test]
fn indices_count_from_the_first_stage() {
    let config = pvt_v2("hidden_sizes", json!([64, 128, 320, 512])).expect("it is built");
    assert_eq!(config.backbone.out_stages(), [1, 2, 3, 4]);
    assert_eq!(config.backbone.out_channels(), [64, 128, 320, 512]);
    let text = config.to_json();
    let written: Value = serde_json::from_str(&text).expect("it was written");
    let backbone = &written["backbone_config"];
    assert_eq!(backbone["out_indices"], json!([0, 1, 2, 3]));
    assert_eq!(
        backbone["stage_names"],
        json!(["stage1", "stage2", "stage3", "stage4"])
    );
    assert_eq!(HfConfig::from_json(text.as_bytes()), Ok(config));
    let classifier =
        br#"{"architectures": ["PvtV2ForImageClassification"], "model_type": "pvt_v2"}"#;
    let bare = HfBackboneConfig::from_json(classifier).expect("it is built");
    assert_eq!(bare, HfBackboneConfig::PvtV2(HfPvtV2Config::default()));
    assert_refused(
        pvt_v2("out_indices", json!([1, 2, 3, 4])),
        ErrorKind::BadData,
        "field `backbone_config.out_indices` holds the index 4, the stages are 0 to 3",
    );
}

#[test]
fn a_pvt_v2_that_is_not_built_is_refused_by_name() {
    for (field, value, message) in [
        (
            "hidden_act",
            json!("relu"),
            "field `backbone_config.hidden_act` asks for \"relu\", which is not supported; \
             supported is gelu",
        ),
        (
            "patch_sizes",
            json!([7, 2, 3, 3]),
            "field `backbone_config.patch_sizes[1]` asks for \"2\", which is not supported; \
             the sides of patches are odd",
        ),
    ] {
        assert_refused(pvt_v2(field, value), ErrorKind::Unsupported, message);
    }
}

#[test]
fn the_numbers_of_a_pvt_v2_are_bounded() {
    for (field, value, message) in [
        (
            "sr_ratios",
            json!([8, 0, 2, 1]),
            "field `backbone_config.sr_ratios[1]` is 0, allowed is 1 to 64",
        ),
        (
            "strides",
            json!([4, 2, 2]),
            "fields `backbone_config.depths` and `backbone_config.strides` disagree: \
             the first has 4 stages, the second 3",
        ),
        (
            "num_encoder_blocks",
            json!(3),
            "fields `backbone_config.depths` and `backbone_config.num_encoder_blocks` disagree: \
             the first has 4 stages, the second 3",
        ),
        (
            "num_attention_heads",
            json!([1, 2, 3, 8]),
            "fields `backbone_config.hidden_sizes` and `backbone_config.num_attention_heads` disagree: \
             stage3 has 160 channels, not divisible by 3 heads",
        ),
        (
            "mlp_ratios",
            json!([8, 8, 4.5, 4]),
            "field `backbone_config.mlp_ratios[2]` must be an integer, found 4.5",
        ),
        (
            "depths",
            json!([1024, 1, 1, 1]),
            "field `backbone_config.depths` is 1027 blocks in all, allowed is up to 1024",
        ),
        (
            "drop_path_rate",
            json!(1.0),
            "field `backbone_config.drop_path_rate` is 1.0, allowed is 0 to 0.999999",
        ),
        (
            "linear_attention",
            json!("yes"),
            "field `backbone_config.linear_attention` must be true or false, found \"yes\"",
        ),
        (
            "hidden_sizes",
            json!([32, 64, 160, 65_536]),
            // Two blocks of 12 c^2, and 9 * 160 * c of the patches.
            "field `(whole network)` is about 1.0e11 parameters, allowed is up to 4.3e9",
        ),
    ] {
        assert_refused(pvt_v2(field, value), ErrorKind::BadData, message);
    }
}
