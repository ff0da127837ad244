//! Configurations at random: valid ones survive a round trip, any other is refused without a panic.

mod transformers;

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};
use upernet_hf::{
    config::{
        HfBackboneConfig, HfConfig, HfConvNextConfig, HfConvNextV2Config, HfDinov3ConvNextConfig,
        HfResNetActivation, HfResNetConfig, HfResNetLayerType, HfSwinConfig, HfSwinV2Config,
    },
    processor::HfProcessorConfig,
};

use transformers::{beit, dinov2, dinov3_vit, pvt_v2, vit};

/// Every key that a reader looks at, so that random objects hit them.
const KEYS: [&str; 81] = [
    "model_type",
    "backbone_config",
    "backbone",
    "use_timm_backbone",
    "use_pretrained_backbone",
    "backbone_kwargs",
    "hidden_size",
    "pool_scales",
    "use_auxiliary_head",
    "auxiliary_loss_weight",
    "auxiliary_in_channels",
    "auxiliary_channels",
    "auxiliary_num_convs",
    "auxiliary_concat_input",
    "loss_ignore_index",
    "initializer_range",
    "id2label",
    "num_labels",
    "image_size",
    "patch_size",
    "num_channels",
    "embed_dim",
    "depths",
    "num_heads",
    "window_size",
    "pretrained_window_sizes",
    "mlp_ratio",
    "qkv_bias",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "drop_path_rate",
    "use_absolute_embeddings",
    "layer_norm_eps",
    "layer_scale_init_value",
    "hidden_sizes",
    "num_stages",
    "embedding_size",
    "layer_type",
    "downsample_in_first_stage",
    "downsample_in_bottleneck",
    "variant",
    "neck_channels",
    "pad_to_patches",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "use_absolute_position_embeddings",
    "use_relative_position_bias",
    "use_shared_relative_position_bias",
    "add_fpn",
    "reshape_hidden_states",
    "use_swiglu_ffn",
    "use_mask_token",
    "use_gated_mlp",
    "layerscale_value",
    "num_register_tokens",
    "apply_layernorm",
    "rope_theta",
    "pos_embed_shift",
    "pos_embed_jitter",
    "pos_embed_rescale",
    "attention_dropout",
    "key_bias",
    "mlp_bias",
    "num_encoder_blocks",
    "patch_sizes",
    "strides",
    "sr_ratios",
    "mlp_ratios",
    "linear_attention",
    "out_features",
    "out_indices",
    "size",
    "height",
    "width",
    "resample",
    "image_mean",
    "image_std",
    "reduce_labels",
    "0",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..70_000).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec![
            "upernet",
            "swin",
            "convnext",
            "convnextv2",
            "dinov3_convnext",
            "resnet",
            "beit",
            "dinov2",
            "dinov2_with_registers",
            "dinov3_vit",
            "vit",
            "vit_mae",
            "feature_pyramid",
            "multi_level_neck",
            "single_scale",
            "last",
            "silu",
            "pvt_v2",
            "gelu",
            "relu",
            "basic",
            "stem",
            "stage1",
            "stage4",
            "é\n"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((select(KEYS.to_vec()), inner), 0..6).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(key, value)| (key.into(), value))
                        .collect(),
                )
            }),
        ]
    })
}

/// A valid configuration's text with some fields of either level replaced by anything.
fn mutated() -> impl Strategy<Value = Value> {
    let edits = vec((any::<bool>(), select(KEYS.to_vec()), any_json()), 1..4);
    (config(), edits).prop_map(|(config, edits)| {
        let mut value: Value = serde_json::from_str(&config.to_json()).expect("it was written");
        for (inside, key, replacement) in edits {
            match (inside, &mut value["backbone_config"]) {
                (true, Value::Object(backbone)) => backbone.insert(key.into(), replacement),
                _ => value
                    .as_object_mut()
                    .and_then(|map| map.insert(key.into(), replacement)),
            };
        }
        value
    })
}

fn backbone() -> impl Strategy<Value = HfBackboneConfig> {
    prop_oneof![
        swin().prop_map(HfBackboneConfig::Swin),
        swinv2().prop_map(HfBackboneConfig::SwinV2),
        convnext().prop_map(HfBackboneConfig::ConvNext),
        convnext().prop_map(|convnext| HfBackboneConfig::ConvNextV2(second_version(convnext))),
        (convnext(), 0.0..1.0_f64).prop_map(|(convnext, epsilon)| {
            HfBackboneConfig::Dinov3ConvNext(dinov3(convnext, epsilon))
        }),
        resnet().prop_map(HfBackboneConfig::ResNet),
        beit().prop_map(HfBackboneConfig::Beit),
        dinov2().prop_map(HfBackboneConfig::Dinov2),
        dinov3_vit().prop_map(HfBackboneConfig::Dinov3Vit),
        pvt_v2().prop_map(HfBackboneConfig::PvtV2),
        vit().prop_map(HfBackboneConfig::Vit),
    ]
}

