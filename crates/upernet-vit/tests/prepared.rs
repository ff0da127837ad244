//! The prepared backbone computes what the backbone does.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor, Tolerance},
};
use rstest::rstest;
use upernet_nn::{Backbone, Precision};
use upernet_vit::{
    Biases, HiddenActivation, ImageBorder, MlpKind, NeckKind, OutputNorm, Positions, Vit, VitConfig,
};

fn tiny() -> VitConfig {
    VitConfig::new()
        .with_patch_size(6)
        .with_hidden_size(24)
        .with_num_layers(4)
        .with_num_heads(3)
        .with_intermediate_size(40)
        .with_positions(Positions::Bicubic(4))
        .with_out_layers(vec![0, 1, 2, 3])
}

fn rotary() -> VitConfig {
    tiny()
        .with_positions(Positions::Rotary(100.0))
        .with_num_register_tokens(3)
}

/// Random values for all parameters: fresh biases and scales would hide what is done to them.
fn random(config: &VitConfig, device: &Device) -> Vit {
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
#[case::other_grid(tiny(), [2, 3, 45, 31])]
#[case::learned_grid(tiny(), [1, 3, 24, 24])]
#[case::one_patch(tiny(), [3, 3, 6, 11])]
#[case::some_layers(tiny().with_out_layers(vec![0, 2]), [1, 3, 37, 50])]
#[case::registers(
    tiny().with_positions(Positions::AntialiasedBicubic(7)).with_num_register_tokens(2),
    [2, 3, 20, 33]
)]
#[case::rotary(rotary(), [2, 3, 33, 45])]
#[case::norm_at_the_end(rotary().with_output_norm(OutputNorm::Last), [1, 3, 18, 26])]
#[case::without_norm(tiny().with_output_norm(OutputNorm::Never), [1, 3, 26, 18])]
#[case::joined_gate(
    tiny().with_mlp(MlpKind::JoinedGate).with_hidden_act(HiddenActivation::Silu),
    [2, 3, 31, 19]
)]
#[case::gate(rotary().with_mlp(MlpKind::Gate), [1, 3, 19, 31])]
#[case::silu(rotary().with_hidden_act(HiddenActivation::Silu), [1, 3, 19, 31])]
#[case::without_biases(
    tiny().with_biases(Biases {
        query: false, key: false, value: false, projection: false, mlp: false,
    }),
    [1, 3, 25, 25]
)]
#[case::feature_pyramid(tiny().with_neck(Some(NeckKind::FeaturePyramid)), [2, 3, 19, 33])]
#[case::multi_level_neck(
    tiny().with_neck(Some(NeckKind::MultiLevel(17))).with_output_norm(OutputNorm::Absent),
    [2, 3, 19, 33]
)]
#[case::padded(tiny().with_border(ImageBorder::Padded), [2, 3, 19, 33])]
#[case::without_layer_scale(tiny().with_layer_scale(None), [1, 3, 25, 40])]
fn preparing_changes_nothing_but_rounding(#[case] config: VitConfig, #[case] image: [usize; 4]) {
    let device = Device::flex();
    let vit = random(&config, &device);
    let image = Tensor::random(image, Distribution::Normal(0.0, 1.0), &device);
    let expected = vit.forward(image.clone());
    let prepared = vit.prepare(Precision::F32);
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
