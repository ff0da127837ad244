//! Fresh weights against Hugging Face's rules (`_init_weights` of `transformers` 5.23): normal weights
//! of `initializer_range`, zero bias and bias tables, norms at one, response norms at zero, layer scale
//! at its value; the convolutions of a ResNet and a PVTv2 by `kaiming_normal_` with `fan_out`.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use upernet_nn::initializer;
use upernet_zoo::{
    build,
    hf::config::{
        HfBackboneConfig, HfBeitConfig, HfConfig, HfConvNextConfig, HfConvNextV2Config,
        HfDinov2Config, HfDinov3ConvNextConfig, HfDinov3VitConfig, HfPvtV2Config, HfResNetConfig,
        HfSwinConfig, HfSwinV2Config,
    },
    hub_parameters,
};

const LAYER_SCALE: f32 = 0.25;

fn configs() -> [HfConfig; 10] {
    let swin = HfBackboneConfig::Swin(HfSwinConfig {
        embed_dim: 32,
        depths: vec![1, 1, 1, 1],
        num_heads: vec![2, 2, 2, 2],
        use_absolute_embeddings: true,
        image_size: 64,
        out_stages: vec![1, 2, 3, 4],
        ..HfSwinConfig::default()
    });
    let swinv2 = HfBackboneConfig::SwinV2(HfSwinV2Config {
        embed_dim: 32,
        depths: vec![1, 1, 1, 1],
        num_heads: vec![2, 2, 2, 2],
        out_stages: vec![1, 2, 3, 4],
        ..HfSwinV2Config::default()
    });
    let convnext = HfBackboneConfig::ConvNext(HfConvNextConfig {
        hidden_sizes: vec![32, 48, 64, 96],
        depths: vec![1, 1, 1, 1],
        layer_scale_init_value: f64::from(LAYER_SCALE),
        out_stages: vec![1, 2, 3, 4],
        ..HfConvNextConfig::default()
    });
    let convnextv2 = HfBackboneConfig::ConvNextV2(HfConvNextV2Config {
        hidden_sizes: vec![32, 48, 64, 96],
        depths: vec![1, 1, 1, 1],
        out_stages: vec![1, 2, 3, 4],
        ..HfConvNextV2Config::default()
    });
    let dinov3 = HfBackboneConfig::Dinov3ConvNext(HfDinov3ConvNextConfig {
        hidden_sizes: vec![32, 48, 64, 96],
        depths: vec![1, 1, 1, 1],
        layer_scale_init_value: f64::from(LAYER_SCALE),
        out_stages: vec![1, 2, 3, 4],
        ..HfDinov3ConvNextConfig::default()
    });
    let resnet = HfBackboneConfig::ResNet(HfResNetConfig {
        embedding_size: 32,
        hidden_sizes: vec![32, 48, 64, 96],
        depths: vec![1, 1, 1, 1],
        out_stages: vec![1, 2, 3, 4],
        ..HfResNetConfig::default()
    });
    let beit = HfBackboneConfig::Beit(HfBeitConfig {
        image_size: 64,
        hidden_size: 32,
        num_hidden_layers: 4,
        num_attention_heads: 2,
        intermediate_size: 48,
        layer_scale_init_value: f64::from(LAYER_SCALE),
        use_absolute_position_embeddings: true,
        use_relative_position_bias: true,
        use_shared_relative_position_bias: true,
        add_fpn: true,
        out_stages: vec![1, 2, 3, 4],
        ..HfBeitConfig::default()
    });
    let dinov2 = HfBackboneConfig::Dinov2(HfDinov2Config {
        hidden_size: 64,
        num_hidden_layers: 3,
        num_attention_heads: 2,
        layerscale_value: f64::from(LAYER_SCALE),
        out_stages: vec![1, 2, 3],
        ..HfDinov2Config::with_registers()
    });
    let dinov3_vit = HfBackboneConfig::Dinov3Vit(HfDinov3VitConfig {
        hidden_size: 64,
        intermediate_size: 96,
        num_hidden_layers: 3,
        num_attention_heads: 2,
        num_register_tokens: 4,
        layerscale_value: f64::from(LAYER_SCALE),
        use_gated_mlp: true,
        out_stages: vec![1, 2, 3],
        ..HfDinov3VitConfig::default()
    });
    let pvt_v2 = HfBackboneConfig::PvtV2(HfPvtV2Config {
        hidden_sizes: vec![32, 48, 64, 96],
        num_attention_heads: vec![1, 2, 4, 6],
        mlp_ratios: vec![4, 2, 2, 2],
        depths: vec![1, 1, 1, 1],
        out_stages: vec![1, 2, 3, 4],
        ..HfPvtV2Config::default()
    });
    let backbones = [
        swin, swinv2, convnext, convnextv2, dinov3, resnet, beit, dinov2, dinov3_vit, pvt_v2,
    ];
    backbones.map(|backbone| {
        let mut config = HfConfig::new(backbone);
        config.hidden_size = 64;
        config.auxiliary_channels = 32;
        config
    })
}

