//! Plain transformers under our feature pyramid, which no pretraining has.

use burn::tensor::Device;
use serde_json::json;
use upernet_zoo::{
    BuildOptions,
    hf::{
        BackboneFolder, ModelFolder,
        config::{HfBackboneConfig, HfConfig, HfVitConfig, HfVitPretraining},
    },
    load,
    start::from_backbone,
};

use crate::{
    by_key,
    support::{convnext, rewrite, saved},
};

fn vit() -> HfConfig {
    let backbone = HfBackboneConfig::Vit(HfVitConfig {
        pretraining: HfVitPretraining::MaskedAutoencoder,
        image_size: 40,
        patch_size: 8,
        hidden_size: 12,
        intermediate_size: 20,
        num_hidden_layers: 4,
        num_attention_heads: 3,
        out_stages: vec![1, 2, 3, 4],
        ..HfVitConfig::default()
    });
    HfConfig {
        backbone,
        ..convnext()
    }
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = saved(&vit(), folder.path());
    let opened = ModelFolder::open(folder.path()).expect("saved");
    assert_eq!(opened.config, vit());
    let (loaded, report) = load(&opened, &Device::flex()).expect("what was saved loads");
    assert!(
        report.is_complete() && report.ignored.is_empty(),
        "{report:?}"
    );
    assert_eq!(by_key(&loaded, &vit()), by_key(&model, &vit()));
}

/// A masked autoencoder's file: `vit.` before the encoder, a decoder, and none of our pyramid.
#[test]
fn a_masked_autoencoder_gives_its_encoder() {
    let config = vit();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let before = by_key(&saved(&config, folder.path()), &config);
    rewrite(folder.path(), |name, info| match name {
        "decode_head.classifier.bias" => Some(("decoder.mask_token".to_owned(), info.clone())),
        _ if name.starts_with("backbone.neck.") => None,
        _ => {
            let rest = name.strip_prefix("backbone.")?;
            Some((format!("vit.{rest}"), info.clone()))
        }
    });
    let alone = json!({
        "model_type": "vit_mae", "image_size": 40, "patch_size": 8, "hidden_size": 12,
        "intermediate_size": 20, "num_hidden_layers": 4, "num_attention_heads": 3,
        "mask_ratio": 0.75, "norm_pix_loss": false,
    });
    std::fs::write(folder.path().join("config.json"), alone.to_string()).expect("writable");
    let folder = BackboneFolder::open(folder.path()).expect("a readable folder");
    let own = HfConfig::new(folder.config.clone().with_all_stages());
    assert_eq!(own.backbone, config.backbone);
    let (options, device) = (BuildOptions::default(), Device::flex());
    let (model, report) =
        from_backbone(&folder, &config, &options, &device).expect("the encoder fits");
    assert_eq!(report.left_out, ["decoder.mask_token"]);
    let after = by_key(&model, &config);
    for (key, values) in &after {
        let is_drawn = !key.starts_with("backbone.") || key.starts_with("backbone.neck.");
        assert_eq!(report.drawn.contains(key), is_drawn, "{key}");
        assert!(is_drawn || before[key] == *values, "{key} is not kept");
    }
    let sentences = report.to_string();
    assert!(
        sentences.contains("drawn anew: both heads, and the neck"),
        "{sentences}"
    );
}
