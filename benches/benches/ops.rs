//! The operations of `upernet-ops`, prepared and plain, at the sizes that a tiny model has for
//! 512 x 512 pixels.
//!
//! `prepared` is what a segmenter runs: kernels on flex. `plain` is the default body of tensor
//! operations, which every other backend and training run. Fresh weights.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use burn::tensor::{Distribution, Tensor};
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use upernet_benches::Bench;
use upernet_ops::{
    Activation, ConvNextBlockWeights, CosineWindowAttentionWeights, LayerNormWeights, MlpWeights,
    Precision, PreparedConv3x3, PreparedConvNextBlock, PreparedCosineWindowAttention,
    PreparedDepthwiseConv, PreparedLinear, PreparedMlp, PreparedStridedConv,
    PreparedUpsampleConv3x3, PreparedWindowAttention, ResponseNormWeights, WindowAttentionWeights,
    adaptive_avg_pools, add_resized, attention, conv3x3, convnext_block, cosine_window_attention,
    depthwise_conv, linear, max_pool3x3, mlp, strided_conv, upsample_conv3x3, window_attention,
};

/// Channels and side of the maps of a tiny backbone, finest first.
const MAPS: [(usize, usize); 4] = [(96, 128), (192, 64), (384, 32), (768, 16)];
/// Channels of the head.
const HIDDEN: usize = 512;

struct Ops<'c> {
    bench: Bench,
    group: BenchmarkGroup<'c, WallTime>,
}

impl Ops<'_> {
    fn random<const D: usize>(&self, dims: [usize; D]) -> Tensor<D> {
        Tensor::random(dims, Distribution::Normal(0.0, 0.02), &self.bench.device)
    }

    /// A map whose channels lie next to each other, as every map inside a prepared network does.
    fn map(&self, channels: usize, side: usize) -> Tensor<4> {
        let shape = [1, side, side, channels];
        let map = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &self.bench.device);
        map.permute([0, 3, 1, 2])
    }

    fn time<T>(&mut self, name: &str, form: &str, work: impl Fn() -> T) {
        let name = format!("{name}/{}/{form}", self.bench.name);
        let bench = &self.bench;
        self.group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let output = work();
                bench.finish();
                output
            });
        });
    }

    /// In both precisions, and as plain tensor operations.
    fn compare<P>(
        &mut self,
        name: &str,
        prepare: impl Fn(Precision) -> P,
        forward: impl Fn(&P) -> Tensor<4>,
        plain: impl Fn() -> Tensor<4>,
    ) {
        let prepared = prepare(Precision::F32);
        self.time(name, "prepared", || forward(&prepared));
        if Precision::Bf16.has_kernels(&self.bench.device) {
            let prepared = prepare(Precision::Bf16);
            self.time(name, "prepared-bf16", || forward(&prepared));
        }
        self.time(name, "plain", plain);
    }
}

fn ops(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ops");
    group.sample_size(10);
    let bench = Bench::open();
    let mut ops = Ops { bench, group };
    convolutions(&mut ops);
    halving(&mut ops);
    spreading(&mut ops);
    blocks(&mut ops);
    maps(&mut ops);
    transformers(&mut ops);
    ops.group.finish();
}

