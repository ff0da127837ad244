//! Networks that are written under a library's names and read back: the same values in the same places.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use burn::tensor::Device;
use upernet_swin::log_spaced_offsets;
use upernet_zoo::{
    ConfigOrigin, ConvertOptions, Converted, Dialect, convert,
    hf::{
        Overwrite,
        config::{HfBackboneConfig, HfConfig, HfPvtV2Config},
        weights::{Checkpoint, Dtype, TensorInfo, write_safetensors},
    },
};

use crate::{
    support::{
        convnext, convnextv2, dinov3_convnext, pvt_v2, resnet, rewrite, saved, swin, swinv2,
    },
    writers::{self, State, heads, meta, microsoft, timm_swin, written},
};

/// The tensors of a saved network, counts left out.
pub(crate) fn hub_state(config: &HfConfig, folder: &Path) -> State {
    saved(config, folder);
    read(folder)
}

pub(crate) fn read(folder: &Path) -> State {
    let checkpoint = Checkpoint::open(folder).expect("saved weights");
    let floats = checkpoint
        .tensors()
        .filter(|(_, info)| info.dtype() == Dtype::F32);
    floats
        .map(|(name, info)| {
            let values = checkpoint.read_f32(name).expect("f32");
            (name.to_owned(), (info.shape().to_vec(), values))
        })
        .collect()
}

pub(crate) fn write(path: &Path, state: &State) {
    let infos: BTreeMap<String, TensorInfo> = state
        .iter()
        .map(|(name, (shape, _))| {
            let info = TensorInfo::new(Dtype::F32, shape.clone()).expect("small");
            (name.clone(), info)
        })
        .collect();
    write_safetensors(path, &infos, &BTreeMap::new(), Overwrite::Refuse, |name| {
        let bytes = state[name].1.iter().flat_map(|value| value.to_le_bytes());
        Ok(Cow::Owned(bytes.collect()))
    })
    .expect("writable");
}

#[test]
fn whole_networks_under_the_names_of_their_authors_come_back() {
    type Rename = fn(&str) -> Option<String>;
    let mut residual = resnet();
    residual.backbone = residual.backbone.with_all_stages();
    let cases: [(HfConfig, Rename, Dialect); 4] = [
        (swin(), |key| Some(microsoft(key)), Dialect::Microsoft),
        (convnext(), |key| Some(meta(key)), Dialect::Meta),
        (convnextv2(), |key| Some(meta(key)), Dialect::Meta),
        // mmsegmentation's, since torchvision has no segmentation network of this kind.
        (
            residual,
            |key| Some(writers::resnet(key)),
            Dialect::MmSegmentation,
        ),
    ];
    for (config, rename, dialect) in cases {
        for prefix in ["", "module."] {
            let place = tempfile::tempdir().expect("a temporary folder");
            let hub = hub_state(&config, &place.path().join("hub"));
            let mut state = written(&hub, &format!("{prefix}backbone."), rename);
            state.extend(heads(&hub, prefix));
            let source = place.path().join("official.safetensors");
            write(&source, &state);
            let made = place.path().join("made");
            let done = convert(&source, &made, &ConvertOptions::default(), &Device::flex())
                .expect("it is known");
            assert_eq!(
                (done.made, done.keys.dialect),
                (Converted::UperNet, dialect)
            );
            assert!(
                done.absent
                    .iter()
                    .all(|absent| absent.key.ends_with(".num_batches_tracked")),
                "{:?}",
                done.absent
            );
            assert_eq!(
                done.config, config,
                "the tensors tell what the network is made of"
            );
            assert!(read(&made) == hub, "{dialect:?} under {prefix:?}");
        }
    }
}

