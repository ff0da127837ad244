//! Logits to the mask of a 3-megapixel photo: two resizes and the argmax, in one pass on the host.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, criterion_group, criterion_main};
use upernet::{nn::resize_bilinear, pixels::Logits};
use upernet_benches::Bench;

const NUM_LABELS: usize = 150;
const GRID: [usize; 2] = [128, 128];
const MODEL: [usize; 2] = [512, 512];
const PHOTO: [usize; 2] = [1536, 2048];

fn post_processing(criterion: &mut Criterion) {
    let bench = Bench::open();
    // Noise on a coarse grid, resized: about as smooth as what a network gives.
    let smooth = resize_bilinear(bench.map(NUM_LABELS, [16, 16]), GRID);
    let values = smooth.try_into_vec_as::<f32>().expect("f32 values");
    let logits = Logits::new(&values, NUM_LABELS, GRID).expect("finite logits of that shape");

    let mut group = criterion.benchmark_group("post_processing");
    group.sample_size(10);
    let [height, width] = PHOTO;
    let label = format!("argmax_resized/host/150x128x128->512x512->{height}x{width}");
    group.bench_function(label, |bencher| {
        bencher.iter(|| logits.argmax_resized(MODEL, PHOTO));
    });
    group.finish();
}

criterion_group!(benches, post_processing);
criterion_main!(benches);