/// Every value that a parameter starts with, if all are the same.
fn constant(config: &HfConfig, key: &str) -> Option<f32> {
    let name = key.rsplit('.').next().unwrap_or_default();
    let is_norm = [
        "norm.",
        "layernorm",
        "batch_norm.",
        "backbone.fpn1.1.",
        "normalization.",
        "hidden_states_norms.",
        "downsampling_layer.0.",
        "layer_norm.",
        ".norm1.",
        ".norm2.",
        "layer_norm_1.",
        "layer_norm_2.",
        // DINOv3's: after the stem's convolution, before the others'.
        "stages.0.downsample_layers.1.",
        "stages.1.downsample_layers.0.",
        "stages.2.downsample_layers.0.",
        "stages.3.downsample_layers.0.",
    ]
    .iter()
    .any(|part| key.contains(part));
    match name {
        // A plain transformer draws what Swin has start at zero, DINOv3 its registers too.
        "position_embeddings" | "cls_token"
            if matches!(config.backbone, HfBackboneConfig::Dinov2(_)) =>
        {
            None
        }
        "register_tokens" | "cls_token"
            if matches!(config.backbone, HfBackboneConfig::Dinov3Vit(_)) =>
        {
            None
        }
        "bias"
        | "relative_position_bias_table"
        | "position_embeddings"
        | "cls_token"
        | "register_tokens"
        | "mask_token"
        | "running_mean"
        | "num_batches_tracked" => Some(0.0),
        "running_var" => Some(1.0),
        "layer_scale_parameter" | "gamma" | "lambda_1" | "lambda_2" | "lambda1" => {
            Some(LAYER_SCALE)
        }
        "weight" if key.contains(".grn.") => Some(0.0),
        "logit_scale" => Some(std::f32::consts::LN_10),
        "weight" if is_norm => Some(1.0),
        _ => None,
    }
}

/// Deviation of a weight, `[out, in, height, width]` if it is a convolution's.
fn deviation(config: &HfConfig, key: &str, shape: &[usize]) -> f32 {
    let by_fan_out = matches!(
        config.backbone,
        HfBackboneConfig::ResNet(_) | HfBackboneConfig::PvtV2(_)
    );
    match shape {
        // One kernel for each channel.
        [_, 1, height, width] if key.contains(".dwconv.dwconv.") => {
            (2.0 / (height * width) as f32).sqrt()
        }
        [out, _, height, width] if by_fan_out && key.starts_with("backbone.") => {
            (2.0 / (out * height * width) as f32).sqrt()
        }
        _ => 0.02,
    }
}

#[test]
fn every_parameter_starts_as_upstreams_does() {
    struct Collect(Vec<Vec<f32>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(
                param
                    .val()
                    .into_data()
                    .try_to_vec()
                    .expect("f32 parameters"),
            );
        }
    }
    for config in configs() {
        let device = Device::flex();
        device.seed(8);
        let model = build(&config, &device).expect("supported");
        initializer::draw_all(&model);
        let mut collect = Collect(Vec::new());
        model.visit(&mut collect);
        for (parameter, values) in hub_parameters(&model, &config).iter().zip(collect.0) {
            let key = parameter.key();
            if let Some(expected) = constant(&config, key) {
                let all = values
                    .iter()
                    .all(|value| value.to_bits() == expected.to_bits());
                assert!(all, "{key} is not {expected} throughout");
                continue;
            }
            let count = values.len() as f32;
            let mean = values.iter().sum::<f32>() / count;
            let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt();
            // Five standard errors of mean and deviation of a normal sample of this size.
            let expected = deviation(&config, key, parameter.shape());
            let slack = 5.0 * expected / count.sqrt();
            assert!(
                mean.abs() < slack && (std - expected).abs() < slack,
                "{key}: {mean}, {std}"
            );
        }
    }
}
