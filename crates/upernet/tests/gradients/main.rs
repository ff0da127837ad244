//! Gradients of the layers that networks are made of, on flex or the device that `UPERNET_DEVICE`
//! names.
//!
//! Every layer runs twice: on the device in f32, and by its defining formula on the host in f64
//! (`formulas.rs`). Expected gradients are central differences of the formula, so they share nothing
//! with burn or with this project's own code. burn has backends whose resize has no backward pass and
//! whose GELU has another function's: what passes here trains rightly.

mod formulas;

use formulas::{Convolution, Map};
use upernet::{
    burn::{
        module::Param,
        nn::LayerNormConfig,
        tensor::{
            Int, Tensor, TensorData,
            activation::softmax,
            module::{adaptive_avg_pool2d, batch_norm_train, conv2d},
            ops::ConvOptions,
        },
    },
    device,
    head::cross_entropy,
    nn::{LayerNorm2dConfig, gelu, resize_bilinear},
};

/// Largest difference, relative to the largest expected magnitude or to 1 if that is less. A GELU
/// differentiated as its tanh approximation is off by up to 9e-4.
const TOLERANCE: f64 = 2e-5;
/// Step of the central differences; their error is its square, about 1e-10, and rounding about 1e-11.
const STEP: f64 = 1e-5;

#[test]
fn resize_up_down_and_to_odd_sizes() {
    let sizes = [
        ([5, 7], [13, 9]),
        ([13, 9], [5, 7]),
        ([4, 11], [9, 3]),
        ([6, 8], [12, 16]),
        ([1, 1], [6, 5]),
        ([6, 5], [1, 1]),
        ([6, 5], [6, 11]),
        ([6, 5], [11, 5]),
    ];
    for (from, to) in sizes {
        let map = Map([2, 3, from[0], from[1]]);
        check(
            &format!("resize of {from:?} to {to:?}"),
            &[numbers(map.len())],
            |x| resize_bilinear(x[0].clone().reshape(map.0), to).reshape([-1]),
            |x| formulas::resize(&x[0], map, to),
        );
    }
}

#[test]
fn gelu_has_the_derivative_of_its_exact_form() {
    let x: Vec<f64> = (-48..=48).map(|eighths| f64::from(eighths) / 8.0).collect();
    check(
        "gelu",
        &[x],
        |x| gelu(x[0].clone()),
        |x| x[0].iter().map(|&x| formulas::gelu(x)).collect(),
    );
}

#[test]
fn layer_norm_of_tokens_and_of_maps() {
    let (tokens, channels) = (5, 7);
    check(
        "layer norm of tokens",
        &[
            numbers(tokens * channels),
            numbers(channels),
            numbers(channels),
        ],
        |x| {
            let config = LayerNormConfig::new(channels).with_epsilon(1e-6);
            let mut norm = config.init(&x[0].device());
            norm.gamma = Param::from_tensor(x[1].clone());
            norm.beta = Some(Param::from_tensor(x[2].clone()));
            let tokens = x[0].clone().reshape([1, tokens, channels]);
            norm.forward(tokens).reshape([-1])
        },
        |x| formulas::layer_norm(&x[0], [&x[1], &x[2]], 1e-6),
    );

    let map = Map([1, channels, 1, tokens]);
    check(
        "layer norm of a map",
        &[numbers(map.len())],
        |x| {
            let norm = LayerNorm2dConfig::new(channels, 1e-6).init(&x[0].device());
            norm.forward(x[0].clone().reshape(map.0)).reshape([-1])
        },
        |x| {
            let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
            let rows = formulas::transpose(&x[0], [channels, tokens]);
            let normed = formulas::layer_norm(&rows, [&ones, &zeros], 1e-6);
            formulas::transpose(&normed, [tokens, channels])
        },
    );
}

#[test]
fn batch_norm_in_training_follows_the_batch() {
    let map = Map([3, 4, 3, 5]);
    check(
        "batch norm",
        &[numbers(map.len()), numbers(4), numbers(4)],
        |x| {
            let maps = x[0].clone().reshape(map.0);
            let trained = batch_norm_train(maps, x[1].clone(), x[2].clone(), 1e-5);
            trained.output.reshape([-1])
        },
        |x| formulas::batch_norm(&x[0], map, [&x[1], &x[2]], 1e-5),
    );
}

#[test]
fn convolutions_of_backbones_and_heads() {
    let convolution = |channels: [usize; 2], kernel, stride, padding, groups| Convolution {
        input: Map([2, channels[0], 9, 11]),
        out_channels: channels[1],
        kernel,
        stride,
        padding,
        groups,
    };
    let cases = [
        ("1 x 1", convolution([3, 5], 1, 1, 0, 1)),
        ("3 x 3", convolution([3, 5], 3, 1, 1, 1)),
        ("patches, with a remainder", convolution([3, 5], 4, 4, 0, 1)),
        ("2 x 2 down", convolution([4, 6], 2, 2, 0, 1)),
        ("depthwise 7 x 7", convolution([4, 4], 7, 1, 3, 4)),
    ];
    for (name, case) in cases {
        let weight = case.weight();
        let [stride, padding] = [case.stride, case.padding].map(|length| [length; 2]);
        let options = ConvOptions::new(stride, padding, [1, 1], case.groups);
        check(
            name,
            &[
                numbers(case.input.len()),
                numbers(weight.len()),
                numbers(case.out_channels),
            ],
            |x| {
                let maps = x[0].clone().reshape(case.input.0);
                let weight = x[1].clone().reshape(weight.0);
                conv2d(maps, weight, Some(x[2].clone()), options.clone()).reshape([-1])
            },
            |x| case.apply(&x[0], &x[1], &x[2]),
        );
    }
}

