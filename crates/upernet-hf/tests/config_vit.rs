//! Plain transformers: `DINOv2`, with registers and without, `DINOv3`, ViT, and our necks.

use std::path::Path;

use serde_json::{Value, json};
use upernet_hf::{
    ErrorKind,
    config::{
        ConfigError, HfBackboneConfig, HfConfig, HfDinov2Config, HfDinov3VitConfig,
        HfGateActivation, HfNeck, HfVitConfig, HfVitOutputNorm, HfVitPretraining,
        SUPPORTED_BACKBONES,
    },
};

/// The backbone of a golden folder of the repository.
fn golden(name: &str) -> HfBackboneConfig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens");
    let config = HfConfig::read(&folder.join(name).join("config.json"));
    let config = config.expect("this golden's network is built");
    let again = HfConfig::from_json(config.to_json().as_bytes());
    assert_eq!(again.as_ref(), Ok(&config), "{name}");
    config.backbone
}

/// A `UPerNet` on a plain transformer with one field set.
fn network(family: &str, field: &str, value: Value) -> Result<HfConfig, ConfigError> {
    let mut backbone = json!({"model_type": family, "out_indices": [3, 6, 9, 12]});
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
    for (family, expected) in [
        (
            "dinov2",
            HfBackboneConfig::Dinov2(HfDinov2Config::default()),
        ),
        (
            "dinov2_with_registers",
            HfBackboneConfig::Dinov2(HfDinov2Config::with_registers()),
        ),
        (
            "dinov3_vit",
            HfBackboneConfig::Dinov3Vit(HfDinov3VitConfig::default()),
        ),
    ] {
        assert_eq!(expected.model_type(), family);
        assert_eq!(expected.out_stages(), [12], "the last layer alone");
        let found = network(family, "hidden_act", json!("gelu")).expect("it is the default");
        assert_eq!(found.backbone, expected.clone().with_all_stages());
        assert_eq!(found.backbone.depths(), [1; 12]);
        assert_eq!(
            found.auxiliary_input_channels(),
            Some(expected.stage_channels()[8])
        );
        let text = expected.to_json();
        assert_eq!(HfBackboneConfig::from_json(text.as_bytes()), Ok(expected));
    }
}

#[test]
fn the_options_of_goldens_arrive() {
    let HfBackboneConfig::Dinov2(dinov2) = golden("dinov2") else {
        panic!("dinov2 holds a DINOv2");
    };
    assert_eq!(dinov2.out_stages, [1, 2, 4, 5]);
    assert_eq!((dinov2.learned_side(), dinov2.intermediate_size()), (3, 24));
    let HfBackboneConfig::Dinov2(registers) = golden("dinov2-registers") else {
        panic!("dinov2-registers holds a DINOv2");
    };
    assert_eq!(registers.num_register_tokens, Some(3));
    assert!(
        registers.use_swiglu_ffn && !registers.qkv_bias,
        "{registers:?}"
    );
    assert_eq!(registers.intermediate_size(), 16);
    let HfBackboneConfig::Dinov3Vit(gated) = golden("dinov3-vit-gated") else {
        panic!("dinov3-vit-gated holds a DINOv3");
    };
    assert_eq!(gated.hidden_act, HfGateActivation::Silu);
    assert!(gated.use_gated_mlp && !gated.apply_layernorm, "{gated:?}");
    assert_eq!(gated.pos_embed_rescale, None);
    let HfBackboneConfig::Dinov3Vit(plain) = golden("dinov3-vit") else {
        panic!("dinov3-vit holds a DINOv3");
    };
    assert_eq!((plain.num_register_tokens, plain.key_bias), (4, false));
}

/// `null` switches an augmentation off that is on if the field is not there.
#[test]
fn an_augmentation_is_off_only_if_it_says_so() {
    let rescale = |value| {
        let config = network("dinov3_vit", "pos_embed_rescale", value).expect("in bounds");
        match config.backbone {
            HfBackboneConfig::Dinov3Vit(vit) => vit.pos_embed_rescale,
            other => panic!("{}", other.model_type()),
        }
    };
    assert_eq!(rescale(json!(null)), None);
    assert_eq!(rescale(json!(1.5)), Some(1.5));
    assert_eq!(HfDinov3VitConfig::default().pos_embed_rescale, Some(2.0));
}

