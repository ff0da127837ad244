//! The bilinear resizes of the head: each coarser map of 512 channels to the finest size.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, criterion_group, criterion_main};
use upernet::nn::resize_bilinear;
use upernet_benches::Bench;

const CHANNELS: usize = 512;
const TO: [usize; 2] = [128, 128];

fn resize(criterion: &mut Criterion) {
    let bench = Bench::open();
    let mut group = criterion.benchmark_group("resize");
    group.sample_size(10);
    for side in [64, 32, 16] {
        let from = [side, side];
        let map = bench.map(CHANNELS, from);
        let label = format!("{}->{}x{}", bench.label(CHANNELS, from), TO[0], TO[1]);
        group.bench_function(label, |bencher| {
            bencher.iter(|| {
                let resized = resize_bilinear(map.clone(), TO);
                bench.finish();
                resized
            });
        });
    }
    group.finish();
}

criterion_group!(benches, resize);
criterion_main!(benches);
