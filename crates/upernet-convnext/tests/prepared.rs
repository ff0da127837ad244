//! The prepared backbone computes what the backbone does.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor, Tolerance},
};
use rstest::rstest;
use upernet_convnext::{BranchScale, ConvNext, ConvNextConfig, OutputNorm};
use upernet_nn::{Backbone, Precision};

fn tiny() -> ConvNextConfig {
    ConvNextConfig::new()
        .with_hidden_sizes(vec![4, 8, 12, 16])
        .with_depths(vec![1, 2, 2, 1])
}

/// Random values for all parameters: fresh biases and norms would hide what is done to them.
fn random(config: &ConvNextConfig, device: &Device) -> ConvNext {
    struct Randomise;
    impl ModuleMapper for Randomise {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.random_like(Distribution::Normal(0.1, 0.3)))
        }
    }
    config.init(device).map(&mut Randomise)
}

#[rstest]
#[case::all_stages(tiny(), [2, 3, 97, 131])]
#[case::some_stages(tiny().with_out_stages(vec![0, 2]), [1, 3, 60, 44])]
#[case::one_cell_at_the_end(tiny(), [3, 3, 32, 40])]
#[case::unscaled(tiny().with_branch_scale(BranchScale::Unscaled), [1, 3, 64, 64])]
#[case::second_version(tiny().with_branch_scale(BranchScale::ResponseNorm), [2, 3, 70, 57])]
#[case::raw_maps(tiny().with_output_norm(OutputNorm::Unnormalised), [2, 3, 97, 131])]
#[case::some_raw_maps(
    tiny().with_output_norm(OutputNorm::Unnormalised).with_out_stages(vec![1, 2]), [1, 3, 60, 44]
)]
#[case::other_epsilon(tiny().with_layer_norm_eps(0.1), [1, 3, 60, 44])]
#[case::other_patches(tiny().with_patch_size(3), [1, 3, 50, 41])]
fn preparing_changes_nothing_but_rounding(
    #[case] config: ConvNextConfig,
    #[case] image: [usize; 4],
) {
    let device = Device::flex();
    let convnext = random(&config, &device);
    let image = Tensor::random(image, Distribution::Normal(0.0, 1.0), &device);
    let expected = convnext.forward(image.clone());
    let actual = convnext.prepare(Precision::F32).forward(image);
    assert_eq!(actual.sizes(), expected.sizes());
    for (actual, expected) in actual.into_maps().into_iter().zip(expected.into_maps()) {
        let tolerance = Tolerance::rel_abs(1e-3, 1e-3);
        let actual = actual.into_data();
        actual.assert_approx_eq::<f32>(&expected.into_data(), tolerance);
    }
}
