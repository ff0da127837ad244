//! Backbones at the size of their smallest published checkpoints, and ResNet-50, BEiT-B and PVTv2-B2. Fresh
//! weights.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use upernet::nn::Backbone;
use upernet_beit::BeitConfig;
use upernet_benches::Bench;
use upernet_convnext::{BranchScale, ConvNextConfig};
use upernet_pvt::PvtV2Config;
use upernet_resnet::ResNetConfig;
use upernet_swin::{SwinConfig, SwinV2Config};

const SIZE: [usize; 2] = [512, 512];

fn backbones(criterion: &mut Criterion) {
    let bench = Bench::open();
    let mut group = criterion.benchmark_group("backbone");
    group.sample_size(10);
    let convnext = ConvNextConfig::new().init(&bench.device);
    time(&mut group, &bench, "convnext-tiny", &convnext);
    let convnextv2 = ConvNextConfig::new()
        .with_branch_scale(BranchScale::ResponseNorm)
        .init(&bench.device);
    time(&mut group, &bench, "convnextv2-tiny", &convnextv2);
    let swin = SwinConfig::new().init(&bench.device);
    time(&mut group, &bench, "swin-tiny", &swin);
    let swinv2 = SwinV2Config::new()
        .with_image_size(256)
        .with_window_size(8)
        .init(&bench.device);
    time(&mut group, &bench, "swinv2-tiny", &swinv2);
    let resnet = ResNetConfig::new().init(&bench.device);
    time(&mut group, &bench, "resnet-50", &resnet);
    let beit = BeitConfig::new()
        .with_image_size(640)
        .with_relative_position_bias(true)
        .init(&bench.device);
    time(&mut group, &bench, "beit-base", &beit);
    let pvt = PvtV2Config::new()
        .with_hidden_sizes(vec![64, 128, 320, 512])
        .with_depths(vec![3, 4, 6, 3])
        .init(&bench.device);
    time(&mut group, &bench, "pvt-v2-b2", &pvt);
    group.finish();
}

fn time<B: Backbone>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    bench: &Bench,
    name: &str,
    backbone: &B,
) {
    let pixel_values = bench.map(3, SIZE);
    group.bench_function(format!("{name}/{}", bench.label(3, SIZE)), |bencher| {
        bencher.iter(|| {
            let features = backbone.forward(pixel_values.clone());
            bench.finish();
            features
        });
    });
}

criterion_group!(benches, backbones);
criterion_main!(benches);