fn convolutions(ops: &mut Ops<'_>) {
    let weight = ops.random([HIDDEN, HIDDEN, 3, 3]);
    for (_, side) in MAPS {
        let x = ops.map(HIDDEN, side);
        ops.compare(
            &format!("conv3x3/{HIDDEN}x{side}x{side}"),
            |precision| PreparedConv3x3::new(weight.clone(), None, Activation::Relu, precision),
            |layer| layer.forward(x.clone()),
            || conv3x3(x.clone(), weight.clone(), None, Activation::Relu),
        );
    }
    let [(_, finest), ..] = MAPS;
    for &(_, side) in &MAPS[1..] {
        let x = ops.map(HIDDEN, side);
        ops.compare(
            &format!("upsample_conv3x3/{HIDDEN}x{side}x{side}-to-{finest}"),
            |precision| PreparedUpsampleConv3x3::new(weight.clone(), None, precision),
            |layer| layer.forward(x.clone(), [finest, finest]),
            || upsample_conv3x3(x.clone(), weight.clone(), [finest, finest]),
        );
    }
    for (channels, side) in MAPS {
        let weight = ops.random([channels, HIDDEN]);
        let x = ops.map(channels, side);
        ops.compare(
            &format!("linear/{channels}x{side}x{side}-to-{HIDDEN}"),
            |precision| PreparedLinear::new(weight.clone(), None, Activation::Relu, precision),
            |layer| layer.forward(x.clone()),
            || linear(x.clone(), weight.clone(), None, Activation::Relu),
        );
    }
}

/// Convolutions of ResNet-50 that halve their map: channels in and out, size, side before.
const HALVING: [(usize, usize, usize, usize); 5] = [
    (3, 64, 7, 512),
    (128, 128, 3, 128),
    (256, 256, 3, 64),
    (512, 512, 3, 32),
    (256, 512, 1, 128),
];

fn halving(ops: &mut Ops<'_>) {
    for (inputs, outputs, size, side) in HALVING {
        let weight = ops.random([outputs, inputs, size, size]);
        let x = ops.map(inputs, side);
        let relu = Activation::Relu;
        ops.compare(
            &format!("strided_conv/{size}x{size}/{inputs}x{side}x{side}-to-{outputs}"),
            |precision| PreparedStridedConv::new(weight.clone(), None, 2, relu, precision),
            |layer| layer.forward(x.clone()),
            || strided_conv(x.clone(), weight.clone(), None, 2, relu),
        );
    }
    let x = ops.map(64, 256);
    ops.time("max_pool3x3/64x256x256", "prepared", || {
        max_pool3x3(x.clone())
    });
    // As burn lays it out, where no kernel runs.
    let plain = Tensor::from_data(x.clone().into_data(), &ops.bench.device);
    ops.time("max_pool3x3/64x256x256", "plain", || {
        max_pool3x3(plain.clone())
    });
}

/// Hidden channels of PVTv2-B2's perceptrons, and the sides of their maps.
const HIDDEN_MAPS: [(usize, usize); 4] = [(512, 128), (1024, 64), (1280, 32), (2048, 16)];

fn spreading(ops: &mut Ops<'_>) {
    for (channels, side) in HIDDEN_MAPS {
        let (weight, bias) = (ops.random([channels, 1, 3, 3]), ops.random([channels]));
        let x = ops.map(channels, side);
        let name = format!("depthwise_conv/3x3/{channels}x{side}x{side}");
        let prepared = PreparedDepthwiseConv::new(weight.clone(), bias.clone(), Activation::Gelu);
        ops.time(&name, "prepared", || prepared.forward(x.clone()));
        ops.time(&name, "plain", || {
            depthwise_conv(x.clone(), weight.clone(), bias.clone(), Activation::Gelu)
        });
    }
}

