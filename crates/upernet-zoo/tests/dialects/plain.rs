//! Plain transformers under the names of timm and of Meta.

use burn::tensor::Device;
use upernet_zoo::{
    ConfigOrigin, ConvertOptions, Converted, Dialect, convert,
    hf::{
        BackboneFolder, Overwrite,
        config::{
            HfBackboneConfig, HfConfig, HfDinov2Config, HfDinov3VitConfig, HfGateActivation,
            HfVitConfig,
        },
    },
};

use crate::{
    fixture,
    fixtures::assert_stages,
    inverse::{hub_state, read, write},
    writers::{self, State, as_swin, dinov3_as_swin, heads, written},
};

/// Of `scripts/make_dialect_fixtures.py`; no published model is so narrow, so nothing tells its heads.
fn narrow_vit() -> HfVitConfig {
    HfVitConfig {
        image_size: 64,
        patch_size: 8,
        hidden_size: 8,
        intermediate_size: 12,
        num_hidden_layers: 4,
        num_attention_heads: 2,
        layer_norm_eps: 1e-6,
        ..HfVitConfig::default()
    }
}

fn narrow_dinov2(num_register_tokens: Option<usize>, use_swiglu_ffn: bool) -> HfDinov2Config {
    HfDinov2Config {
        image_size: 64,
        patch_size: 8,
        hidden_size: 8,
        num_hidden_layers: 4,
        num_attention_heads: 2,
        // A gated one of 16 channels.
        mlp_ratio: if use_swiglu_ffn { 3.0 } else { 1.5 },
        use_swiglu_ffn,
        use_mask_token: false,
        num_register_tokens,
        ..HfDinov2Config::default()
    }
}

fn narrow_dinov3() -> HfDinov3VitConfig {
    HfDinov3VitConfig {
        image_size: 64,
        patch_size: 8,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 4,
        num_attention_heads: 2,
        num_register_tokens: 4,
        query_bias: false,
        value_bias: false,
        ..HfDinov3VitConfig::default()
    }
}

#[test]
fn plain_transformers_of_timm_give_the_maps_that_it_computes() {
    let gated = HfDinov3VitConfig {
        use_gated_mlp: true,
        hidden_act: HfGateActivation::Silu,
        query_bias: true,
        value_bias: true,
        ..narrow_dinov3()
    };
    // timm keeps no token of hidden patches, which these networks have in any case.
    let token = &["backbone.embeddings.mask_token"][..];
    for (name, backbone, without_token) in [
        ("timm-vit", HfBackboneConfig::Vit(narrow_vit()), &[][..]),
        (
            "timm-dinov2",
            HfBackboneConfig::Dinov2(narrow_dinov2(None, false)),
            &[][..],
        ),
        (
            "timm-dinov2-reg",
            HfBackboneConfig::Dinov2(narrow_dinov2(Some(4), false)),
            token,
        ),
        (
            "timm-dinov2-gated",
            HfBackboneConfig::Dinov2(narrow_dinov2(None, true)),
            &[][..],
        ),
        (
            "timm-dinov3",
            HfBackboneConfig::Dinov3Vit(narrow_dinov3()),
            token,
        ),
        (
            "timm-dinov3-gated",
            HfBackboneConfig::Dinov3Vit(gated),
            token,
        ),
    ] {
        let place = tempfile::tempdir().expect("a temporary folder");
        let device = Device::flex();
        let source = fixture(&format!("{name}.safetensors"));
        let made = place.path().join("made");
        let mut options = ConvertOptions::default();
        let without = convert(&source, &made, &options, &device).expect_err("no heads");
        let without = without.to_string();
        assert!(
            without.contains("no tensor says how many heads"),
            "{without}"
        );

        let config = place.path().join("config.json");
        backbone
            .with_all_stages()
            .write(&config, Overwrite::Refuse)
            .expect("writable");
        options.config = Some(config);
        let done = convert(&source, &made, &options, &device).expect("it is known");
        assert_eq!(
            (done.made, done.keys.dialect),
            (Converted::Backbone, Dialect::Timm),
            "{name}"
        );
        assert_eq!(done.keys.dropped.len(), 2, "{:?}", done.keys.dropped);
        let absent: Vec<&str> = done
            .absent
            .iter()
            .map(|absent| absent.key.as_str())
            .collect();
        assert_eq!(absent, without_token, "{name}");

        let opened = BackboneFolder::open(&made).expect("it was written whole");
        assert_eq!(opened.config.out_stages(), [1, 2, 3, 4]);
        // Of a ViT our neck, which is drawn, keeps the third map as it is.
        let stages: &[usize] = if name == "timm-vit" {
            &[3]
        } else {
            &[1, 2, 3, 4]
        };
        assert_stages(name, &opened, stages, &device);

        // And as it is, with the configuration at hand.
        let copy = made.join("model.safetensors");
        std::fs::remove_file(&copy).expect("it was written");
        std::fs::copy(&source, &copy).expect("writable");
        let direct = BackboneFolder::open(&made).expect("readable");
        assert_stages(name, &direct, stages, &device);
    }
}

