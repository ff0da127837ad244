//! Weights of photos, and networks of other bands.

use burn::tensor::{Device, Distribution, Tensor};
use upernet_nn::Backbone;
use upernet_zoo::{
    BuildOptions,
    hf::{BackboneFolder, ModelFolder, config::HfConfig},
    start::{from_backbone, from_checkpoint},
};

use crate::support::{
    beit, convnext, convnextv2, dinov3_convnext, pvt_v2, resnet, saved, swin, swinv2,
};

/// The same network for images of so many bands.
fn with_bands(config: &HfConfig, bands: usize) -> HfConfig {
    let text = config.to_json();
    let changed = text.replace("\"num_channels\": 3", &format!("\"num_channels\": {bands}"));
    assert_ne!(text, changed, "the config names its bands");
    HfConfig::from_json(changed.as_bytes()).expect("a valid config")
}

/// What the new stem sees is what the old one saw: six bands are a photo twice, one is a grey photo.
#[test]
fn a_photo_as_other_bands_gives_the_same_maps() {
    let device = Device::flex();
    let photo = Tensor::<4>::random([1, 3, 64, 64], Distribution::Default, &device);
    let grey = photo.clone().narrow(1, 0, 1);
    let as_photo = Tensor::cat(vec![grey.clone(); 3], 1);
    let twice = Tensor::cat(vec![photo.clone(), photo.clone()], 1);
    for config in [
        swin(),
        swinv2(),
        convnext(),
        convnextv2(),
        dinov3_convnext(),
        resnet(),
        beit(),
        pvt_v2(),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let before = saved(&config, folder.path());
        let options = BuildOptions::default();
        for (bands, image, same, said) in [
            (6, &twice, &photo, "repeated in turn, times 3/6"),
            (1, &grey, &as_photo, "summed"),
        ] {
            let network = with_bands(&config, bands);
            let whole = ModelFolder::open(folder.path()).expect("a whole folder");
            let (model, report) =
                from_checkpoint(&whole, &network, &options, &device).expect("other bands alone");
            assert!(report.to_string().contains(said), "{report}");
            let backbone = BackboneFolder::open(folder.path()).expect("a whole folder");
            let (other, report) =
                from_backbone(&backbone, &network, &options, &device).expect("other bands alone");
            assert!(report.to_string().contains(said), "{report}");
            let expected = before.backbone().forward(same.clone()).into_maps();
            for model in [model, other] {
                let maps = model.backbone().forward(image.clone()).into_maps();
                for (map, expected) in maps.into_iter().zip(expected.clone()) {
                    let largest: f32 = expected.clone().abs().max().into_scalar();
                    let difference: f32 = (map - expected).abs().max().into_scalar();
                    let model_type = config.backbone.model_type();
                    assert!(
                        difference <= 1e-4 * largest.max(1.0),
                        "{model_type}, {bands} bands: {difference} of {largest}"
                    );
                }
            }
        }
    }
}

#[test]
fn weights_of_other_bands_than_a_photos_are_not_fitted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&with_bands(&resnet(), 4), folder.path());
    let whole = ModelFolder::open(folder.path()).expect("a whole folder");
    let options = BuildOptions::default();
    let error = from_checkpoint(&whole, &with_bands(&resnet(), 5), &options, &Device::flex());
    let text = error.expect_err("4 are not 5").to_string();
    assert!(
        text.contains("backbone.embedder.embedder.convolution.weight"),
        "{text}"
    );
}