#[test]
fn pooling_to_every_grid_of_the_pyramid() {
    for (height, width) in [(7, 11), (4, 5)] {
        for scale in [1, 2, 3, 6] {
            let map = Map([2, 3, height, width]);
            check(
                &format!("pooling {height} x {width} to {scale} x {scale}"),
                &[numbers(map.len())],
                |x| adaptive_avg_pool2d(x[0].clone().reshape(map.0), [scale; 2]).reshape([-1]),
                |x| formulas::adaptive_avg_pool(&x[0], map, scale),
            );
        }
    }
}

#[test]
fn attention_with_a_table_of_shared_biases() {
    let [windows, heads, tokens, width] = [3, 2, 4, 5];
    let shape = [windows, heads, tokens, width];
    let length = windows * heads * tokens * width;
    // Rows of the table are used several times: their gradients add up.
    let rows: Vec<i32> = (0..16).map(|pair| pair * 5 % 7).collect();
    check(
        "attention",
        &[
            numbers(length),
            numbers(length),
            numbers(length),
            numbers(7 * heads),
        ],
        |x| {
            let index = TensorData::new(rows.clone(), [tokens * tokens]);
            let index = Tensor::<1, Int>::from_data(index, &x[0].device());
            let bias = x[3].clone().reshape([7, heads]).select(0, index);
            let bias = bias.reshape([tokens, tokens, heads]).permute([2, 0, 1]);
            let [query, key, value] = [0, 1, 2].map(|i| x[i].clone().reshape(shape));
            let logits = query.matmul(key.swap_dims(2, 3)) + bias.unsqueeze::<4>();
            softmax(logits, 3).matmul(value).reshape([-1])
        },
        |x| formulas::attention(x, shape, &rows),
    );
}

#[test]
fn cross_entropy_passes_over_ignored_pixels() {
    let map = Map([2, 5, 3, 4]);
    let labels: Vec<i32> = (0..24).map(|pixel| [0, 3, 255, 4, 1][pixel % 5]).collect();
    check(
        "cross-entropy",
        &[numbers(map.len())],
        |x| {
            let labels = TensorData::new(labels.clone(), [2, 3, 4]);
            let labels = Tensor::from_data(labels, &x[0].device());
            cross_entropy(x[0].clone().reshape(map.0), labels, 255)
        },
        |x| vec![formulas::cross_entropy(&x[0], map, &labels, 255)],
    );
}

/// Compares a layer's output, and the gradient of a weighted sum of it by each of `inputs`, with the
/// formula's. Inputs and output are flat.
fn check(
    name: &str,
    inputs: &[Vec<f64>],
    layer: impl Fn(&[Tensor<1>]) -> Tensor<1>,
    formula: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) {
    let device = device::from_env("UPERNET_DEVICE").expect("a device of this build");
    let device = device.autodiff();
    let tensors: Vec<Tensor<1>> = inputs
        .iter()
        .map(|values| Tensor::from_data(in_f32(values), &device).require_grad())
        .collect();
    let output = layer(&tensors);
    let expected = formula(inputs);
    assert_close(&format!("{name}: output"), &output, &expected);

    let weights = numbers(expected.len());
    let weighted = output * Tensor::from_data(in_f32(&weights), &device);
    let gradients = weighted.sum().backward();
    for (position, tensor) in tensors.iter().enumerate() {
        let expected = central_differences(inputs, position, |inputs| {
            let products = formula(inputs).into_iter().zip(&weights);
            products.map(|(value, weight)| value * weight).sum()
        });
        let gradient = tensor
            .grad(&gradients)
            .expect("the input asks for its gradient");
        assert_close(
            &format!("{name}: gradient {position}"),
            &gradient,
            &expected,
        );
    }
}

/// The gradient of `function` by the values of `inputs[position]`.
fn central_differences(
    inputs: &[Vec<f64>],
    position: usize,
    function: impl Fn(&[Vec<f64>]) -> f64,
) -> Vec<f64> {
    let mut inputs = inputs.to_vec();
    let indices = 0..inputs[position].len();
    indices
        .map(|index| {
            let before = inputs[position][index];
            let [above, below] = [STEP, -STEP].map(|step| {
                inputs[position][index] = before + step;
                function(&inputs)
            });
            inputs[position][index] = before;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

fn assert_close(name: &str, actual: &Tensor<1>, expected: &[f64]) {
    let actual: Vec<f64> = actual.to_data().iter::<f64>().collect();
    assert_eq!(actual.len(), expected.len(), "{name}: lengths differ");
    let largest = expected
        .iter()
        .fold(1.0, |largest: f64, value| largest.max(value.abs()));
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let difference = (actual - expected).abs() / largest;
        // A NaN is not within anything.
        assert!(
            difference <= TOLERANCE,
            "{name}: {actual} instead of {expected} at {index}, off by {difference:.1e}"
        );
    }
}

fn in_f32(values: &[f64]) -> TensorData {
    TensorData::new(values.to_vec(), [values.len()]).convert::<f32>()
}

/// Numbers between -2 and 2 in no order, exact in f32 too.
fn numbers(length: usize) -> Vec<f64> {
    (1..)
        .take(length)
        .map(|index: u32| f64::from(index.wrapping_mul(2_654_435_761) >> 20) / 1024.0 - 2.0)
        .collect()
}