/// A network of which a backbone's tensors tell everything: as wide as a published one.
fn around(backbone: HfBackboneConfig) -> HfConfig {
    HfConfig {
        hidden_size: 12,
        auxiliary_channels: 6,
        ..HfConfig::new(backbone.with_all_stages())
    }
}

fn dinov2(num_register_tokens: Option<usize>, use_swiglu_ffn: bool) -> HfConfig {
    around(HfBackboneConfig::Dinov2(HfDinov2Config {
        hidden_size: 384,
        num_attention_heads: 6,
        use_mask_token: true,
        ..narrow_dinov2(num_register_tokens, use_swiglu_ffn)
    }))
}

fn dinov3(use_gated_mlp: bool) -> HfConfig {
    around(HfBackboneConfig::Dinov3Vit(HfDinov3VitConfig {
        image_size: 224,
        hidden_size: 192,
        num_attention_heads: 3,
        use_gated_mlp,
        hidden_act: if use_gated_mlp {
            HfGateActivation::Silu
        } else {
            HfGateActivation::Gelu
        },
        query_bias: true,
        value_bias: true,
        ..narrow_dinov3()
    }))
}

fn vit() -> HfConfig {
    around(HfBackboneConfig::Vit(HfVitConfig {
        hidden_size: 192,
        num_attention_heads: 3,
        ..narrow_vit()
    }))
}

/// A network, and what its authors write of it.
struct Case {
    config: HfConfig,
    state: fn(&State, &str) -> State,
    dialect: Dialect,
    /// What pretraining alone has.
    leftovers: &'static [&'static str],
    /// Tensors that are left out, those included.
    dropped: usize,
}

fn cases() -> [Case; 6] {
    let dinov2 = |registers, gated| Case {
        config: dinov2(registers, gated),
        state: |hub, prefix| {
            written(&as_swin(hub), prefix, |key| {
                Some(writers::metas_dinov2(key))
            })
        },
        dialect: Dialect::Meta,
        leftovers: &[],
        dropped: 0,
    };
    let dinov3 = |gated, state| Case {
        config: dinov3(gated),
        state,
        dialect: Dialect::Meta,
        leftovers: &["rope_embed.periods", "local_cls_norm.weight"],
        // And the mask of every layer's biases.
        dropped: 2 + 4,
    };
    let plain = |hub: &State, prefix: &str| {
        written(&dinov3_as_swin(hub), prefix, |key| {
            Some(writers::metas_dinov3(key))
        })
    };
    let gated = |hub: &State, prefix: &str| {
        written(&dinov3_as_swin(hub), prefix, |key| {
            Some(writers::metas_gated_dinov3(key))
        })
    };
    [
        dinov2(None, false),
        dinov2(Some(3), false),
        dinov2(Some(3), true),
        dinov3(false, plain),
        dinov3(true, gated),
        Case {
            config: vit(),
            state: |hub, prefix| written(&as_swin(hub), prefix, writers::vit),
            dialect: Dialect::Timm,
            leftovers: &["decoder_blocks.0.norm1.weight", "mask_token", "head.bias"],
            dropped: 3,
        },
    ]
}

