//! The prepared backbone computes what the backbone does.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor, Tolerance},
};
use rstest::rstest;
use upernet_nn::{Backbone, Precision};
use upernet_swin::{SwinConfig, SwinV2Config};

fn tiny() -> SwinConfig {
    SwinConfig::new()
        .with_embed_dim(8)
        .with_depths(vec![2, 2, 1, 1])
        .with_num_heads(vec![1, 2, 2, 4])
        .with_window_size(5)
}

/// Random values for all parameters: fresh biases and norms would hide what is done to them.
fn random<M: Module>(module: M) -> M {
    struct Randomise;
    impl ModuleMapper for Randomise {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.random_like(Distribution::Normal(0.1, 0.3)))
        }
    }
    module.map(&mut Randomise)
}

#[rstest]
#[case::all_stages(tiny(), [2, 3, 97, 131])]
#[case::some_stages(tiny().with_out_stages(vec![1, 2]), [1, 3, 60, 44])]
#[case::a_map_smaller_than_a_window(tiny(), [3, 3, 9, 17])]
#[case::no_bias_and_another_epsilon(
    tiny().with_qkv_bias(false).with_layer_norm_eps(1e-3),
    [1, 3, 64, 64]
)]
#[case::absolute_positions(
    tiny().with_image_size(40).with_absolute_positions(true),
    [2, 3, 40, 40]
)]
fn preparing_changes_nothing_but_rounding(#[case] config: SwinConfig, #[case] image: [usize; 4]) {
    let device = Device::flex();
    compare(random(config.init(&device)), image);
}

fn tiny_v2() -> SwinV2Config {
    SwinV2Config::new()
        .with_embed_dim(8)
        .with_depths(vec![2, 2, 1, 1])
        .with_num_heads(vec![1, 2, 2, 4])
        .with_window_size(5)
}

#[rstest]
#[case::all_stages(tiny_v2(), [2, 3, 97, 131])]
#[case::some_stages(tiny_v2().with_out_stages(vec![1, 2]), [1, 3, 60, 44])]
#[case::a_map_smaller_than_a_window(tiny_v2(), [3, 3, 9, 17])]
#[case::clamped_windows(tiny_v2().with_image_size(48), [1, 3, 57, 44])]
#[case::no_bias_and_pretrained_windows(
    tiny_v2().with_qkv_bias(false).with_pretrained_window_sizes(vec![8, 8, 0, 2]),
    [1, 3, 64, 64]
)]
fn preparing_v2_changes_nothing_but_rounding(
    #[case] config: SwinV2Config,
    #[case] image: [usize; 4],
) {
    let device = Device::flex();
    compare(random(config.init(&device)), image);
}

/// Compares a backbone with its prepared form.
fn compare(swin: impl Backbone + Sync + 'static, image: [usize; 4]) {
    let device = Device::flex();
    let image = Tensor::random(image, Distribution::Normal(0.0, 1.0), &device);
    let expected = swin.forward(image.clone());
    let actual = swin.prepare(Precision::F32).forward(image);
    assert_eq!(actual.sizes(), expected.sizes());
    for (actual, expected) in actual.into_maps().into_iter().zip(expected.into_maps()) {
        let tolerance = Tolerance::rel_abs(1e-3, 1e-3);
        let actual = actual.into_data();
        actual.assert_approx_eq::<f32>(&expected.into_data(), tolerance);
    }
}

#[test]
#[should_panic(expected = "absolute position embeddings fit 64 patches, the image has 9 x 8")]
fn absolute_positions_fit_one_size() {
    let device = Device::flex();
    let config = tiny().with_image_size(32).with_absolute_positions(true);
    let swin = config.init(&device).prepare(Precision::F32);
    let _ = swin.forward(Tensor::zeros([1, 3, 36, 32], &device));
}
