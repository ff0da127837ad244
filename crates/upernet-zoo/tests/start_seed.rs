//! What a start draws, by the device's seed. A program of its own: the generator is the device's, and
//! other tests would draw from it in between.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use upernet_zoo::{
    BuildOptions,
    hf::{BackboneFolder, config::HfConfig},
    start::from_backbone,
};

#[test]
fn a_seed_decides_what_is_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/backbones/convnext");
    let folder = BackboneFolder::open(&path).expect("a fixture");
    let mut config = HfConfig::new(folder.config.clone().with_all_stages());
    config.hidden_size = 8;
    config.auxiliary_channels = 8;
    let device = Device::flex();
    let logits = |seed| -> TensorData {
        device.seed(seed);
        let options = BuildOptions::default();
        let (model, _) =
            from_backbone(&folder, &config, &options, &device).expect("it is the same network");
        // Whatever is drawn between the start and the first use changes nothing.
        device.seed(99);
        model
            .forward(Tensor::ones([1, 3, 33, 40], &device))
            .into_data()
    };
    let (first, again, other) = (logits(1), logits(1), logits(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
}
