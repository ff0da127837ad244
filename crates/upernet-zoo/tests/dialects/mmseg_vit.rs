//! ViT and `DeiT` of mmsegmentation, under its `MultiLevelNeck` and without one.

use burn::tensor::{Device, Tolerance};
use upernet_zoo::{
    Absent, ConfigOrigin, ConvertOptions, Converted, Dialect, convert,
    hf::{
        ModelFolder, Overwrite,
        config::{HfBackboneConfig, HfConfig, HfNeck, HfVitConfig, HfVitOutputNorm},
        weights::Checkpoint,
    },
    load,
};

use crate::{
    expected, fixture,
    inverse::{hub_state, read, write},
    pixels,
    support::values,
    writers::{self, State, as_swin, heads, written},
};

/// Of `scripts/make_dialect_fixtures.py`: 5 x 6 patches, the last ones filled up with zeros.
const SIZE: [usize; 2] = [33, 46];

/// A small network of a backbone, of which width, norm and neck are given.
fn network(mut backbone: HfVitConfig) -> HfConfig {
    backbone.patch_size = 8;
    backbone.num_hidden_layers = 4;
    backbone.layer_norm_eps = 1e-6;
    backbone.pad_to_patches = true;
    backbone.out_stages = vec![1, 2, 3, 4];
    HfConfig {
        hidden_size: 5,
        auxiliary_channels: 4,
        id2label: ["sky", "road", "traffic light"].map(str::to_owned).to_vec(),
        ..HfConfig::new(HfBackboneConfig::Vit(backbone))
    }
}

/// Its projections are torch's own fused ones, and positions of 4 x 4 patches are brought to 5 x 6.
#[test]
fn a_vit_of_mmsegmentation_gives_the_logits_that_python_computes() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let device = Device::flex();
    let source = fixture("mmseg-vit.safetensors");
    let made = place.path().join("made");
    let mut options = ConvertOptions::default();
    let without = convert(&source, &made, &options, &device).expect_err("no published width");
    let without = without.to_string();
    assert!(
        without.contains("how many heads its layers of 8 channels have"),
        "{without}"
    );

    let given = network(HfVitConfig {
        image_size: 32,
        hidden_size: 8,
        intermediate_size: 12,
        num_attention_heads: 2,
        apply_layernorm: HfVitOutputNorm::Last,
        neck: Some(HfNeck::MultiLevel { channels: 6 }),
        ..HfVitConfig::default()
    });
    let config = place.path().join("config.json");
    given.write(&config, Overwrite::Refuse).expect("writable");
    options.config = Some(config);
    let done = convert(&source, &made, &options, &device).expect("it is known");
    assert_eq!(
        (done.made, done.keys.dialect),
        (Converted::UperNet, Dialect::MmSegmentation)
    );
    assert_eq!(done.keys.split.len(), 4 * 6, "{:?}", done.keys.split);
    assert!(
        done.keys.dropped.is_empty() && done.absent.is_empty(),
        "{done:?}"
    );
    let opened = ModelFolder::open(&made).expect("it was written whole");
    assert_eq!(opened.config, given);
    let (model, report) = load(&opened, &device).expect("every key has its place");
    assert_eq!(report.dialect, Dialect::Hub);
    let logits = model.forward(pixels(SIZE, &device)).into_data();
    let python = expected("mmseg-vit", "logits");
    logits.assert_approx_eq(&python, Tolerance::<f32>::absolute(3e-4));

    // The same file is loaded as it is where a configuration is at hand.
    let checkpoint = Checkpoint::open(&source).expect("a fixture");
    let direct = ModelFolder::from_parts(given, None, checkpoint);
    let (direct, report) = load(&direct, &device).expect("every key has its place");
    assert_eq!(report.dialect, Dialect::MmSegmentation);
    assert!(values(&direct) == values(&model), "loaded otherwise");
}

/// As wide as a published model, so that nothing but the tensors is needed: without a neck and a final
/// norm (`upernet_deit-s16`), with the neck (`_mln_`), and with both, here to other channels (`_ln_mln_`).
#[test]
fn networks_of_mmsegmentation_tell_their_neck_and_norm() {
    let neck = |channels| Some(HfNeck::MultiLevel { channels });
    let rename = |key: &str| Some(writers::mmseg_vit(key));
    for (neck, apply_layernorm) in [
        (None, HfVitOutputNorm::Never),
        (neck(192), HfVitOutputNorm::Never),
        (neck(7), HfVitOutputNorm::Last),
    ] {
        let config = network(HfVitConfig {
            image_size: 40,
            hidden_size: 192,
            intermediate_size: 20,
            num_attention_heads: 3,
            apply_layernorm,
            neck,
            ..HfVitConfig::default()
        });
        let place = tempfile::tempdir().expect("a temporary folder");
        let hub = hub_state(&config, &place.path().join("hub"));
        let mut state = State::new();
        for (name, tensor) in written(&as_swin(&hub), "module.backbone.", rename) {
            state.insert(name.replace("backbone.neck.", "neck."), tensor);
        }
        state.extend(heads(&hub, "module."));
        let source = place.path().join("trained.safetensors");
        write(&source, &state);
        let made = place.path().join("made");
        let done = convert(&source, &made, &ConvertOptions::default(), &Device::flex())
            .expect("the tensors tell all");
        assert_eq!(
            (done.made, done.keys.dialect, &done.config_origin),
            (
                Converted::UperNet,
                Dialect::MmSegmentation,
                &ConfigOrigin::Tensors
            )
        );
        assert_eq!(done.config.backbone, config.backbone);
        let says_norm = done.assumed.contains(&"apply_layernorm last".to_owned());
        let has_norm = apply_layernorm == HfVitOutputNorm::Last;
        assert_eq!(says_norm, has_norm, "{:?}", done.assumed);
        assert!(done.keys.dropped.is_empty(), "{:?}", done.keys.dropped);
        // The writers of these tests leave counts of batches out.
        let is_count = |absent: &Absent| absent.key.ends_with("num_batches_tracked");
        assert!(done.absent.iter().all(is_count), "{:?}", done.absent);
        assert!(read(&made) == hub, "{neck:?}");
    }
}

/// A classifier's file has the final norm, which a network without one leaves alone.
#[test]
fn a_norm_that_no_map_passes_is_ignored() {
    let config = |apply_layernorm| {
        network(HfVitConfig {
            image_size: 32,
            hidden_size: 8,
            intermediate_size: 12,
            num_attention_heads: 2,
            apply_layernorm,
            ..HfVitConfig::default()
        })
    };
    let place = tempfile::tempdir().expect("a temporary folder");
    hub_state(&config(HfVitOutputNorm::Every), place.path());
    let checkpoint = Checkpoint::open(place.path()).expect("saved");
    let without = config(HfVitOutputNorm::Never);
    let folder = ModelFolder::from_parts(without, None, checkpoint);
    let (_, report) = load(&folder, &Device::flex()).expect("the norm is known");
    let norm = ["backbone.layernorm.bias", "backbone.layernorm.weight"];
    assert_eq!(report.ignored, norm);
}
