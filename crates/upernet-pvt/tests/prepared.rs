//! The prepared backbone computes what the backbone does.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor, Tolerance},
};
use rstest::rstest;
use upernet_nn::{Backbone, Precision};
use upernet_pvt::{PvtV2, PvtV2Config};

fn tiny() -> PvtV2Config {
    PvtV2Config::new()
        .with_hidden_sizes(vec![8, 12, 20, 32])
        .with_depths(vec![1, 2, 2, 1])
        .with_mlp_ratios(vec![4, 3, 2, 2])
}

/// Random values for all parameters: fresh biases and norms would hide what is done to them.
fn random(config: &PvtV2Config, device: &Device) -> PvtV2 {
    struct Randomise;
    impl ModuleMapper for Randomise {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
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
#[case::all_stages(tiny(), [2, 3, 97, 131])]
#[case::some_stages(tiny().with_out_stages(vec![0, 2]), [1, 3, 60, 44])]
#[case::one_cell_at_the_end(tiny(), [3, 3, 32, 29])]
#[case::linear(tiny().with_linear_attention(true), [2, 3, 83, 50])]
#[case::linear_on_one_pixel(tiny().with_linear_attention(true), [2, 3, 1, 1])]
#[case::without_biases(tiny().with_qkv_bias(false), [1, 3, 41, 50])]
#[case::other_patches(
    tiny().with_patch_sizes(vec![5, 3, 1, 5]).with_strides(vec![3, 1, 2, 3]),
    [1, 3, 41, 50]
)]
#[case::other_reductions(tiny().with_sr_ratios(vec![3, 1, 1, 2]), [1, 3, 75, 101])]
#[case::other_channels(tiny().with_num_channels(5), [1, 5, 50, 41])]
#[case::other_epsilon(tiny().with_layer_norm_eps(0.1), [1, 3, 44, 61])]
fn preparing_changes_nothing_but_rounding(#[case] config: PvtV2Config, #[case] image: [usize; 4]) {
    let device = Device::flex();
    let pvt = random(&config, &device);
    let image = Tensor::random(image, Distribution::Normal(0.0, 1.0), &device);
    let expected = pvt.forward(image.clone());
    let prepared = pvt.prepare(Precision::F32);
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