#[test]
fn backbones_alone_come_back_without_the_norms_of_their_maps() {
    type Rename = fn(&str) -> Option<String>;
    let without_norms: [Rename; 2] = [
        |key| Some(microsoft(key)).filter(|name| !name.starts_with("norm")),
        |key| Some(meta(key)).filter(|name| !name.starts_with("norm")),
    ];
    let mut residual = resnet();
    residual.backbone = residual.backbone.with_all_stages();
    let cases: [(HfConfig, Rename, Dialect, &str); 5] = [
        (swin(), timm_swin, Dialect::Timm, ""),
        (swin(), timm_swin, Dialect::Timm, "model."),
        (swin(), without_norms[0], Dialect::Microsoft, ""),
        (convnext(), without_norms[1], Dialect::Meta, ""),
        (
            residual,
            |key| Some(writers::resnet(key)),
            Dialect::Torchvision,
            "",
        ),
    ];
    for (config, rename, dialect, prefix) in cases {
        let place = tempfile::tempdir().expect("a temporary folder");
        let hub = hub_state(&config, &place.path().join("hub"));
        let mut state = written(&hub, prefix, rename);
        let has_norms = dialect != Dialect::Torchvision;
        let leftovers = if has_norms {
            ["norm.weight", "head.weight"]
        } else {
            ["fc.weight", "fc.bias"]
        };
        for leftover in leftovers {
            state.insert(format!("{prefix}{leftover}"), (vec![1], vec![0.5]));
        }
        let source = place.path().join("official.safetensors");
        write(&source, &state);
        let made = place.path().join("made");
        let done = convert(&source, &made, &ConvertOptions::default(), &Device::flex())
            .expect("it is known");
        assert_eq!(
            (done.made, done.keys.dialect),
            (Converted::Backbone, dialect)
        );
        assert_eq!(done.keys.dropped.len(), 2, "{:?}", done.keys.dropped);
        let found = read(&made);
        for (key, tensor) in &hub {
            if let Some(key) = key.strip_prefix("backbone.")
                && !key.starts_with("hidden_states_norms.")
            {
                assert!(found[key] == *tensor, "{key} of {dialect:?}");
            }
        }
        let norm = found.get("hidden_states_norms.stage2.weight");
        assert_eq!(norm.is_some(), has_norms);
        if let Some((shape, norm)) = norm {
            assert_eq!(*norm, vec![1.0; shape[0]], "as Hugging Face begins");
        }
        assert!(
            found.keys().all(|key| !key.starts_with("backbone.")),
            "no prefix"
        );
    }
}

/// Heads are taken to have the channels of the first stage, so this one has as many.
#[test]
fn a_pvt_v2_comes_back_from_timms_names_and_its_authors() {
    type Rename = fn(&str) -> Option<String>;
    let HfBackboneConfig::PvtV2(reduced) = pvt_v2().backbone.with_all_stages() else {
        panic!("it is a PVTv2");
    };
    let reduced = HfPvtV2Config {
        hidden_sizes: vec![4, 8, 12, 16],
        num_attention_heads: vec![1, 2, 3, 4],
        ..reduced
    };
    let linear = HfPvtV2Config {
        linear_attention: true,
        qkv_bias: false,
        sr_ratios: vec![1; 4],
        ..reduced.clone()
    };
    let timms: Rename = |key| Some(writers::timm_pvt_v2(key));
    let authors: Rename = writers::authors_pvt_v2;
    for (backbone, rename, dialect, prefix) in [
        (reduced.clone(), timms, Dialect::Timm, ""),
        (linear.clone(), timms, Dialect::Timm, "model."),
        (reduced, authors, Dialect::Pvt, ""),
        (linear, authors, Dialect::Pvt, "backbone."),
    ] {
        let config = HfConfig {
            backbone: HfBackboneConfig::PvtV2(backbone),
            ..pvt_v2()
        };
        let place = tempfile::tempdir().expect("a temporary folder");
        let hub = hub_state(&config, &place.path().join("hub"));
        let mut state = written(&hub, prefix, rename);
        state.insert(format!("{prefix}head.bias"), (vec![1], vec![0.5]));
        let source = place.path().join("theirs.safetensors");
        write(&source, &state);
        let made = place.path().join("made");
        let done = convert(&source, &made, &ConvertOptions::default(), &Device::flex())
            .expect("it is known");
        assert_eq!(
            (done.made, done.keys.dialect, done.config.backbone),
            (Converted::Backbone, dialect, config.backbone)
        );
        assert_eq!(done.keys.dropped.len(), 1, "{:?}", done.keys.dropped);
        assert!(done.absent.is_empty(), "{:?}", done.absent);
        let backbone = hub
            .into_iter()
            .filter_map(|(key, tensor)| Some((key.strip_prefix("backbone.")?.to_owned(), tensor)));
        assert!(
            read(&made) == backbone.collect(),
            "{dialect:?} under {prefix:?}"
        );
    }
}

#[test]
fn a_swin_v2_is_converted_with_a_configuration_and_asks_for_one_without() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let hub_folder = place.path().join("hub");
    let hub = hub_state(&swinv2(), &hub_folder);
    let rename = |key: &str| Some(writers::microsoft_v2(key));
    let mut state = written(&hub, "backbone.", rename);
    state.extend(heads(&hub, ""));
    let source = place.path().join("official.safetensors");
    write(&source, &state);
    let made = place.path().join("made");
    let mut options = ConvertOptions::default();
    let without = convert(&source, &made, &options, &Device::flex()).expect_err("no windows");
    assert!(
        without
            .to_string()
            .contains("no tensor says how large the windows"),
        "{without}"
    );
    options.config = Some(hub_folder);
    let done = convert(&source, &made, &options, &Device::flex()).expect("it is known");
    assert_eq!(done.keys.dialect, Dialect::Microsoft);
    assert!(read(&made) == hub);
}