#[test]
fn backbones_alone_come_back_from_the_names_of_their_authors() {
    for case in cases() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let hub = hub_state(&case.config, &place.path().join("hub"));
        let mut state = (case.state)(&hub, "");
        for key in case.leftovers {
            state.insert((*key).to_owned(), (vec![1], vec![0.5]));
        }
        let source = place.path().join("official.safetensors");
        write(&source, &state);
        let made = place.path().join("made");
        let options = ConvertOptions::default();
        let done = convert(&source, &made, &options, &Device::flex()).expect("it is known");
        assert_eq!(
            (done.made, done.keys.dialect, &done.config_origin),
            (Converted::Backbone, case.dialect, &ConfigOrigin::Tensors)
        );
        assert_eq!(
            done.config.backbone, case.config.backbone,
            "the tensors tell what the backbone is made of"
        );
        assert_eq!(
            done.keys.dropped.len(),
            case.dropped,
            "{:?}",
            done.keys.dropped
        );
        assert!(done.absent.is_empty(), "{:?}", done.absent);
        let backbone = hub.into_iter().filter_map(|(key, tensor)| {
            let key = key.strip_prefix("backbone.")?;
            (!key.starts_with("neck.")).then(|| (key.to_owned(), tensor))
        });
        assert!(
            read(&made) == backbone.collect::<State>(),
            "{}",
            done.config.backbone.title()
        );
    }
}

/// On bare transformers, whose maps all have one size: Hugging Face's networks.
#[test]
fn whole_networks_come_back_from_metas_names() {
    for case in cases()
        .into_iter()
        .filter(|case| case.dialect == Dialect::Meta)
    {
        let place = tempfile::tempdir().expect("a temporary folder");
        let hub = hub_state(&case.config, &place.path().join("hub"));
        let mut state = (case.state)(&hub, "module.backbone.");
        state.extend(heads(&hub, "module."));
        let source = place.path().join("trained.safetensors");
        write(&source, &state);
        let made = place.path().join("made");
        let options = ConvertOptions::default();
        let done = convert(&source, &made, &options, &Device::flex()).expect("it is known");
        assert_eq!(
            (done.made, &done.config),
            (Converted::UperNet, &case.config)
        );
        assert!(read(&made) == hub, "{}", done.config.backbone.title());
    }
}

/// As `state_dict()` has them: layers of projections, and a gate apart from what it multiplies.
#[test]
fn a_gated_dinov2_in_memory_of_transformers_5_comes_back() {
    let config = dinov2(Some(3), true);
    let place = tempfile::tempdir().expect("a temporary folder");
    let (source, made) = (place.path().join("memory"), place.path().join("made"));
    let hub = hub_state(&config, &source);
    let mut memory = State::new();
    for (key, (mut shape, mut values)) in hub.clone() {
        let name = key
            .replace(".attention.attention.query.", ".attention.q_proj.")
            .replace(".attention.attention.key.", ".attention.k_proj.")
            .replace(".attention.attention.value.", ".attention.v_proj.")
            .replace(".attention.output.dense.", ".attention.o_proj.")
            .replace(".mlp.weights_out.", ".mlp.down_proj.");
        if name.contains(".mlp.weights_in.") {
            shape[0] /= 2;
            let second = values.split_off(values.len() / 2);
            let up = name.replace(".weights_in.", ".up_proj.");
            memory.insert(up, (shape.clone(), second));
        }
        let name = name.replace(".mlp.weights_in.", ".mlp.gate_proj.");
        memory.insert(name, (shape, values));
    }
    let weights = source.join("model.safetensors");
    std::fs::remove_file(&weights).expect("it was saved");
    write(&weights, &memory);
    let options = ConvertOptions::default();
    let done = convert(&source, &made, &options, &Device::flex()).expect("Hugging Face's own");
    assert_eq!(done.keys.dialect, Dialect::V5Memory);
    assert!(read(&made) == hub);

    // Halves of different widths are no layer, not even if one has the shape of the whole, and a gate
    // alone is none.
    let layer = |part: &str| format!("backbone.encoder.layer.1.mlp.{part}.weight");
    let (gate, up) = (layer("gate_proj"), layer("up_proj"));
    let whole = hub[&layer("weights_in")].clone();
    for (index, other) in [Some(vec![5, 7]), None].into_iter().enumerate() {
        let mut torn = memory.clone();
        torn.insert(gate.clone(), whole.clone());
        torn.remove(&up);
        if let Some(shape) = other {
            torn.insert(up.clone(), (shape, vec![0.5; 35]));
        }
        let path = place.path().join(format!("torn-{index}"));
        std::fs::create_dir(&path).expect("a new folder");
        std::fs::copy(source.join("config.json"), path.join("config.json")).expect("writable");
        write(&path.join("model.safetensors"), &torn);
        let other = place.path().join("other");
        let error = convert(&path, &other, &options, &Device::flex()).expect_err("torn");
        let message = error.to_string();
        assert!(message.contains("encoder.layer.1.mlp."), "{message}");
        assert!(!other.exists(), "something was written");
    }
}
