//! The prepared backbone computes what the backbone does.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor, Tolerance},
};
use rstest::rstest;
use upernet_beit::{Beit, BeitConfig};
use upernet_nn::{Backbone, Precision};

fn tiny() -> BeitConfig {
    BeitConfig::new()
        .with_image_size(40)
        .with_patch_size(8)
        .with_hidden_size(12)
        .with_num_hidden_layers(6)
        .with_num_attention_heads(3)
        .with_intermediate_size(20)
        .with_out_stages(vec![1, 2, 3, 4])
}

/// Random values for all parameters and buffers: fresh norms would hide what is done to them.
fn random(config: &BeitConfig, device: &Device) -> Beit {
    struct Randomise;
    impl ModuleMapper for Randomise {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            // Positive vectors: variances are among them.
            let values = match D {
                1 => Distribution::Uniform(0.2, 1.2),
                _ => Distribution::Normal(0.0, 0.2),
            };
            param.map(|value| value.random_like(values))
        }
    }
    config.init(device).map(&mut Randomise)
}

#[rstest]
#[case::own_bias(tiny().with_relative_position_bias(true), [2, 3, 43, 61])]
#[case::shared_bias_and_positions(
    tiny().with_shared_relative_position_bias(true).with_absolute_positions(true),
    [1, 3, 40, 40]
)]
#[case::everything(
    tiny()
        .with_relative_position_bias(true)
        .with_shared_relative_position_bias(true)
        .with_absolute_positions(true),
    [3, 3, 16, 55]
)]
#[case::nothing(tiny().with_layer_scale_init_value(0.0), [1, 3, 25, 31])]
#[case::no_neck(tiny().with_add_fpn(false).with_out_stages(vec![0, 5]), [2, 3, 9, 17])]
#[case::other_channels(tiny().with_num_channels(5), [1, 5, 50, 41])]
fn preparing_changes_nothing_but_rounding(#[case] config: BeitConfig, #[case] image: [usize; 4]) {
    let device = Device::flex();
    let beit = random(&config, &device);
    let image = Tensor::random(image, Distribution::Normal(0.0, 1.0), &device);
    let expected = beit.forward(image.clone());
    let prepared = beit.prepare(Precision::F32);
    assert!(prepared.bytes() > 0, "it has weights");
    let actual = prepared.forward(image);
    assert_eq!(actual.sizes(), expected.sizes());
    for (actual, expected) in actual.into_maps().into_iter().zip(expected.into_maps()) {
        let largest = expected.clone().abs().max().into_scalar::<f32>();
        assert!(largest > 0.01, "a map of zeros shows nothing");
        let tolerance = Tolerance::absolute(1e-3 * largest.max(1.0));
        let actual = actual.into_data();
        actual.assert_approx_eq::<f32>(&expected.into_data(), tolerance);
    }
}
