//! Operations that are recorded as one step on burn's CPU backend, against the same operations in 64
//! bits, which are recorded as plain tensor operations: values and gradients.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use proptest::prelude::*;
use upernet_ops::{
    Activation, ConvNextBlockWeights, CrossEntropy, LayerNormWeights, MlpWeights,
    ResponseNormWeights, batch_norm, convnext_block, gelu, label_probabilities, layer_norm, linear,
    resize_bilinear, resized_cross_entropy, response_norm,
};

/// Largest difference beside the largest value, or beside 1 if that is smaller.
const TOLERANCE: f64 = 1e-4;

/// Random leaves, each a tensor of one axis, and the output for them.
struct Step<'a> {
    lengths: &'a [usize],
    compute: &'a dyn Fn(&[Tensor<1>]) -> Tensor<1>,
}

impl Step<'_> {
    /// Output and the gradients of all leaves, for a random gradient of the output.
    fn run(&self, leaves: &[Tensor<1>]) -> Vec<Vec<f64>> {
        let leaves = leaves.iter().map(|leaf| leaf.clone().autodiff());
        let leaves: Vec<_> = leaves.map(Tensor::require_grad).collect();
        let y = (self.compute)(&leaves);
        let [length] = y.dims();
        let factors: Vec<f64> = (0..length)
            .map(|i| ((i * 7919) % 101) as f64 / 50.0 - 1.0)
            .collect();
        let factors = TensorData::new(factors, [length]);
        let factors = Tensor::<1>::from_data(factors, (&y.device(), y.dtype()));
        let gradients = (y.clone() * factors).sum().backward();
        let mut results = vec![values(y)];
        results.extend(leaves.iter().map(|leaf| {
            let gradient = leaf.grad(&gradients).expect("a leaf of the graph");
            values(gradient)
        }));
        results
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let leaves = self.lengths.iter().enumerate().map(|(seed, &length)| {
            Tensor::<1>::from_floats(noise(length, seed).as_slice(), &Device::flex())
        });
        let leaves: Vec<_> = leaves.collect();
        let wide: Vec<_> = leaves
            .iter()
            .map(|leaf| leaf.clone().cast(DType::F64))
            .collect();
        let expected = self.run(&wide);
        for (index, (actual, expected)) in self.run(&leaves).iter().zip(&expected).enumerate() {
            prop_assert_eq!(actual.len(), expected.len());
            let largest = expected.iter().fold(1.0_f64, |most, e| most.max(e.abs()));
            for (at, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                prop_assert!(
                    (actual - expected).abs() <= TOLERANCE * largest,
                    "result {} at {}: {} instead of {}, the largest is {}",
                    index,
                    at,
                    actual,
                    expected,
                    largest
                );
            }
        }
        Ok(())
    }
}

/// Values in [-2, 2), the same in every run. burn's own random numbers come from one generator for all
/// tests, which others seed.
fn noise(length: usize, seed: usize) -> Vec<f32> {
    let mut state = seed as u64 * 0x9E37_79B9 + 1;
    let mut next = || {
        // Knuth's MMIX generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    (0..length).map(|_| next()).collect()
}

fn values(x: Tensor<1>) -> Vec<f64> {
    let data = x.into_data().convert::<f64>();
    data.try_into_vec().expect("converted to f64")
}

/// How a map comes to an operation.
#[derive(Clone, Copy, Debug)]
enum Order {
    ChannelsFirst,
    ChannelsLast,
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::ChannelsFirst), Just(Order::ChannelsLast)]
}

fn map(leaf: &Tensor<1>, [batch, channels, height, width]: [usize; 4], order: Order) -> Tensor<4> {
    match order {
        Order::ChannelsFirst => leaf.clone().reshape([batch, channels, height, width]),
        Order::ChannelsLast => leaf
            .clone()
            .reshape([batch, height, width, channels])
            .permute([0, 3, 1, 2]),
    }
}

fn flat(x: Tensor<4>) -> Tensor<1> {
    x.reshape([-1])
}

fn dims() -> impl Strategy<Value = [usize; 4]> {
    let channels = prop_oneof![1..=3_usize, 15..=40_usize];
    (1..=3_usize, channels, 1..=9_usize, 1..=9_usize)
        .prop_map(|(batch, channels, height, width)| [batch, channels, height, width])
}