fn out_stages(stages: usize) -> impl Strategy<Value = Vec<usize>> {
    proptest::sample::subsequence((1..=stages).collect::<Vec<_>>(), 1..=stages)
}

fn swin() -> impl Strategy<Value = HfSwinConfig> {
    let stages = vec((1_usize..9, 0_u32..4), 1..6);
    let rates = [0.0..0.999_f64, 0.0..0.999, 0.0..0.999];
    let sizes = (1_usize..1000, 1_usize..32, 1_usize..9, 1_usize..65);
    let rest = (any::<[bool; 2]>(), 0.1..8.0_f64, 0.0..1.0_f64, 0.0..1.0_f64);
    (stages, 1_usize..5, rates, sizes, rest).prop_flat_map(|(stages, width, rates, sizes, rest)| {
        let (depths, heads): (Vec<_>, Vec<u32>) = stages.into_iter().unzip();
        let config = HfSwinConfig {
            image_size: sizes.0,
            patch_size: sizes.1,
            num_channels: sizes.2,
            embed_dim: 16 * width,
            num_heads: heads.into_iter().map(|power| 1 << power).collect(),
            window_size: sizes.3,
            mlp_ratio: rest.1,
            qkv_bias: rest.0[0],
            hidden_dropout_prob: rates[0],
            attention_probs_dropout_prob: rates[1],
            drop_path_rate: rates[2],
            use_absolute_embeddings: rest.0[1],
            layer_norm_eps: rest.2,
            initializer_range: rest.3,
            out_stages: Vec::new(),
            depths,
        };
        out_stages(config.depths.len()).prop_map(move |out_stages| HfSwinConfig {
            out_stages,
            ..config.clone()
        })
    })
}

/// Swin V2's, made from Swin's: images of at least a patch in the last stage.
fn swinv2() -> impl Strategy<Value = HfSwinV2Config> {
    let windows = prop_oneof![Just(0_usize), 2..99_usize];
    (swin(), vec(windows, 5), 1_usize..9).prop_map(|(swin, mut windows, cells)| {
        let stages = swin.depths.len();
        windows.truncate(stages);
        HfSwinV2Config {
            image_size: swin.patch_size * (cells << (stages - 1)),
            patch_size: swin.patch_size,
            num_channels: swin.num_channels,
            embed_dim: swin.embed_dim,
            depths: swin.depths,
            num_heads: swin.num_heads,
            window_size: swin.window_size.min(24),
            pretrained_window_sizes: windows,
            mlp_ratio: swin.mlp_ratio,
            qkv_bias: swin.qkv_bias,
            hidden_dropout_prob: swin.hidden_dropout_prob,
            attention_probs_dropout_prob: swin.attention_probs_dropout_prob,
            drop_path_rate: swin.drop_path_rate,
            layer_norm_eps: swin.layer_norm_eps,
            initializer_range: swin.initializer_range,
            out_stages: swin.out_stages,
        }
    })
}

fn convnext() -> impl Strategy<Value = HfConvNextConfig> {
    let stages = vec((1_usize..9, 1_usize..99), 1..6);
    let numbers = (
        1_usize..9,
        1_usize..32,
        0.0..0.999_f64,
        -1.0..1.0_f64,
        0.0..1.0_f64,
    );
    (stages, numbers).prop_flat_map(|(stages, numbers)| {
        let (depths, hidden_sizes): (Vec<_>, Vec<_>) = stages.into_iter().unzip();
        let config = HfConvNextConfig {
            num_channels: numbers.0,
            patch_size: numbers.1,
            hidden_sizes,
            drop_path_rate: numbers.2,
            layer_scale_init_value: numbers.3,
            initializer_range: numbers.4,
            out_stages: Vec::new(),
            depths,
        };
        out_stages(config.depths.len()).prop_map(move |out_stages| HfConvNextConfig {
            out_stages,
            ..config.clone()
        })
    })
}