/// Counted by transformers on meta tensors: `sum(p.numel() for p in backbone.parameters())`.
#[test]
fn up_to_forty_layers_are_stages() {
    let mut backbone = json!({
        "model_type": "dinov2", "hidden_size": 1536, "num_hidden_layers": 40,
        "num_attention_heads": 24, "use_swiglu_ffn": true, "image_size": 518,
        "out_features": ["stage10", "stage20", "stage30", "stage40"],
    });
    let read = |backbone: &Value| HfBackboneConfig::from_json(backbone.to_string().as_bytes());
    let giant = read(&backbone).expect("it is published");
    assert_eq!(giant.out_stages(), [10, 20, 30, 40]);
    backbone["num_hidden_layers"] = json!(65);
    assert_eq!(
        read(&backbone).expect_err("65 are too many").to_string(),
        "field `num_hidden_layers` is 65, allowed is 1 to 64"
    );
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (family, field, value, message) in [
        (
            "dinov2",
            "reshape_hidden_states",
            json!(false),
            "field `backbone_config.reshape_hidden_states` asks for \"false\", which is not supported; \
             a UPerNet reads maps, not rows of tokens",
        ),
        (
            "dinov3_vit",
            "hidden_act",
            json!("relu"),
            "field `backbone_config.hidden_act` asks for \"relu\", which is not supported; \
             supported are gelu, silu",
        ),
        (
            "dinov2_with_registers",
            "hidden_act",
            json!("silu"),
            "field `backbone_config.hidden_act` asks for \"silu\", which is not supported; \
             supported is gelu",
        ),
    ] {
        assert_refused(
            network(family, field, value),
            ErrorKind::Unsupported,
            message,
        );
    }
}

#[test]
fn numbers_are_bounded() {
    for (family, field, value, message) in [
        (
            "dinov2",
            "num_attention_heads",
            json!(7),
            "fields `backbone_config.hidden_size` and `backbone_config.num_attention_heads` disagree: \
             768 channels are not divisible by 7 heads",
        ),
        (
            "dinov2",
            "image_size",
            json!(13),
            "fields `backbone_config.image_size` and `backbone_config.patch_size` disagree: \
             an image of 13 pixels holds no patch of 14",
        ),
        (
            "dinov3_vit",
            "num_attention_heads",
            json!(64),
            "fields `backbone_config.hidden_size` and `backbone_config.num_attention_heads` disagree: \
             rotary positions need heads of a multiple of 4 channels, these have 6",
        ),
        (
            "dinov3_vit",
            "pos_embed_rescale",
            json!(0.5),
            "field `backbone_config.pos_embed_rescale` is 0.5, allowed is 1 to 1000",
        ),
        (
            "dinov2_with_registers",
            "num_register_tokens",
            json!(1025),
            "field `backbone_config.num_register_tokens` is 1025, allowed is 0 to 1024",
        ),
        (
            "dinov2",
            "image_size",
            json!(65_536),
            // (65536 / 14)^2 positions of 768 channels.
            "field `(whole network)` is about 1.7e10 parameters, allowed is up to 4.3e9",
        ),
        (
            "dinov3_vit",
            "out_indices",
            json!([3, 13]),
            "field `backbone_config.out_indices` holds the index 13, the stages are 1 to 12",
        ),
    ] {
        assert_refused(network(family, field, value), ErrorKind::BadData, message);
    }
}

/// A network with that in the field of ours.
fn variant(variant: &str, family: &str, out_indices: &Value) -> Result<HfConfig, ConfigError> {
    let config = json!({
        "model_type": "upernet",
        "variant": variant,
        "backbone_config": {"model_type": family, "out_indices": out_indices},
    });
    HfConfig::from_json(config.to_string().as_bytes())
}

#[test]
fn a_neck_is_asked_for_and_written() {
    let plain = [
        ("dinov2", 768),
        ("dinov2_with_registers", 768),
        ("dinov3_vit", 384),
        ("vit", 768),
        ("vit_mae", 768),
    ];
    for (family, channels) in plain {
        for (name, neck) in [
            ("feature_pyramid", Some(HfNeck::FeaturePyramid)),
            ("multi_level_neck", Some(HfNeck::MultiLevel { channels })),
            ("single_scale", None),
        ] {
            let config = variant(name, family, &json!([3, 6, 9, 12])).expect("it is built");
            assert_eq!(config.backbone.neck(), neck, "{family}");
            assert_eq!(config.backbone.model_type(), family);
            let text = config.to_json();
            // Of others, maps of one size are Hugging Face's own network.
            let is_hubs = neck.is_none() && family.starts_with("dino");
            let field = format!("\"variant\": \"{name}\"");
            assert_eq!(text.contains(&field), !is_hubs, "{text}");
            assert_eq!(HfConfig::from_json(text.as_bytes()), Ok(config.clone()));
            let alone = config.backbone.to_json();
            let again = HfBackboneConfig::from_json(alone.as_bytes());
            assert_eq!(again, Ok(config.backbone), "{family}");
        }
    }
    for family in SUPPORTED_BACKBONES {
        if plain.iter().all(|(plain, _)| *plain != family) {
            let refused = variant("multi_level_neck", family, &json!(null));
            let refused = refused.expect_err("it has no place for one");
            let message = format!(
                "fields `variant` and `backbone_config.model_type` disagree: our necks are for dinov2, \
                 dinov2_with_registers, dinov3_vit, vit and vit_mae, not for {family}"
            );
            assert_eq!(refused.to_string(), message);
        }
    }
    let without = network("dinov2", "hidden_act", json!("gelu")).expect("it is the default");
    assert_eq!(without.backbone.neck(), None);
    assert!(!without.to_json().contains("variant"), "the field is ours");
}