fn layer_norm_weights(scale: &Tensor<1>, shift: &Tensor<1>) -> LayerNormWeights {
    LayerNormWeights {
        scale: scale.clone(),
        shift: shift.clone(),
        epsilon: 1e-2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn linear_layers(dims in dims(), order in order(), outputs in 1..70_usize, biased: bool) {
        let [_, channels, ..] = dims;
        let lengths = [dims.iter().product(), channels * outputs, outputs];
        let compute = |leaves: &[Tensor<1>]| {
            let weight = leaves[1].clone().reshape([channels, outputs]);
            let bias = biased.then(|| leaves[2].clone());
            let y = linear(map(&leaves[0], dims, order), weight, bias, Activation::None);
            // A bias that is left out has a gradient all the same.
            flat(y) + leaves[2].clone().sum() * 0.1
        };
        Step { lengths: &lengths, compute: &compute }.check()?;
    }

    #[test]
    fn gelus(dims in dims(), order in order()) {
        let compute = |leaves: &[Tensor<1>]| flat(gelu(map(&leaves[0], dims, order) * 3.0));
        Step { lengths: &[dims.iter().product()], compute: &compute }.check()?;
    }

    #[test]
    fn layer_norms(dims in dims(), order in order()) {
        let [_, channels, ..] = dims;
        let compute = |leaves: &[Tensor<1>]| {
            let weights = layer_norm_weights(&leaves[1], &leaves[2]);
            flat(layer_norm(map(&leaves[0], dims, order), &weights))
        };
        let lengths = [dims.iter().product(), channels, channels];
        Step { lengths: &lengths, compute: &compute }.check()?;
    }

    #[test]
    fn batch_norms(dims in dims(), order in order(), relu: bool) {
        let [_, channels, ..] = dims;
        let activation = if relu { Activation::Relu } else { Activation::None };
        let compute = |leaves: &[Tensor<1>]| {
            let x = map(&leaves[0], dims, order) + 3.0;
            let (scale, shift) = (leaves[1].clone(), leaves[2].clone());
            let norm = batch_norm(x, scale, shift, 1e-2, activation);
            flat(norm.output) + (norm.mean + norm.variance).sum() * 0.1
        };
        let lengths = [dims.iter().product(), channels, channels];
        Step { lengths: &lengths, compute: &compute }.check()?;
    }

    #[test]
    fn resizes(dims in dims(), order in order(), size in [1..20_usize, 1..20]) {
        let compute =
            |leaves: &[Tensor<1>]| flat(resize_bilinear(map(&leaves[0], dims, order), size));
        Step { lengths: &[dims.iter().product()], compute: &compute }.check()?;
    }

    #[test]
    fn response_norms(dims in dims(), order in order()) {
        let [_, channels, ..] = dims;
        let compute = |leaves: &[Tensor<1>]| {
            let weights = ResponseNormWeights {
                weight: leaves[1].clone(),
                bias: leaves[2].clone(),
            };
            flat(response_norm(map(&leaves[0], dims, order), &weights))
        };
        let lengths = [dims.iter().product(), channels, channels];
        Step { lengths: &lengths, compute: &compute }.check()?;
    }

    #[test]
    fn convnext_blocks(
        dims in dims(), order in order(), half in 0..4_usize, second_version: bool,
    ) {
        let ([_, channels, ..], kernel, hidden) = (dims, 2 * half + 1, 5);
        let lengths = [
            dims.iter().product(),
            channels * kernel * kernel,
            channels,
            channels,
            channels,
            channels * hidden,
            hidden,
            hidden * channels,
            channels,
            hidden,
            hidden,
        ];
        let lengths = &lengths[..if second_version { 11 } else { 9 }];
        let compute = |leaves: &[Tensor<1>]| {
            let weights = ConvNextBlockWeights {
                depthwise: leaves[1].clone().reshape([channels, 1, kernel, kernel]),
                depthwise_bias: leaves[2].clone(),
                mlp: MlpWeights {
                    norm: layer_norm_weights(&leaves[3], &leaves[4]),
                    expand: leaves[5].clone().reshape([channels, hidden]) * 0.2,
                    expand_bias: leaves[6].clone(),
                    project: leaves[7].clone().reshape([hidden, channels]) * 0.2,
                    project_bias: leaves[8].clone(),
                },
                response_norm: second_version.then(|| ResponseNormWeights {
                    weight: leaves[9].clone(),
                    bias: leaves[10].clone(),
                }),
            };
            flat(convnext_block(map(&leaves[0], dims, order), &weights))
        };
        Step { lengths, compute: &compute }.check()?;
    }

    /// Labels below 0, at and past the number of classes, and an ignored class among them.
    #[test]
    fn cross_entropies(dims in dims(), order in order(), size in [1..70_usize, 1..20], step in 1..9_usize) {
        let [batch, channels, ..] = dims;
        let classes = channels + 3;
        let labels = (0..batch * size[0] * size[1]).map(|index| index * step % classes);
        let labels: Vec<i64> = labels
            .map(|label| i64::try_from(label).expect("labels are small") - 1)
            .collect();
        let labels = TensorData::new(labels, [batch, size[0], size[1]]);
        let compute = |leaves: &[Tensor<1>]| {
            let logits = map(&leaves[0], dims, order) * 3.0;
            let labels = Tensor::<3, Int>::from_data(labels.clone(), &logits.device());
            resized_cross_entropy(logits, labels, 1) * 5.0
        };
        Step { lengths: &[dims.iter().product()], compute: &compute }.check()?;
    }

    /// Some classes weigh nothing, and labels are smoothed little, much, entirely or not at all.
    #[test]
    fn weighted_and_smoothed_cross_entropies(
        dims in dims(),
        order in order(),
        size in [1..70_usize, 1..20],
        step in 1..9_usize,
        weigh: bool,
        label_smoothing in prop_oneof![Just(0.0_f32), Just(1.0), 0.0..1.0_f32],
    ) {
        let [batch, channels, ..] = dims;
        let labels = (0..batch * size[0] * size[1]).map(|index| index * step % (channels + 1));
        let labels: Vec<i64> = labels
            .map(|label| i64::try_from(label).expect("labels are small"))
            .collect();
        let labels = TensorData::new(labels, [batch, size[0], size[1]]);
        let weights = || noise(channels, step).iter().map(|value| value.max(0.0)).collect();
        let settings = CrossEntropy {
            class_weights: weigh.then(weights),
            label_smoothing,
            ..CrossEntropy::new(i64::try_from(channels).expect("channels are few"))
        };
        let compute = |leaves: &[Tensor<1>]| {
            let logits = map(&leaves[0], dims, order) * 3.0;
            let labels = Tensor::<3, Int>::from_data(labels.clone(), &logits.device());
            // The gradient of a pixel is about 1 in size, so that the tolerance is that of each.
            settings.forward_resized(logits, labels) * (batch * size[0] * size[1]) as f64
        };
        Step { lengths: &[dims.iter().product()], compute: &compute }.check()?;
    }

    /// Labels below 0, at and past the number of classes, and an ignored class among them.
    #[test]
    fn probabilities_of_labels(dims in dims(), order in order(), size in [1..70_usize, 1..20], step in 1..9_usize) {
        let [batch, channels, ..] = dims;
        let labels = (0..batch * size[0] * size[1]).map(|index| index * step % (channels + 3));
        let labels: Vec<i64> = labels
            .map(|label| i64::try_from(label).expect("labels are small") - 1)
            .collect();
        let labels = TensorData::new(labels, [batch, size[0], size[1]]);
        let labels = Tensor::<3, Int>::from_data(labels, &Device::flex());
        let leaf = noise(dims.iter().product(), step);
        let leaf = Tensor::<1>::from_floats(leaf.as_slice(), &Device::flex());
        let logits = map(&leaf, dims, order) * 3.0;
        let expected = label_probabilities(logits.clone().cast(DType::F64), &labels, 1);
        let actual = label_probabilities(logits.autodiff(), &labels, 1);
        prop_assert!(!actual.is_autodiff());
        prop_assert_eq!(actual.dims(), [batch, size[0], size[1]]);
        for (actual, expected) in values(actual.reshape([-1])).iter().zip(values(expected.reshape([-1]))) {
            prop_assert!((actual - expected).abs() <= 1e-5, "{} instead of {}", actual, expected);
        }
    }
}

/// A unit that GELU has switched off is 0 in the whole image; the root of its squares has no slope.
#[test]
fn a_response_norm_of_a_silent_channel_has_gradients() {
    let dims = [2, 3, 4, 5];
    let compute = |leaves: &[Tensor<1>]| {
        let switches = Tensor::<1>::from_floats([1.0, 0.0, 1.0], &leaves[0].device());
        let switches = switches.cast(leaves[0].dtype()).reshape([1, 3, 1, 1]);
        let weights = ResponseNormWeights {
            weight: leaves[1].clone(),
            bias: leaves[2].clone(),
        };
        let x = map(&leaves[0], dims, Order::ChannelsLast) * switches;
        flat(response_norm(x, &weights))
    };
    let step = Step {
        lengths: &[2 * 3 * 4 * 5, 3, 3],
        compute: &compute,
    };
    step.check().expect("finite and the same in both forms");
}