/// As its authors write it, with the tables of each block.
#[test]
fn the_tables_of_a_swin_v2_tell_its_windows() {
    let mut config = swinv2();
    let HfBackboneConfig::SwinV2(backbone) = &mut config.backbone else {
        panic!("it is a Swin V2");
    };
    // A window that was trained as it is and one that says so make one table.
    backbone.pretrained_window_sizes[3] = 0;
    let backbone = backbone.clone();
    let place = tempfile::tempdir().expect("a temporary folder");
    let hub = hub_state(&config, &place.path().join("hub"));
    let mut state = written(&hub, "backbone.", |key| Some(writers::microsoft_v2(key)));
    state.extend(heads(&hub, ""));
    for (stage, &depth) in backbone.depths.iter().enumerate() {
        let window = backbone.stage_window(stage);
        let offsets = log_spaced_offsets(window, backbone.pretrained_window_sizes[stage]);
        let shape = vec![1, 2 * window - 1, 2 * window - 1, 2];
        for block in 0..depth {
            let key = format!("backbone.layers.{stage}.blocks.{block}.attn.relative_coords_table");
            state.insert(key, (shape.clone(), offsets.clone()));
        }
    }
    let source = place.path().join("official.safetensors");
    write(&source, &state);
    let made = place.path().join("made");
    let options = ConvertOptions::default();
    let done = convert(&source, &made, &options, &Device::flex()).expect("it is known");
    assert_eq!(done.config, config);
    assert_eq!(done.keys.ignored.len(), 5, "a table for each block");
    assert!(
        done.assumed.contains(&"image_size 64".to_owned()),
        "{done:?}"
    );
    assert!(read(&made) == hub);

    // A table of another window in one block is no table of this network.
    let key = "backbone.layers.0.blocks.1.attn.relative_coords_table".to_owned();
    state.insert(key, (vec![1, 5, 5, 2], log_spaced_offsets(3, 0)));
    let other = place.path().join("other.safetensors");
    write(&other, &state);
    let options = ConvertOptions::default();
    let refused = convert(
        &other,
        &place.path().join("none"),
        &options,
        &Device::flex(),
    )
    .expect_err("its blocks disagree");
    assert!(
        refused.to_string().contains("relative_coords_table"),
        "{refused}"
    );
}

/// As a model has them that was trained in parallel or compiled.
#[test]
fn names_of_the_hub_are_read_from_within_another_module() {
    let device = Device::flex();
    let options = ConvertOptions::default();
    // No norm of theirs tells which maps are returned.
    let [dinov3, residual] = [dinov3_convnext(), resnet()].map(|mut config| {
        config.backbone = config.backbone.with_all_stages();
        config
    });
    for config in [swin(), convnext(), dinov3, residual] {
        let place = tempfile::tempdir().expect("a temporary folder");
        let hub_folder = place.path().join("hub");
        let hub = hub_state(&config, &hub_folder);
        for (number, wrapper) in ["module.", "_orig_mod.module.", "model.", "net."]
            .into_iter()
            .enumerate()
        {
            let wrapped = |state: &State| -> State {
                let keys = state.iter();
                keys.map(|(key, tensor)| (format!("{wrapper}{key}"), tensor.clone()))
                    .collect()
            };
            let source = place.path().join(format!("wrapped-{number}.safetensors"));
            write(&source, &wrapped(&hub));
            let made = place.path().join(format!("made-{number}"));
            let done = convert(&source, &made, &options, &device).expect("it is unwrapped");
            assert_eq!(
                (done.made, done.keys.dialect),
                (Converted::UperNet, Dialect::Hub)
            );
            assert!(read(&made) == hub, "{wrapper}");

            let alone = hub.iter().filter_map(|(key, tensor)| {
                Some((key.strip_prefix("backbone.")?.to_owned(), tensor.clone()))
            });
            let alone: State = alone.collect();
            let source = place.path().join(format!("alone-{number}.safetensors"));
            write(&source, &wrapped(&alone));
            let made = place.path().join(format!("backbone-{number}"));
            let done = convert(&source, &made, &options, &device).expect("it is unwrapped");
            assert_eq!(done.made, Converted::Backbone);
            // With the norms of all maps, where the network returned some.
            let found = read(&made);
            for (key, tensor) in alone {
                assert!(found.get(&key) == Some(&tensor), "{wrapper}{key}");
            }
        }
    }
}

/// What is left of a network is no backbone.
#[test]
fn an_auxiliary_head_without_the_other_is_half_a_network() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let hub = hub_state(&swin(), &place.path().join("hub"));
    let mut state = written(&hub, "backbone.", |key| Some(microsoft(key)));
    state.extend(heads(&hub, ""));
    state.retain(|key, _| !key.starts_with("decode_head."));
    let source = place.path().join("half.safetensors");
    write(&source, &state);
    let made = place.path().join("made");
    let options = ConvertOptions::default();
    let error = convert(&source, &made, &options, &Device::flex()).expect_err("half of it");
    assert!(error.to_string().contains("decode_head."), "{error}");
    assert!(!made.exists());
}

