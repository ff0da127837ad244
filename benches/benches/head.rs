//! The UPer head alone, on maps as a tiny backbone gives them for 512 x 512 pixels. Fresh weights.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, criterion_group, criterion_main};
use upernet::{head::UperHeadConfig, nn::FeaturePyramid};
use upernet_benches::Bench;
use upernet_ops::Precision;

/// Channels and side of each map, finest first.
const MAPS: [(usize, usize); 4] = [(96, 128), (192, 64), (384, 32), (768, 16)];

fn uper_head(criterion: &mut Criterion) {
    let bench = Bench::open();
    let channels = MAPS.map(|(channels, _)| channels).to_vec();
    let head = UperHeadConfig::new(channels, 150).init(&bench.device);
    let maps = MAPS.map(|(channels, side)| bench.map(channels, [side, side]));
    let features = FeaturePyramid::new(maps.to_vec());

    let mut group = criterion.benchmark_group("head");
    group.sample_size(10);
    let (channels, side) = MAPS[0];
    let label = bench.label(channels, [side, side]);
    group.bench_function(format!("uper/{label}/plain"), |bencher| {
        bencher.iter(|| {
            let logits = head.forward(&features);
            bench.finish();
            logits
        });
    });
    let prepared = head.prepare(Precision::F32);
    group.bench_function(format!("uper/{label}/prepared"), |bencher| {
        bencher.iter(|| {
            let logits = prepared.forward(features.clone());
            bench.finish();
            logits
        });
    });
    group.finish();
}

criterion_group!(benches, uper_head);
criterion_main!(benches);
