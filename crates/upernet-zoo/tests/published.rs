//! The published table against networks built from the published architectures.

use burn::tensor::Device;
use upernet_zoo::{
    Checked, PublishedModel, cost,
    hf::config::{
        HfBackboneConfig, HfBeitConfig, HfConfig, HfConvNextConfig, HfNeck, HfResNetConfig,
        HfSwinConfig, HfSwinV2Config, HfVitConfig, HfVitOutputNorm,
    },
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

/// mmsegmentation's, with three convolutions in the stem.
fn resnet(third: usize) -> HfBackboneConfig {
    HfBackboneConfig::ResNet(HfResNetConfig {
        depths: vec![3, 4, third, 3],
        deep_stem: true,
        out_stages: vec![1, 2, 3, 4],
        ..HfResNetConfig::default()
    })
}

fn beit(hidden_size: usize, layers: usize, image_size: usize, positions: bool) -> HfBackboneConfig {
    HfBackboneConfig::Beit(HfBeitConfig {
        image_size,
        hidden_size,
        num_hidden_layers: layers,
        num_attention_heads: hidden_size / 64,
        intermediate_size: 4 * hidden_size,
        use_relative_position_bias: true,
        use_absolute_position_embeddings: positions,
        add_fpn: true,
        ..HfBeitConfig::default()
    })
    .with_all_stages()
}

const NECK: Option<HfNeck> = Some(HfNeck::MultiLevel { channels: 768 });
const DEIT_S_NECK: Option<HfNeck> = Some(HfNeck::MultiLevel { channels: 384 });

fn vit(
    hidden_size: usize,
    neck: Option<HfNeck>,
    apply_layernorm: HfVitOutputNorm,
) -> HfBackboneConfig {
    HfBackboneConfig::Vit(HfVitConfig {
        image_size: 512,
        hidden_size,
        num_attention_heads: hidden_size / 64,
        intermediate_size: 4 * hidden_size,
        pad_to_patches: true,
        apply_layernorm,
        neck,
        ..HfVitConfig::default()
    })
    .with_all_stages()
}

fn network(model: &PublishedModel) -> HfConfig {
    let backbone = match model.backbone {
        "Swin-T" => swin(96, 6, [3, 6, 12, 24], 7),
        "Swin-S" => swin(96, 18, [3, 6, 12, 24], 7),
        "Swin-B" => swin(128, 18, [4, 8, 16, 32], 12),
        "Swin-B, window 7" => swin(128, 18, [4, 8, 16, 32], 7),
        "Swin-L" => swin(192, 18, [6, 12, 24, 48], 12),
        "ConvNeXt-T" => convnext(96, 9),
        "ConvNeXt-S" => convnext(96, 27),
        "ConvNeXt-B" => convnext(128, 27),
        "ConvNeXt-L" => convnext(192, 27),
        "ConvNeXt-XL" => convnext(256, 27),
        "ResNet-50" => resnet(6),
        "ResNet-101" => resnet(23),
        "BEiT-B" => beit(768, 12, 640, false),
        "BEiT-L" => beit(1024, 24, 640, false),
        "MAE ViT-B" => beit(768, 12, 512, true),
        "ViT-B, neck" | "DeiT-B, neck" => vit(768, NECK, HfVitOutputNorm::Never),
        "ViT-B, norm, neck" | "DeiT-B, norm, neck" => vit(768, NECK, HfVitOutputNorm::Last),
        "DeiT-B" => vit(768, None, HfVitOutputNorm::Never),
        "DeiT-S" => vit(384, None, HfVitOutputNorm::Never),
        "DeiT-S, neck" => vit(384, DEIT_S_NECK, HfVitOutputNorm::Never),
        "DeiT-S, norm, neck" => vit(384, DEIT_S_NECK, HfVitOutputNorm::Last),
        other => panic!("no architecture for {other}"),
    };
    let width = backbone.out_channels()[0];
    let is_beit = matches!(backbone, HfBackboneConfig::Beit(_));
    let mut config = HfConfig::new(backbone);
    if is_beit {
        config.hidden_size = width;
    }
    config.id2label = (0..model.num_labels)
        .map(|label| format!("LABEL_{label}"))
        .collect();
    config
}

#[test]
fn parameters_and_multiply_adds_are_those_of_the_table() {
    for model in published() {
        let config = network(model);
        let cost = cost(&config, model.crop, &Device::flex()).expect("supported");
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

#[test]
fn each_model_has_a_name_and_an_address_of_its_own() {
    let mut ids: Vec<_> = published().iter().map(|model| model.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), published().len());
    for model in published() {
        let on_the_hub = model.id.contains('/');
        assert_eq!(
            on_the_hub,
            model.checked == Checked::FullSize,
            "{}",
            model.id
        );
        let page = format!("https://huggingface.co/{}", model.id);
        assert_eq!(model.address == page, on_the_hub, "{}", model.address);
        let (_, kind) = model.address.rsplit_once('.').expect("a host at least");
        assert_eq!(kind == "pth", !on_the_hub, "{}", model.address);
        assert!(model.miou < model.miou_multi_scale, "{}", model.id);
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
