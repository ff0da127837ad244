//! The prepared backbone computes what the backbone does.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor, Tolerance},
};
use rstest::rstest;
use upernet_nn::{Backbone, Precision};
use upernet_resnet::{HiddenActivation, LayerType, ResNet, ResNetConfig};

fn tiny() -> ResNetConfig {
    ResNetConfig::new()
        .with_embedding_size(6)
        .with_hidden_sizes(vec![8, 12, 20, 32])
        .with_depths(vec![1, 2, 2, 1])
}

/// Random values for all parameters and buffers: fresh norms would hide what is done to them.
fn random(config: &ResNetConfig, device: &Device) -> ResNet {
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
#[case::bottleneck(tiny(), [2, 3, 97, 131])]
#[case::some_stages(tiny().with_out_stages(vec![0, 2]), [1, 3, 60, 44])]
#[case::one_cell_at_the_end(tiny(), [3, 3, 32, 29])]
#[case::stride_in_the_first_convolution(
    tiny().with_downsample_in_bottleneck(true).with_downsample_in_first_stage(true),
    [1, 3, 75, 101]
)]
#[case::basic(tiny().with_layer_type(LayerType::Basic), [2, 3, 63, 50])]
#[case::gelu(tiny().with_hidden_act(HiddenActivation::Gelu), [1, 3, 41, 50])]
#[case::deep_stem(tiny().with_deep_stem(true).with_embedding_size(7), [2, 3, 57, 34])]
#[case::other_channels(tiny().with_num_channels(5), [1, 5, 50, 41])]
fn preparing_changes_nothing_but_rounding(#[case] config: ResNetConfig, #[case] image: [usize; 4]) {
    let device = Device::flex();
    let resnet = random(&config, &device);
    let image = Tensor::random(image, Distribution::Normal(0.0, 1.0), &device);
    let expected = resnet.forward(image.clone());
    let prepared = resnet.prepare(Precision::F32);
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