fn second_version(convnext: HfConvNextConfig) -> HfConvNextV2Config {
    HfConvNextV2Config {
        num_channels: convnext.num_channels,
        patch_size: convnext.patch_size,
        hidden_sizes: convnext.hidden_sizes,
        depths: convnext.depths,
        drop_path_rate: convnext.drop_path_rate,
        initializer_range: convnext.initializer_range,
        out_stages: convnext.out_stages,
    }
}

fn dinov3(convnext: HfConvNextConfig, layer_norm_eps: f64) -> HfDinov3ConvNextConfig {
    HfDinov3ConvNextConfig {
        num_channels: convnext.num_channels,
        hidden_sizes: convnext.hidden_sizes,
        depths: convnext.depths,
        drop_path_rate: convnext.drop_path_rate,
        layer_norm_eps,
        layer_scale_init_value: convnext.layer_scale_init_value,
        initializer_range: convnext.initializer_range,
        out_stages: convnext.out_stages,
    }
}

fn resnet() -> impl Strategy<Value = HfResNetConfig> {
    let stages = vec((1_usize..9, 4_usize..99), 1..6);
    (stages, 1_usize..9, 1_usize..99, any::<[bool; 5]>()).prop_flat_map(
        |(stages, num_channels, embedding_size, choices)| {
            let (depths, hidden_sizes): (Vec<_>, Vec<_>) = stages.into_iter().unzip();
            let [basic, gelu, deep_stem, in_first_stage, in_bottleneck] = choices;
            let layer_types = [HfResNetLayerType::Bottleneck, HfResNetLayerType::Basic];
            let activations = [HfResNetActivation::Relu, HfResNetActivation::Gelu];
            let config = HfResNetConfig {
                num_channels,
                embedding_size,
                deep_stem,
                hidden_sizes,
                layer_type: layer_types[usize::from(basic)],
                hidden_act: activations[usize::from(gelu)],
                downsample_in_first_stage: in_first_stage,
                downsample_in_bottleneck: in_bottleneck,
                out_stages: Vec::new(),
                depths,
            };
            out_stages(config.depths.len()).prop_map(move |out_stages| HfResNetConfig {
                out_stages,
                ..config.clone()
            })
        },
    )
}

fn config() -> impl Strategy<Value = HfConfig> {
    let numbers = (
        1_usize..999,
        vec(1_usize..20, 1..6),
        0.0..9.0_f64,
        any::<i64>(),
        0.0..1.0_f64,
    );
    let auxiliary = (
        any::<bool>(),
        any::<bool>(),
        1_usize..99,
        1_usize..5,
        any::<bool>(),
    );
    let labels = vec("\\PC{0,9}", 1..20);
    (backbone(), numbers, auxiliary, labels).prop_map(|(backbone, numbers, auxiliary, id2label)| {
        let third = backbone.out_channels().get(2).copied();
        HfConfig {
            hidden_size: numbers.0,
            pool_scales: numbers.1,
            use_auxiliary_head: auxiliary.0 && third.is_some(),
            auxiliary_loss_weight: numbers.2,
            auxiliary_in_channels: third.filter(|_| auxiliary.1),
            auxiliary_channels: auxiliary.2,
            auxiliary_num_convs: auxiliary.3,
            auxiliary_concat_input: auxiliary.4,
            loss_ignore_index: numbers.3,
            initializer_range: numbers.4,
            id2label,
            backbone,
        }
    })
}

proptest! {
    #[test]
    fn a_valid_configuration_survives_a_round_trip(config in config()) {
        let read = HfConfig::from_json(config.to_json().as_bytes());
        prop_assert_eq!(read, Ok(config));
    }

    #[test]
    fn a_mutated_configuration_is_read_exactly_or_refused_in_one_line(value in mutated()) {
        match HfConfig::from_json(value.to_string().as_bytes()) {
            Ok(config) => {
                let again = HfConfig::from_json(config.to_json().as_bytes());
                prop_assert_eq!(again, Ok(config));
            }
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{}", error),
        }
    }

    #[test]
    fn anything_else_never_panics(value in any_json(), bytes in vec(any::<u8>(), 0..200)) {
        let mut map = Map::new();
        map.insert("model_type".into(), json!("upernet"));
        map.insert("backbone_config".into(), value.clone());
        for text in [Value::Object(map).to_string().into_bytes(), value.to_string().into_bytes(), bytes] {
            let network = HfConfig::from_json(&text);
            prop_assert!(network.is_err() || !text.is_empty(), "a network from nothing");
            if let Ok(processor) = HfProcessorConfig::from_json(&text) {
                let again = HfProcessorConfig::from_json(processor.to_json().as_bytes());
                prop_assert_eq!(again, Ok(processor));
            }
        }
    }
}