#[test]
fn names_in_memory_of_transformers_5_are_converted_to_those_of_its_files() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let (source, made) = (place.path().join("memory"), place.path().join("made"));
    let hub = hub_state(&swin(), &source);
    rewrite(&source, |name, info| {
        let name = name.replace("backbone.encoder.", "backbone.swin.encoder.");
        let name = name.replace(".attention.self.query.", ".attention.q_proj.");
        Some((name, info.clone()))
    });
    let options = ConvertOptions::default();
    let done = convert(&source, &made, &options, &Device::flex()).expect("Hugging Face's own");
    assert_eq!(done.keys.dialect, Dialect::V5Memory);
    assert_eq!(
        done.config_origin,
        ConfigOrigin::File(source.join("config.json"))
    );
    assert!(done.assumed.is_empty(), "the configuration is at hand");
    assert!(read(&made) == hub);
}

#[test]
fn a_folder_of_hugging_face_is_converted_to_itself() {
    for config in [convnextv2(), dinov3_convnext()] {
        let place = tempfile::tempdir().expect("a temporary folder");
        let (source, made) = (place.path().join("hub"), place.path().join("made"));
        let hub = hub_state(&config, &source);
        let options = ConvertOptions::default();
        let done = convert(&source, &made, &options, &Device::flex()).expect("Hugging Face's own");
        assert_eq!((done.keys.dialect, &done.config), (Dialect::Hub, &config));
        assert!(read(&made) == hub);
    }
}

#[test]
fn a_tensor_too_many_or_too_few_is_named_and_nothing_is_written() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let hub = hub_state(&swin(), &place.path().join("hub"));
    let whole = written(&hub, "", timm_swin);
    let convert = |name: &str, state: &State| {
        let source = place.path().join(format!("{name}.safetensors"));
        write(&source, state);
        let made = place.path().join(name);
        let options = ConvertOptions::default();
        let error = convert(&source, &made, &options, &Device::flex()).expect_err("it is broken");
        assert!(!made.exists(), "something was written");
        error.to_string()
    };

    let mut more = whole.clone();
    more.insert(
        "layers.0.blocks.0.surprise".to_owned(),
        (vec![1], vec![0.0]),
    );
    let message = convert("more", &more);
    assert!(
        message.contains("1 unexpected (layers.0.blocks.0.surprise)"),
        "{message}"
    );

    let mut fewer = whole.clone();
    fewer.remove("layers.2.blocks.0.attn.qkv.bias");
    let message = convert("fewer", &fewer);
    assert!(
        message.contains("3 missing (backbone.encoder.layers.2.blocks.0.attention.self.key.bias"),
        "{message}"
    );

    let mut twice = whole.clone();
    let again = whole["patch_embed.norm.bias"].clone();
    twice.insert("layers_0.blocks.0.norm1.bias".to_owned(), again);
    let message = convert("twice", &twice);
    assert!(
        message.contains("a second backbone.encoder.layers.0.blocks.0"),
        "{message}"
    );

    let mut torn = whole.clone();
    torn.insert(
        "layers.0.blocks.0.attn.qkv.bias".to_owned(),
        (vec![25], vec![0.0; 25]),
    );
    let message = convert("torn", &torn);
    assert!(message.contains("is [25], expected [8]"), "{message}");
}

#[test]
fn networks_of_other_libraries_are_refused_with_the_reason() {
    let place = tempfile::tempdir().expect("a temporary folder");
    for (index, (keys, what)) in [
        (
            [
                "decoder.psp.out_conv.0.weight",
                "segmentation_head.0.weight",
            ],
            "these are weights of segmentation_models.pytorch: its UPerNet joins",
        ),
        (
            ["ppm_last_conv.0.weight", "fpn_in.0.0.weight"],
            "these are weights of MIT CSAIL: ",
        ),
        (
            [
                "decode_head.conv_seg.bias",
                "decode_head.convs.0.conv.weight",
            ],
            "another decode head: supported is UPerHead",
        ),
        (
            ["mystery.weight", "mystery.bias"],
            "there is no configuration beside it, and its tensors do not tell one: no backbone is \
             recognised",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let state = keys
            .map(|key| (key.to_owned(), (vec![1], vec![0.0])))
            .into();
        let source = place.path().join(format!("{index}.safetensors"));
        write(&source, &state);
        let made = place.path().join("made");
        let error = convert(&source, &made, &ConvertOptions::default(), &Device::flex())
            .expect_err("it is another network")
            .to_string();
        assert!(error.contains(what), "{what} is not in {error}");
    }
}
