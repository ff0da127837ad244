//! Transformers at random, but for those that attend inside windows.

use proptest::{collection::vec, prelude::*};
use upernet_hf::config::{
    HfBeitConfig, HfDinov2Config, HfDinov3VitConfig, HfGateActivation, HfNeck, HfPvtV2Config,
    HfVitConfig, HfVitOutputNorm, HfVitPretraining,
};

use crate::out_stages;

pub(crate) fn beit() -> impl Strategy<Value = HfBeitConfig> {
    let sizes = (1_usize..40, 1_usize..32, 1_usize..9, 1_usize..99);
    let layers = (1_usize..20, 1_usize..9, 1_usize..9);
    let rates = [0.0..0.999_f64, 0.0..0.999, 0.0..0.999];
    let rest = (
        0.0..1.0_f64,
        -1.0..1.0_f64,
        0.0..1.0_f64,
        any::<[bool; 4]>(),
    );
    (sizes, layers, rates, rest).prop_flat_map(|(sizes, layers, rates, rest)| {
        let choices = rest.3;
        let config = HfBeitConfig {
            image_size: sizes.1 * sizes.0,
            patch_size: sizes.1,
            num_channels: sizes.2,
            hidden_size: layers.1 * layers.2,
            num_hidden_layers: layers.0,
            num_attention_heads: layers.1,
            intermediate_size: sizes.3,
            hidden_dropout_prob: rates[0],
            attention_probs_dropout_prob: rates[1],
            drop_path_rate: rates[2],
            layer_norm_eps: rest.0,
            layer_scale_init_value: rest.1,
            initializer_range: rest.2,
            use_absolute_position_embeddings: choices[0],
            use_relative_position_bias: choices[1],
            use_shared_relative_position_bias: choices[2],
            add_fpn: false,
            out_stages: Vec::new(),
        };
        out_stages(config.num_hidden_layers).prop_map(move |out_stages| HfBeitConfig {
            add_fpn: choices[3] && out_stages.len() == 4,
            out_stages,
            ..config.clone()
        })
    })
}

/// Layers, heads, channels of a head in fours, side of a patch, and which layers are returned.
fn plain() -> impl Strategy<Value = (usize, usize, usize, usize, Vec<usize>)> {
    let sizes = (1_usize..14, 1_usize..5, 1_usize..9, 1_usize..17);
    sizes.prop_flat_map(|(layers, heads, fours, patch)| {
        out_stages(layers).prop_map(move |stages| (layers, heads, 4 * fours, patch, stages))
    })
}

pub(crate) fn dinov2() -> impl Strategy<Value = HfDinov2Config> {
    let registers = proptest::option::of(0_usize..9);
    let ratio = prop_oneof![(1_u8..9).prop_map(f64::from), 1.0..9.0_f64];
    let rest = (0.0..1.0_f64, neck());
    (plain(), registers, ratio, any::<[bool; 4]>(), rest).prop_map(
        |(
            (layers, heads, head, patch, out_stages),
            registers,
            mlp_ratio,
            choices,
            (rate, neck),
        )| {
            let [gated, bias, norm, mask] = choices;
            HfDinov2Config {
                hidden_size: heads * head,
                num_hidden_layers: layers,
                num_attention_heads: heads,
                patch_size: patch,
                image_size: 5 * patch + 1,
                mlp_ratio,
                use_swiglu_ffn: gated,
                qkv_bias: bias,
                apply_layernorm: norm,
                // With registers there is one in any case.
                use_mask_token: mask || registers.is_some(),
                num_register_tokens: registers,
                drop_path_rate: rate.min(0.9),
                neck: neck.filter(|_| out_stages.len() == HfNeck::LEVELS),
                out_stages,
                ..HfDinov2Config::default()
            }
        },
    )
}