#[test]
fn a_multi_level_neck_may_change_the_channels() {
    let config = |channels: Value, auxiliary: usize| {
        let config = json!({
            "model_type": "upernet",
            "variant": "multi_level_neck",
            "neck_channels": channels,
            "auxiliary_in_channels": auxiliary,
            "backbone_config": {"model_type": "vit", "out_indices": [3, 6, 9, 12]},
        });
        HfConfig::from_json(config.to_string().as_bytes())
    };
    let narrow = config(json!(256), 256).expect("it is built");
    assert_eq!(narrow.backbone.out_channels(), [256; 4]);
    assert_eq!(narrow.auxiliary_input_channels(), Some(256));
    assert!(narrow.to_json().contains("\"neck_channels\": 256"));
    assert_refused(
        config(json!(256), 768),
        ErrorKind::BadData,
        "fields `auxiliary_in_channels` and `backbone_config` disagree: \
         the first says 768, the third feature map has 256 channels",
    );
    assert_refused(
        config(json!(0), 256),
        ErrorKind::BadData,
        "field `neck_channels` is 0, allowed is 1 to 65536",
    );
}

#[test]
fn the_final_norm_of_a_vit_is_for_all_maps_for_the_last_or_for_none() {
    let network = |norm: Value| {
        let config = json!({
            "model_type": "upernet",
            "variant": "single_scale",
            "backbone_config": {"model_type": "vit", "out_indices": [3, 12], "apply_layernorm": norm},
            "use_auxiliary_head": false,
        });
        HfConfig::from_json(config.to_string().as_bytes())
    };
    for (value, expected) in [
        (json!(true), HfVitOutputNorm::Every),
        (json!(null), HfVitOutputNorm::Every),
        (json!("last"), HfVitOutputNorm::Last),
        (json!(false), HfVitOutputNorm::Never),
    ] {
        let config = network(value).expect("it is built");
        let HfBackboneConfig::Vit(vit) = &config.backbone else {
            panic!("a ViT was asked for");
        };
        assert_eq!(vit.apply_layernorm, expected);
        let again = HfConfig::from_json(config.to_json().as_bytes());
        assert_eq!(again, Ok(config));
    }
    assert_refused(
        network(json!("first")),
        ErrorKind::Unsupported,
        "field `backbone_config.apply_layernorm` asks for \"first\", which is not supported; \
         supported are true, false and \"last\"",
    );
    assert_refused(
        network(json!(1)),
        ErrorKind::BadData,
        "field `backbone_config.apply_layernorm` must be true or false, found 1",
    );
}

#[test]
fn what_a_neck_needs_is_said() {
    let few = "field `backbone_config.out_features` names 1 of the layers, a neck is made \
               for 4, such as [\"stage3\", \"stage6\", \"stage9\", \"stage12\"]";
    let pyramid = variant("feature_pyramid", "dinov2", &json!(null));
    assert_refused(pyramid, ErrorKind::BadData, few);
    let many = few.replace("names 1", "names 5");
    let neck = variant("multi_level_neck", "vit_mae", &json!([1, 2, 3, 4, 5]));
    assert_refused(neck, ErrorKind::BadData, &many);
    let flat = variant("single_scale", "vit", &json!([2, 3, 4, 5, 6]));
    assert_eq!(flat.map(|flat| flat.backbone.out_channels().len()), Ok(5));
    assert_refused(
        network("vit", "hidden_act", json!("gelu")),
        ErrorKind::BadData,
        "field `variant` is missing; Hugging Face has no backbone of a ViT; write \"feature_pyramid\" or \
         \"multi_level_neck\" for one under a neck of ours, or \"single_scale\"",
    );
    let config = json!({
        "model_type": "upernet",
        "variant": "pyramids",
        "backbone_config": {"model_type": "dinov2"},
    });
    assert_refused(
        HfConfig::from_json(config.to_string().as_bytes()),
        ErrorKind::Unsupported,
        "field `variant` asks for \"pyramids\", which is not supported; \
         supported are feature_pyramid, multi_level_neck, single_scale, deep_stem; \
         without the field it is Hugging Face's network",
    );
}

/// The `config.json` of `facebook/vit-mae-base` and of `google/vit-base-patch16-224`, in short.
#[test]
fn a_vit_on_its_own_is_a_start() {
    let alone = |family: &str| {
        let text = json!({"model_type": family, "norm_pix_loss": false, "mask_ratio": 0.75});
        HfBackboneConfig::from_json(text.to_string().as_bytes())
    };
    let vit = HfBackboneConfig::Vit(HfVitConfig::default());
    assert_eq!(alone("vit"), Ok(vit.clone()));
    let encoder = HfVitConfig {
        pretraining: HfVitPretraining::MaskedAutoencoder,
        ..HfVitConfig::default()
    };
    assert_eq!(alone("vit_mae"), Ok(HfBackboneConfig::Vit(encoder)));
    assert_eq!(vit.with_all_stages().out_stages(), [3, 6, 9, 12]);
    let HfBackboneConfig::Vit(golden) = golden("vit-pyramid") else {
        panic!("vit-pyramid holds a ViT");
    };
    assert_eq!(
        (golden.out_stages, golden.hidden_size),
        (vec![1, 2, 3, 4], 8)
    );
}
