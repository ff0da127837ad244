//! `BEiT`s: their layers are stages, and a neck makes a pyramid of four.

use std::path::Path;

use serde_json::{Value, json};
use upernet_hf::{
    ErrorKind,
    config::{ConfigError, HfBackboneConfig, HfBeitConfig, HfConfig},
};

/// The backbone of a golden folder of the repository.
fn golden(name: &str) -> HfBeitConfig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens");
    let config = HfConfig::read(&folder.join(name).join("config.json"));
    match config.expect("this golden's network is built").backbone {
        HfBackboneConfig::Beit(beit) => beit,
        other => panic!("{name} holds a {}", other.model_type()),
    }
}

/// A `UPerNet` on a `BEiT` with one field set.
fn beit(field: &str, value: Value) -> Result<HfConfig, ConfigError> {
    let mut backbone = json!({"model_type": "beit", "out_indices": [3, 5, 7, 11]});
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
fn absent_fields_have_hugging_faces_defaults() {
    let config = beit("add_fpn", json!(true)).expect("it is well formed");
    let expected = HfBackboneConfig::Beit(HfBeitConfig {
        add_fpn: true,
        out_stages: vec![3, 5, 7, 11],
        ..HfBeitConfig::default()
    });
    assert_eq!(config.backbone, expected);
    assert_eq!(config.backbone.out_channels(), [768; 4]);
    assert_eq!(config.auxiliary_input_channels(), Some(768));
    assert_eq!(HfConfig::from_json(config.to_json().as_bytes()), Ok(config));
}

#[test]
fn the_options_of_a_golden_arrive() {
    let own = golden("beit");
    assert!(own.add_fpn && own.use_relative_position_bias, "it has both");
    assert!(!own.use_shared_relative_position_bias && !own.use_absolute_position_embeddings);
    assert_eq!(
        (own.num_hidden_layers, own.out_stages),
        (5, vec![1, 2, 3, 4])
    );
    let shared = golden("beit-shared");
    assert!(shared.use_shared_relative_position_bias && shared.use_absolute_position_embeddings);
    assert!(!shared.use_relative_position_bias, "its layers have none");
    assert_eq!(
        (shared.layer_scale_init_value, shared.layer_norm_eps),
        (0.0, 1e-3)
    );
    let flat = golden("beit-flat");
    assert_eq!((flat.add_fpn, flat.out_stages), (false, vec![1, 2, 3]));
}

/// A classifier's file says nothing of a neck.
#[test]
fn a_upernet_on_a_classifiers_backbone_has_a_neck_on_four_layers() {
    for (layers, stages, has_neck) in [
        (12, vec![4, 6, 8, 12], true),
        (24, vec![8, 12, 16, 24], true),
        (5, vec![1, 2, 3, 5], true),
        (4, vec![1, 2, 3, 4], true),
        (3, vec![1, 2, 3], false),
    ] {
        let text = json!({
            "architectures": ["BeitForImageClassification"],
            "model_type": "beit",
            "num_hidden_layers": layers,
            "out_indices": [-1],
            "use_relative_position_bias": true,
        });
        let config = HfBackboneConfig::from_json(text.to_string().as_bytes());
        let config = config.expect("it is well formed");
        assert_eq!(config.out_stages(), [layers]);
        let HfBackboneConfig::Beit(beit) = config.with_all_stages() else {
            panic!("it is a BEiT");
        };
        assert_eq!((beit.out_stages, beit.add_fpn), (stages, has_neck));
    }
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    assert_refused(
        beit("reshape_hidden_states", json!(false)),
        ErrorKind::Unsupported,
        "field `backbone_config.reshape_hidden_states` asks for \"false\", which is not supported; \
         the heads read maps, not lists of tokens",
    );
    assert_refused(
        beit("image_size", json!([224, 448])),
        ErrorKind::Unsupported,
        "field `backbone_config.image_size` asks for \"224 x 448\", which is not supported; \
         height and width must be equal",
    );
    assert_refused(
        beit("hidden_act", json!("relu")),
        ErrorKind::Unsupported,
        "field `backbone_config.hidden_act` asks for \"relu\", which is not supported; \
         supported is gelu",
    );
}

#[test]
fn the_numbers_of_a_beit_are_bounded() {
    for (field, value, message) in [
        (
            "num_hidden_layers",
            json!(1025),
            "field `backbone_config.num_hidden_layers` is 1025, allowed is 1 to 1024",
        ),
        (
            "num_hidden_layers",
            json!(10),
            "field `backbone_config.out_indices` holds the index 11, the stages are 1 to 10",
        ),
        (
            "num_attention_heads",
            json!(7),
            "fields `backbone_config.hidden_size` and `backbone_config.num_attention_heads` disagree: \
             768 channels are not divisible by 7 heads",
        ),
        (
            "num_attention_heads",
            json!(0),
            "field `backbone_config.num_attention_heads` is 0, allowed is 1 to 65536",
        ),
        (
            "image_size",
            json!(15),
            "field `backbone_config.image_size` is 15, allowed is 16 to 65536",
        ),
        (
            "patch_size",
            json!(65),
            "field `backbone_config.patch_size` is 65, allowed is 1 to 64",
        ),
        (
            "attention_probs_dropout_prob",
            json!(1.0),
            "field `backbone_config.attention_probs_dropout_prob` is 1.0, allowed is 0 to 0.999999",
        ),
        (
            "use_relative_position_bias",
            json!("yes"),
            "field `backbone_config.use_relative_position_bias` must be true or false, found \"yes\"",
        ),
    ] {
        assert_refused(beit(field, value), ErrorKind::BadData, message);
    }
    let mut backbone = json!({"model_type": "beit", "out_indices": [3, 7, 11], "add_fpn": true});
    let upernet = |backbone: &Value| {
        let config = json!({"model_type": "upernet", "backbone_config": backbone});
        HfConfig::from_json(config.to_string().as_bytes())
    };
    assert_refused(
        upernet(&backbone),
        ErrorKind::BadData,
        "fields `backbone_config.add_fpn` and `backbone_config.out_features` disagree: \
         the neck takes 4 maps, the second asks for 3",
    );
    // 8191^2 offsets of 4096 x 4096 patches in 12 heads, in each of 12 layers.
    backbone = json!({
        "model_type": "beit",
        "out_indices": [3, 5, 7, 11],
        "image_size": 65_536,
        "use_relative_position_bias": true,
    });
    assert_refused(
        upernet(&backbone),
        ErrorKind::BadData,
        "field `(whole network)` is about 9.8e9 parameters, allowed is up to 4.3e9",
    );
}
