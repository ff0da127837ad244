//! The whole network at its published sizes: pixels in, decode logits out. Fresh weights.
//!
//! `plain` is the network as it is trained, `prepared` as a segmenter runs it.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, criterion_group, criterion_main};
use upernet::{
    hf::config::{
        HfBackboneConfig, HfBeitConfig, HfConfig, HfConvNextConfig, HfConvNextV2Config,
        HfDinov2Config, HfPvtV2Config, HfSwinConfig, HfSwinV2Config,
    },
    zoo,
};
use upernet_benches::Bench;
use upernet_ops::Precision;

const SIZE: [usize; 2] = [512, 512];
/// What DINOv2's positions were learned on: 37 x 37 patches.
const DINOV2_SIZE: [usize; 2] = [518, 518];

fn backbones() -> [(&'static str, HfBackboneConfig, [usize; 2]); 9] {
    let out_stages = vec![1, 2, 3, 4];
    let convnext = HfConvNextConfig {
        out_stages: out_stages.clone(),
        ..HfConvNextConfig::default()
    };
    let convnextv2 = HfConvNextV2Config {
        out_stages: out_stages.clone(),
        ..HfConvNextV2Config::default()
    };
    let swin = HfSwinConfig {
        out_stages: out_stages.clone(),
        ..HfSwinConfig::default()
    };
    let swinv2 = HfSwinV2Config {
        image_size: 256,
        window_size: 8,
        out_stages: out_stages.clone(),
        ..HfSwinV2Config::default()
    };
    let beit = HfBeitConfig {
        image_size: 640,
        use_relative_position_bias: true,
        ..HfBeitConfig::default()
    };
    let pvt_v2 = HfPvtV2Config {
        hidden_sizes: vec![64, 128, 320, 512],
        depths: vec![3, 4, 6, 3],
        out_stages,
        ..HfPvtV2Config::default()
    };
    let dinov2 = HfDinov2Config {
        image_size: DINOV2_SIZE[0],
        hidden_size: 384,
        num_attention_heads: 6,
        out_stages: vec![3, 6, 9, 12],
        ..HfDinov2Config::default()
    };
    let dinov2 = HfBackboneConfig::Dinov2(dinov2);
    [
        ("convnext-tiny", HfBackboneConfig::ConvNext(convnext), SIZE),
        (
            "convnextv2-tiny",
            HfBackboneConfig::ConvNextV2(convnextv2),
            SIZE,
        ),
        ("swin-tiny", HfBackboneConfig::Swin(swin), SIZE),
        ("swinv2-tiny", HfBackboneConfig::SwinV2(swinv2), SIZE),
        ("resnet-50", HfBackboneConfig::default(), SIZE),
        (
            "beit-base",
            HfBackboneConfig::Beit(beit).with_all_stages(),
            SIZE,
        ),
        ("pvt-v2-b2", HfBackboneConfig::PvtV2(pvt_v2), SIZE),
        ("dinov2-small", dinov2.clone(), SIZE),
        ("dinov2-small", dinov2, DINOV2_SIZE),
    ]
}

fn end_to_end(criterion: &mut Criterion) {
    let bench = Bench::open();
    let mut group = criterion.benchmark_group("end_to_end");
    group.sample_size(10);
    for (name, backbone, size) in backbones() {
        let mut config = HfConfig::new(backbone);
        config.id2label = (0..150).map(|label| format!("class {label}")).collect();
        let model = zoo::build(&config, &bench.device).expect("a published size");
        let pixel_values = bench.map(3, size);
        let label = format!("{name}/{}", bench.label(3, size));
        group.bench_function(format!("{label}/plain"), |bencher| {
            bencher.iter(|| {
                let logits = model.forward_decode(pixel_values.clone());
                bench.finish();
                logits
            });
        });
        let mut formats = vec![("prepared", Precision::F32)];
        if Precision::Bf16.has_kernels(&bench.device) {
            formats.push(("prepared-bf16", Precision::Bf16));
        }
        for (form, precision) in formats {
            let prepared = model.clone().prepare(precision);
            group.bench_function(format!("{label}/{form}"), |bencher| {
                bencher.iter(|| {
                    let logits = prepared.forward_decode(pixel_values.clone());
                    bench.finish();
                    logits
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
