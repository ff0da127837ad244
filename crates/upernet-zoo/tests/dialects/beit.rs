//! BEiTs that are written under a library's names and read back.

use burn::tensor::Device;
use upernet_zoo::{ConvertOptions, Converted, Dialect, convert, hf::config::HfBackboneConfig};

use crate::{
    inverse::{hub_state, read, write},
    support::beit,
    writers::{self, State, as_swin, heads, written},
};

#[test]
fn beits_under_the_names_of_microsoft_and_of_mmsegmentation_come_back() {
    type Rename = fn(&str) -> Option<String>;
    let microsoft: Rename = |key| Some(writers::beit(key));
    let mmseg: Rename = |key| Some(writers::mmseg_beit(key));
    // mmsegmentation's has no bias of all layers and no positions.
    let mut own_bias = beit();
    if let HfBackboneConfig::Beit(beit) = &mut own_bias.backbone {
        beit.use_shared_relative_position_bias = false;
        beit.use_absolute_position_embeddings = false;
    }
    for (config, rename, dialect) in [
        (beit(), microsoft, Dialect::Microsoft),
        (own_bias, mmseg, Dialect::MmSegmentation),
    ] {
        for prefix in ["", "module."] {
            let place = tempfile::tempdir().expect("a temporary folder");
            let hub = hub_state(&config, &place.path().join("hub"));
            let mut state = State::new();
            for (name, tensor) in written(&as_swin(&hub), "backbone.", rename) {
                let name = name.replace("backbone.neck.", "neck.");
                state.insert(format!("{prefix}{name}"), tensor);
            }
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
            assert_eq!(done.keys.split.len(), 3 * 5, "one projection a layer");
            assert_eq!(
                done.config, config,
                "the tensors tell what the network is made of"
            );
            assert!(
                done.assumed
                    .contains(&"out_indices [1, 2, 3, 5]".to_owned()),
                "{:?}",
                done.assumed
            );
            assert!(read(&made) == hub, "{dialect:?} under {prefix:?}");
        }
    }
}

/// What timm and Microsoft publish for ImageNet has no neck, and no BEiT in a converted folder has one of
/// random weights.
#[test]
fn a_beit_alone_comes_back_without_a_neck() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let hub = hub_state(&beit(), &place.path().join("hub"));
    let mut state = written(&as_swin(&hub), "", |key| {
        Some(writers::beit(key)).filter(|name| !name.starts_with("fpn"))
    });
    for leftover in ["fc_norm.weight", "head.weight", "mask_token"] {
        state.insert(leftover.to_owned(), (vec![1], vec![0.5]));
    }
    let source = place.path().join("official.safetensors");
    write(&source, &state);
    let made = place.path().join("made");
    let options = ConvertOptions::default();
    let done = convert(&source, &made, &options, &Device::flex()).expect("it is known");
    assert_eq!(
        (done.made, done.keys.dropped.len(), done.absent.len()),
        (Converted::Backbone, 3, 0)
    );
    let HfBackboneConfig::Beit(found) = &done.config.backbone else {
        panic!("it is a BEiT");
    };
    assert!(!found.add_fpn, "it has no neck");
    let backbone = hub.iter().filter_map(|(key, tensor)| {
        let key = key.strip_prefix("backbone.")?;
        (!key.starts_with("fpn")).then(|| (key.to_owned(), tensor.clone()))
    });
    assert!(read(&made) == backbone.collect::<State>());
}