pub(crate) fn vit() -> impl Strategy<Value = HfVitConfig> {
    let norms = [
        HfVitOutputNorm::Every,
        HfVitOutputNorm::Last,
        HfVitOutputNorm::Never,
    ];
    let kinds = [
        HfVitPretraining::Classifier,
        HfVitPretraining::MaskedAutoencoder,
    ];
    let choices = (0..3_usize, 0..2_usize, any::<[bool; 2]>());
    (plain(), neck(), choices, 1_usize..99).prop_map(
        move |(
            (layers, heads, head, patch, out_stages),
            neck,
            (norm, kind, [bias, padded]),
            inner,
        )| {
            HfVitConfig {
                pretraining: kinds[kind],
                image_size: 5 * patch + 1,
                patch_size: patch,
                hidden_size: heads * head,
                intermediate_size: inner,
                num_hidden_layers: layers,
                num_attention_heads: heads,
                qkv_bias: bias,
                apply_layernorm: norms[norm],
                pad_to_patches: padded,
                neck: neck.filter(|_| out_stages.len() == HfNeck::LEVELS),
                out_stages,
                ..HfVitConfig::default()
            }
        },
    )
}

fn neck() -> impl Strategy<Value = Option<HfNeck>> {
    prop_oneof![
        Just(None),
        Just(Some(HfNeck::FeaturePyramid)),
        (1_usize..99).prop_map(|channels| Some(HfNeck::MultiLevel { channels })),
    ]
}

pub(crate) fn dinov3_vit() -> impl Strategy<Value = HfDinov3VitConfig> {
    let reach = || proptest::option::of(1.0..9.0_f64);
    let augmentation = (proptest::option::of(0.0..9.0_f64), reach(), reach());
    (
        plain(),
        augmentation,
        any::<[bool; 8]>(),
        1_usize..99,
        0_usize..9,
    )
        .prop_map(
            |(
                (layers, heads, head, patch, out_stages),
                augmentation,
                choices,
                inner,
                registers,
            )| {
                let [gated, silu, query, key, value, proj, mlp, norm] = choices;
                let activations = [HfGateActivation::Gelu, HfGateActivation::Silu];
                HfDinov3VitConfig {
                    hidden_size: heads * head,
                    intermediate_size: inner,
                    num_hidden_layers: layers,
                    num_attention_heads: heads,
                    patch_size: patch,
                    hidden_act: activations[usize::from(silu)],
                    use_gated_mlp: gated,
                    query_bias: query,
                    key_bias: key,
                    value_bias: value,
                    proj_bias: proj,
                    mlp_bias: mlp,
                    apply_layernorm: norm,
                    num_register_tokens: registers,
                    pos_embed_shift: augmentation.0,
                    pos_embed_jitter: augmentation.1,
                    pos_embed_rescale: augmentation.2,
                    out_stages,
                    ..HfDinov3VitConfig::default()
                }
            },
        )
}

pub(crate) fn pvt_v2() -> impl Strategy<Value = HfPvtV2Config> {
    let stages = vec(
        ([1_usize..9, 1..9, 1..9], [0_usize..4, 1..9, 1..9, 1..9]),
        1..6,
    );
    let numbers = (
        1_usize..9,
        [0.0..0.999_f64, 0.0..0.999, 0.0..0.999],
        [0.0..1.0_f64, 0.0..1.0],
    );
    (stages, numbers, any::<[bool; 2]>()).prop_flat_map(|(stages, numbers, choices)| {
        let each = |part: fn(&([usize; 3], [usize; 4])) -> usize| stages.iter().map(part).collect();
        let (num_channels, rates, [layer_norm_eps, initializer_range]) = numbers;
        let config = HfPvtV2Config {
            num_channels,
            hidden_sizes: each(|([_, heads, width], _)| heads * width),
            depths: each(|([depth, ..], _)| *depth),
            patch_sizes: each(|(_, [half, ..])| 2 * half + 1),
            strides: each(|(_, [_, stride, ..])| *stride),
            sr_ratios: each(|(_, [_, _, ratio, _])| *ratio),
            num_attention_heads: each(|([_, heads, _], _)| *heads),
            mlp_ratios: each(|(_, [.., ratio])| *ratio),
            qkv_bias: choices[0],
            linear_attention: choices[1],
            hidden_dropout_prob: rates[0],
            attention_probs_dropout_prob: rates[1],
            drop_path_rate: rates[2],
            layer_norm_eps,
            initializer_range,
            out_stages: Vec::new(),
        };
        out_stages(config.depths.len()).prop_map(move |out_stages| HfPvtV2Config {
            out_stages,
            ..config.clone()
        })
    })
}