fn blocks(ops: &mut Ops<'_>) {
    for (channels, side) in MAPS {
        let shape = format!("{channels}x{side}x{side}");
        let x = ops.map(channels, side);
        let norm = LayerNormWeights {
            scale: ops.random([channels]),
            shift: ops.random([channels]),
            epsilon: 1e-6,
        };
        let perceptron = MlpWeights {
            norm: norm.clone(),
            expand: ops.random([channels, 4 * channels]),
            expand_bias: ops.random([4 * channels]),
            project: ops.random([4 * channels, channels]),
            project_bias: ops.random([channels]),
        };
        ops.compare(
            &format!("mlp/{shape}"),
            |precision| PreparedMlp::new(perceptron.clone(), precision),
            |layer| layer.forward(x.clone()),
            || mlp(x.clone(), &perceptron),
        );
        let block = ConvNextBlockWeights {
            depthwise: ops.random([channels, 1, 7, 7]),
            depthwise_bias: ops.random([channels]),
            mlp: perceptron,
            response_norm: None,
        };
        let second_version = ConvNextBlockWeights {
            response_norm: Some(ResponseNormWeights {
                weight: ops.random([4 * channels]),
                bias: ops.random([4 * channels]),
            }),
            ..block.clone()
        };
        for (name, block) in [
            ("convnext_block", block),
            ("convnextv2_block", second_version),
        ] {
            ops.compare(
                &format!("{name}/{shape}"),
                |precision| PreparedConvNextBlock::new(block.clone(), precision),
                |layer| layer.forward(x.clone()),
                || convnext_block(x.clone(), &block),
            );
        }
        let cosines = CosineWindowAttentionWeights {
            qkv: ops.random([channels, 3 * channels]),
            query_value_bias: Some([ops.random([channels]), ops.random([channels])]),
            factors: ops.random([channels / 32]).exp() * 10.0,
            position_bias: ops.random([channels / 32, 64, 64]),
            projection: ops.random([channels, channels]),
            projection_bias: ops.random([channels]),
            norm: norm.clone(),
            window_size: 8,
            shift: 4,
        };
        ops.compare(
            &format!("cosine_window_attention/{shape}"),
            |precision| PreparedCosineWindowAttention::new(cosines.clone(), precision),
            |layer| layer.forward(x.clone()),
            || cosine_window_attention(x.clone(), &cosines),
        );
        let attention = WindowAttentionWeights {
            norm,
            qkv: ops.random([channels, 3 * channels]),
            qkv_bias: Some(ops.random([3 * channels])),
            position_bias: ops.random([channels / 32, 49, 49]),
            projection: ops.random([channels, channels]),
            projection_bias: ops.random([channels]),
            window_size: 7,
            shift: 3,
        };
        ops.compare(
            &format!("window_attention/{shape}"),
            |precision| PreparedWindowAttention::new(attention.clone(), precision),
            |layer| layer.forward(x.clone()),
            || window_attention(x.clone(), &attention),
        );
    }
}

/// What moves through maps without weights: one form for all.
fn maps(ops: &mut Ops<'_>) {
    let finer = ops.map(HIDDEN, 128);
    let coarser = ops.map(HIDDEN, 64);
    ops.time("add_resized/512x64x64-to-128", "op", || {
        add_resized(finer.clone(), coarser.clone())
    });
    let coarsest = ops.map(HIDDEN, 16);
    ops.time("adaptive_avg_pools/512x16x16", "op", || {
        adaptive_avg_pools(coarsest.clone(), &[1, 2, 3, 6])
    });
}

/// Attention of a plain transformer of 768 channels to all 1,025 tokens, and of the first stage of a
/// pyramid one, 64 channels at 128 x 128, to a map of 16 x 16.
fn transformers(ops: &mut Ops<'_>) {
    for (name, num_heads, query, key) in [
        ("attention-1025", 12, [1, 1, 1025, 768], [1, 1, 1025, 768]),
        (
            "attention-16384-to-256",
            1,
            [1, 128, 128, 64],
            [1, 16, 16, 64],
        ),
    ] {
        let map = |shape: [usize; 4]| {
            let map = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &ops.bench.device);
            map.permute([0, 3, 1, 2])
        };
        let [query, key, value] = [map(query), map(key), map(key)];
        ops.time(name, "kernel", || {
            attention(query.clone(), key.clone(), value.clone(), num_heads, None)
        });
        // Burn's own memory order, for which no kernel runs.
        let plain =
            |map: &Tensor<4>| Tensor::<4>::from_data(map.clone().into_data(), &map.device());
        let [query, key, value] = [plain(&query), plain(&key), plain(&value)];
        ops.time(name, "plain", || {
            attention(query.clone(), key.clone(), value.clone(), num_heads, None)
        });
    }
}

criterion_group!(benches, ops);
criterion_main!(benches);
