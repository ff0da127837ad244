//! The published table against networks built from the published architectures.

use burn::tensor::Device;
use upernet_zoo::{
    cost,
    hf::config::{HfBackboneConfig, HfConfig, HfConvNextConfig, HfSwinConfig, HfSwinV2Config},
    published,
};

fn swin(
    embed_dim: usize,
    third: usize,
    num_heads: [usize; 4],
    window_size: usize,
) -> HfBackboneConfig {
    HfBackboneConfig::Swin(HfSwinConfig {
        embed_dim,
        depths: vec![2, 2, third, 2],
        num_heads: num_heads.to_vec(),
        window_size,
        out_stages: vec![1, 2, 3, 4],
        ..HfSwinConfig::default()
    })
}

fn convnext(first: usize, third: usize) -> HfBackboneConfig {
    HfBackboneConfig::ConvNext(HfConvNextConfig {
        hidden_sizes: vec![first, 2 * first, 4 * first, 8 * first],
        depths: vec![3, 3, third, 3],
        out_stages: vec![1, 2, 3, 4],
        ..HfConvNextConfig::default()
    })
}

fn backbone(id: &str) -> HfBackboneConfig {
    match id.strip_prefix("openmmlab/upernet-") {
        Some("swin-tiny") => swin(96, 6, [3, 6, 12, 24], 7),
        Some("swin-small") => swin(96, 18, [3, 6, 12, 24], 7),
        Some("swin-base") => swin(128, 18, [4, 8, 16, 32], 12),
        Some("swin-large") => swin(192, 18, [6, 12, 24, 48], 12),
        Some("convnext-tiny") => convnext(96, 9),
        Some("convnext-small") => convnext(96, 27),
        Some("convnext-base") => convnext(128, 27),
        Some("convnext-large") => convnext(192, 27),
        Some("convnext-xlarge") => convnext(256, 27),
        _ => panic!("no architecture for {id}"),
    }
}

#[test]
fn parameters_and_multiply_adds_are_those_of_the_table() {
    for model in published() {
        let mut config = HfConfig::new(backbone(model.id));
        config.id2label = (0..150).map(|label| format!("LABEL_{label}")).collect();
        let cost = cost(&config, [model.crop; 2], &Device::flex()).expect("supported");
        assert_eq!(cost.parameters, model.parameters, "{}", model.id);
        let gmacs = (cost.macs + cost.auxiliary_macs) as f64 / 1e9;
        assert!(
            (gmacs - model.gmacs).abs() < 0.06,
            "{}: {gmacs} vs {}",
            model.id,
            model.gmacs
        );
    }
}

/// No UPerNet on Swin V2 is published. Numbers: `UperNetForSemanticSegmentation` of transformers 5.23 over
/// `Swinv2Config(image_size=256, window_size=8)` on meta tensors, counted by torch's `FlopCounterMode`,
/// which has 0.02 G for the position biases.
#[test]
fn swinv2_costs_what_pytorch_counts() {
    let mut config = HfConfig::new(HfBackboneConfig::SwinV2(HfSwinV2Config {
        image_size: 256,
        window_size: 8,
        out_stages: vec![1, 2, 3, 4],
        ..HfSwinV2Config::default()
    }));
    config.id2label = (0..150).map(|label| format!("LABEL_{label}")).collect();
    let cost = cost(&config, [512, 512], &Device::flex()).expect("supported");
    assert_eq!(
        [cost.parameters, cost.backbone_parameters],
        [59_997_782, 27_576_618]
    );
    let gmacs = (cost.macs + cost.auxiliary_macs) as f64 / 1e9;
    assert!((gmacs - 236.007).abs() < 0.03, "{gmacs}");
}
