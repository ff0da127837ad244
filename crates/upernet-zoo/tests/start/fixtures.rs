//! Folders that transformers 5.23 wrote (`scripts/make_backbone_fixtures.py`), and the maps that it
//! takes out of them.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData, Tolerance};
use upernet_nn::Backbone as _;
use upernet_zoo::{
    BuildOptions, Model,
    hf::{
        BackboneFolder,
        config::{HfBackboneConfig, HfConfig},
        weights::{Checkpoint, SafetensorsFile},
    },
    start::from_backbone,
};

use crate::by_key;

fn read(file: &SafetensorsFile, name: &str) -> TensorData {
    let shape = file.info(name).expect("a fixture has it").shape().to_vec();
    TensorData::new(file.read_f32(name).expect("f32"), shape)
}

#[test]
fn classifiers_give_the_maps_that_python_takes_out_of_them() {
    for family in [
        "swin",
        "swinv2",
        "convnext",
        "convnextv2",
        "resnet",
        "pvt_v2",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/backbones");
        let path = path.join(family);
        let folder = BackboneFolder::open(&path).expect("a fixture");
        assert_eq!(folder.config.out_stages(), [4]);
        let mut config = HfConfig::new(folder.config.clone().with_all_stages());
        config.hidden_size = 8;
        config.auxiliary_channels = 8;
        let (options, device) = (BuildOptions::default(), Device::flex());
        let (model, report) =
            from_backbone(&folder, &config, &options, &device).expect("it is the same network");

        let prefix = |name: &str| format!("{family}.{name}");
        // A ResNet has no norm before its classifier, which comes after a layer without weights.
        // The last norm of a PVTv2 is its last stage's.
        let classifier = ["classifier.bias", "classifier.weight"].map(str::to_owned);
        let left_out = match family {
            "resnet" => vec![
                "classifier.1.bias".to_owned(),
                "classifier.1.weight".to_owned(),
            ],
            "pvt_v2" => classifier.to_vec(),
            _ => {
                let norm = ["layernorm.bias", "layernorm.weight"].map(prefix);
                [classifier, norm].concat()
            }
        };
        assert_eq!(report.left_out, left_out);
        let weights = Checkpoint::open(&path).expect("a fixture");
        assert_eq!(report.keys.applied.len() + left_out.len(), weights.len());
        // Only a linear layer's weight is held in another layout than it is stored.
        let values = by_key(&model, &config);
        for key in report
            .keys
            .applied
            .iter()
            .filter(|key| key.ends_with("bias"))
        {
            let name = key.replacen("backbone", family, 1);
            assert_eq!(values[key], weights.read_f32(&name).expect("f32"), "{key}");
        }

        assert_maps(&model, &path);
    }
}

#[test]
fn a_bare_dinov3_gives_the_maps_that_python_takes_out_of_it() {
    let path = "../../testdata/backbones/dinov3_convnext";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let folder = BackboneFolder::open(&path).expect("a fixture");
    let mut config = HfConfig::new(folder.config.clone().with_all_stages());
    config.hidden_size = 8;
    config.auxiliary_channels = 8;
    let (options, device) = (BuildOptions::default(), Device::flex());
    let (model, report) =
        from_backbone(&folder, &config, &options, &device).expect("it is the same network");
    assert_eq!(report.left_out, ["layer_norm.bias", "layer_norm.weight"]);
    let weights = Checkpoint::open(&path).expect("a fixture");
    assert_eq!(report.keys.applied.len() + 2, weights.len());
    assert!(report.drawn.iter().all(|key| !key.starts_with("backbone.")));
    assert_maps(&model, &path);
}

/// Before its neck, which a classifier has not.
#[test]
fn a_classifier_of_beit_gives_the_maps_that_python_takes_out_of_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/backbones/beit");
    let folder = BackboneFolder::open(&path).expect("a fixture");
    let mut config = HfConfig::new(folder.config.clone().with_all_stages());
    let HfBackboneConfig::Beit(beit) = &mut config.backbone else {
        panic!("it is a BEiT");
    };
    assert!(beit.add_fpn, "four maps have a neck");
    beit.add_fpn = false;
    config.hidden_size = 8;
    config.auxiliary_channels = 8;
    let (options, device) = (BuildOptions::default(), Device::flex());
    let (model, report) =
        from_backbone(&folder, &config, &options, &device).expect("it is the same network");
    assert_eq!(
        report.left_out,
        [
            "beit.embeddings.mask_token",
            "beit.pooler.layernorm.bias",
            "beit.pooler.layernorm.weight",
            "classifier.bias",
            "classifier.weight"
        ]
    );
    let weights = Checkpoint::open(&path).expect("a fixture");
    assert_eq!(report.keys.applied.len() + 5, weights.len());
    assert!(report.drawn.iter().all(|key| !key.starts_with("backbone.")));
    assert_maps(&model, &path);
}

/// The final norm, which others leave behind, is that of the maps.
#[test]
fn plain_transformers_give_the_maps_that_python_takes_out_of_them() {
    let classifier: &[&str] = &["classifier.bias", "classifier.weight"];
    for (family, left_out) in [("dinov2", classifier), ("dinov3_vit", &[])] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/backbones");
        let path = path.join(family);
        let folder = BackboneFolder::open(&path).expect("a fixture");
        assert_eq!(folder.config.out_stages(), [4]);
        let mut config = HfConfig::new(folder.config.clone().with_all_stages());
        config.hidden_size = 8;
        config.auxiliary_channels = 8;
        let (options, device) = (BuildOptions::default(), Device::flex());
        let (model, report) =
            from_backbone(&folder, &config, &options, &device).expect("it is the same network");
        assert_eq!(report.left_out, left_out);
        let weights = Checkpoint::open(&path).expect("a fixture");
        assert_eq!(report.keys.applied.len() + left_out.len(), weights.len());
        assert!(report.drawn.iter().all(|key| !key.starts_with("backbone.")));
        assert_maps(&model, &path);
    }
}

/// Compares the maps of a model's backbone with those of a fixture.
fn assert_maps(model: &Model, fixture: &Path) {
    let expected = SafetensorsFile::open(&fixture.join("expected.safetensors")).expect("maps");
    let pixels = Tensor::<4>::from_data(read(&expected, "pixel_values"), &Device::flex());
    let maps = model.backbone().forward(pixels).into_maps();
    assert_eq!(maps.len(), 4);
    for (index, map) in maps.into_iter().enumerate() {
        let expected = read(&expected, &format!("stage{}", index + 1));
        // Ten times what sums of this length round to.
        let tolerance = Tolerance::<f32>::absolute(1e-4);
        map.into_data().assert_approx_eq(&expected, tolerance);
    }
}
