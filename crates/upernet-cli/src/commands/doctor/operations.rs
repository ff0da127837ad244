//! The operations that the network uses, each on odd sizes.
//!
//! An operation takes flat tensors and gives a flat tensor, so that one loop differentiates them all
//! and one signature serves its double in `host`.

use upernet::{
    burn::tensor::{
        Device, Int, Tensor, TensorData,
        activation::{log_softmax, relu, softmax},
        module::{adaptive_avg_pool2d, conv2d},
        ops::ConvOptions,
        s,
    },
    head::cross_entropy,
    nn::{BatchNorm2dConfig, LayerNorm2dConfig, gelu, resize_bilinear},
};

use super::{
    host,
    values::{difference, indices, to_i64, values},
};

/// How far an operation may be off.
pub(super) const ALLOWED: f64 = 1e-4;
/// Numbers of each input whose derivative is compared with 64-bit differences.
const SAMPLES: usize = 24;
/// Step of those differences: its square is far above f64's rounding, its effect far below f32's.
const STEP: f64 = 1e-5;

/// An operation with its double in 64 bits.
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// How many numbers each input has.
    lengths: &'static [usize],
    run: fn(&[Tensor<1>]) -> Tensor<1>,
    host: fn(&[Vec<f64>]) -> Vec<f64>,
}

impl Operation {
    /// Largest difference forward and backward between two devices.
    pub(super) fn compare(&self, device: &Device, reference: &Device) -> [f64; 2] {
        let actual = self.differentiate(device);
        let expected = self.differentiate(reference);
        let compare = |(a, e): (&Vec<f32>, &Vec<f32>)| difference(a, &to_f64(e));
        let forward = compare((&actual.0, &expected.0));
        (actual.1.iter().zip(&expected.1))
            .map(compare)
            .fold([forward, 0.0], worse)
    }

    /// The same between a device and the operation's double; of derivatives, a sample.
    pub(super) fn compare_with_host(&self, device: &Device) -> [f64; 2] {
        let (output, gradients) = self.differentiate(device);
        let inputs: Vec<Vec<f64>> = self.inputs().iter().map(|input| to_f64(input)).collect();
        let forward = difference(&output, &(self.host)(&inputs));
        let pairs = gradients.iter().enumerate().map(|(index, gradient)| {
            let chosen = sample(gradient.len());
            let actual: Vec<f32> = chosen.iter().map(|&place| gradient[place]).collect();
            let expected: Vec<f64> = chosen
                .iter()
                .map(|&place| self.slope(&inputs, index, place))
                .collect();
            difference(&actual, &expected)
        });
        pairs.fold([forward, 0.0], worse)
    }

    fn inputs(&self) -> Vec<Vec<f32>> {
        (1..)
            .zip(self.lengths)
            .map(|(seed, &length)| values(seed, length))
            .collect()
    }

    /// The output, and the gradient of its product with fixed numbers for each input.
    fn differentiate(&self, device: &Device) -> (Vec<f32>, Vec<Vec<f32>>) {
        let device = device.clone().autodiff();
        let flat = |values: Vec<f32>| {
            let length = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [length]), &device)
        };
        let inputs = self
            .inputs()
            .into_iter()
            .map(|input| flat(input).require_grad());
        let inputs: Vec<Tensor<1>> = inputs.collect();
        let output = (self.run)(&inputs);
        let [length] = output.dims();
        let gradients = (output.clone() * flat(weights(length))).sum().backward();
        let gradient = |input: &Tensor<1>| {
            input
                .grad(&gradients)
                .map(read)
                .expect("every input takes part in the result")
        };
        (read(output), inputs.iter().map(gradient).collect())
    }

    /// The derivative after one number, by a central difference.
    fn slope(&self, inputs: &[Vec<f64>], index: usize, place: usize) -> f64 {
        let at = |step: f64| {
            let mut inputs = inputs.to_vec();
            inputs[index][place] += step;
            let output = (self.host)(&inputs);
            let weights = weights(output.len());
            output
                .iter()
                .zip(weights)
                .map(|(o, w)| o * f64::from(w))
                .sum::<f64>()
        };
        (at(STEP) - at(-STEP)) / (2.0 * STEP)
    }
}

fn worse([forward, backward]: [f64; 2], other: f64) -> [f64; 2] {
    [forward, backward.max(other)]
}

/// What each output counts in the sum that is differentiated.
fn weights(length: usize) -> Vec<f32> {
    values(99, length)
}

/// Places anywhere in a tensor.
fn sample(length: usize) -> Vec<usize> {
    indices(98, SAMPLES, length)
}

fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

fn read(tensor: Tensor<1>) -> Vec<f32> {
    tensor
        .try_into_vec_as()
        .expect("a float tensor holds floats")
}

fn conv<const C: usize>(
    inputs: &[Tensor<1>],
    x: [usize; 4],
    weight: [usize; 4],
    [stride, padding, groups]: [usize; 3],
) -> Tensor<1> {
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], groups);
    let [data, kernel, bias] = [0, 1, 2].map(|index| inputs[index].clone());
    // Weights of the usual size, so that sums stay near 1.
    let scale = 1.0 / (C as f64).sqrt();
    flatten(conv2d(
        data.reshape(x),
        kernel.reshape(weight) * scale,
        Some(bias),
        options,
    ))
}

fn flatten<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    tensor.reshape([-1])
}

fn first<const D: usize>(inputs: &[Tensor<1>], shape: [usize; D]) -> Tensor<D> {
    inputs[0].clone().reshape(shape)
}

fn int<const D: usize>(values: Vec<usize>, shape: [usize; D], like: &Tensor<1>) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(to_i64(values), shape), &like.device())
}

/// Every operation, as the network uses it.
pub(super) const ALL: [Operation; 24] = [
    Operation {
        name: "convolution 3x3",
        lengths: &[2 * 19 * 23 * 17, 33 * 19 * 9, 33],
        run: |x| conv::<{ 19 * 9 }>(x, [2, 19, 23, 17], [33, 19, 3, 3], [1, 1, 1]),
        host: |x| host::conv(x, [2, 19, 23, 17], [33, 19, 3, 3], [1, 1, 1]),
    },
    Operation {
        name: "convolution 1x1",
        lengths: &[37 * 15 * 21, 53 * 37, 53],
        run: |x| conv::<37>(x, [1, 37, 15, 21], [53, 37, 1, 1], [1, 0, 1]),
        host: |x| host::conv(x, [1, 37, 15, 21], [53, 37, 1, 1], [1, 0, 1]),
    },
    Operation {
        name: "depthwise convolution 7x7",
        lengths: &[2 * 21 * 19 * 17, 21 * 49, 21],
        run: |x| conv::<49>(x, [2, 21, 19, 17], [21, 1, 7, 7], [1, 3, 21]),
        host: |x| host::conv(x, [2, 21, 19, 17], [21, 1, 7, 7], [1, 3, 21]),
    },
    Operation {
        name: "patch convolution 4x4",
        lengths: &[3 * 30 * 37, 24 * 3 * 16, 24],
        run: |x| conv::<48>(x, [1, 3, 30, 37], [24, 3, 4, 4], [4, 0, 1]),
        host: |x| host::conv(x, [1, 3, 30, 37], [24, 3, 4, 4], [4, 0, 1]),
    },
    Operation {
        name: "downsampling convolution 2x2",
        lengths: &[2 * 9 * 15 * 13, 17 * 9 * 4, 17],
        run: |x| conv::<36>(x, [2, 9, 15, 13], [17, 9, 2, 2], [2, 0, 1]),
        host: |x| host::conv(x, [2, 9, 15, 13], [17, 9, 2, 2], [2, 0, 1]),
    },
    Operation {
        name: "matrix product",
        lengths: &[47 * 33, 33 * 29],
        run: |x| flatten(first(x, [47, 33]).matmul(x[1].clone().reshape([33, 29]))),
        host: |x| host::matmul(x, [1, 47, 33, 29]),
    },
    Operation {
        name: "batched matrix product",
        lengths: &[6 * 49 * 17, 6 * 17 * 31],
        run: |x| flatten(first(x, [6, 49, 17]).matmul(x[1].clone().reshape([6, 17, 31]))),
        host: |x| host::matmul(x, [6, 49, 17, 31]),
    },
    Operation {
        name: "softmax",
        lengths: &[7 * 5 * 49],
        run: |x| flatten(softmax(first(x, [7, 5, 49]) * 4.0, 2)),
        host: |x| host::softmax(&x[0], [35, 49, 1], 4.0),
    },
    Operation {
        name: "log-softmax over channels",
        lengths: &[2 * 11 * 9 * 7],
        run: |x| flatten(log_softmax(first(x, [2, 11, 9, 7]) * 4.0, 1)),
        host: |x| host::log_softmax(&x[0], [2, 11, 63], 4.0),
    },
    Operation {
        name: "layer norm",
        lengths: &[2 * 37 * 5 * 7],
        run: |x| {
            let norm = LayerNorm2dConfig::new(37, 1e-6).init(&x[0].device());
            flatten(norm.forward(first(x, [2, 37, 5, 7])))
        },
        host: |x| host::layer_norm(&x[0], [2, 37, 35], 1e-6),
    },
    Operation {
        name: "batch norm in training",
        lengths: &[3 * 5 * 7 * 9],
        run: |x| {
            let norm = BatchNorm2dConfig::new(5).init(&x[0].device());
            flatten(norm.forward(first(x, [3, 5, 7, 9])))
        },
        host: |x| host::batch_norm(&x[0], [3, 5, 63], 1e-5),
    },
    Operation {
        name: "gelu",
        lengths: &[1013],
        run: |x| gelu(x[0].clone() * 5.0),
        host: |x| x[0].iter().map(|x| host::gelu(5.0 * x)).collect(),
    },
    Operation {
        name: "erf",
        lengths: &[1013],
        run: |x| (x[0].clone() * 4.0).erf(),
        host: |x| x[0].iter().map(|x| host::erf(4.0 * x)).collect(),
    },
    Operation {
        name: "relu",
        lengths: &[1013],
        run: |x| relu(x[0].clone()),
        host: |x| x[0].iter().map(|x| x.max(0.0)).collect(),
    },
    Operation {
        name: "adaptive average pooling to 6x6",
        lengths: &[2 * 5 * 13 * 17],
        run: |x| flatten(adaptive_avg_pool2d(first(x, [2, 5, 13, 17]), [6, 6])),
        host: |x| host::adaptive_pool(&x[0], [10, 13, 17], [6, 6]),
    },
    Operation {
        name: "adaptive average pooling to 1x1",
        lengths: &[2 * 5 * 13 * 17],
        run: |x| flatten(adaptive_avg_pool2d(first(x, [2, 5, 13, 17]), [1, 1])),
        host: |x| host::adaptive_pool(&x[0], [10, 13, 17], [1, 1]),
    },
    Operation {
        name: "bilinear resize up",
        lengths: &[2 * 7 * 9 * 11],
        run: |x| flatten(resize_bilinear(first(x, [2, 7, 9, 11]), [31, 27])),
        host: |x| host::bilinear(&x[0], [14, 9, 11], [31, 27]),
    },
    Operation {
        name: "bilinear resize down",
        lengths: &[2 * 7 * 23 * 19],
        run: |x| flatten(resize_bilinear(first(x, [2, 7, 23, 19]), [7, 5])),
        host: |x| host::bilinear(&x[0], [14, 23, 19], [7, 5]),
    },
    Operation {
        name: "permute and reshape",
        lengths: &[2 * 3 * 5 * 7],
        run: |x| {
            flatten(
                first(x, [2, 3, 5, 7])
                    .permute([3, 0, 2, 1])
                    .reshape([35, 6])
                    .transpose(),
            )
        },
        host: |x| host::permute(&x[0]),
    },
    Operation {
        name: "slice with step and join",
        lengths: &[9 * 11],
        run: |x| {
            let x = first(x, [9, 11]);
            let (even, odd) = (
                x.clone().slice(s![0..;2, 1..10;3]),
                x.slice(s![1..;2, 1..10;3]),
            );
            flatten(Tensor::cat(vec![even, odd], 0))
        },
        host: |x| host::slice_and_join(&x[0]),
    },
    Operation {
        name: "roll",
        lengths: &[2 * 7 * 9],
        run: |x| flatten(first(x, [2, 7, 9]).roll(&[-3, 2], &[1, 2])),
        host: |x| host::roll(&x[0]),
    },
    Operation {
        name: "gather",
        lengths: &[13 * 7],
        run: |x| {
            let index = int(indices(5, 21 * 7, 13), [21, 7], &x[0]);
            flatten(first(x, [13, 7]).gather(0, index))
        },
        host: |x| {
            let index = indices(5, 21 * 7, 13).into_iter().enumerate();
            index
                .map(|(place, row)| x[0][row * 7 + place % 7])
                .collect()
        },
    },
    Operation {
        name: "rows by index",
        lengths: &[25 * 3],
        run: |x| flatten(first(x, [25, 3]).select(0, int(indices(6, 81, 25), [81], &x[0]))),
        host: |x| {
            let rows = indices(6, 81, 25).into_iter();
            rows.flat_map(|row| x[0][row * 3..][..3].to_vec()).collect()
        },
    },
    Operation {
        name: "cross-entropy with ignored pixels",
        lengths: &[2 * 11 * 7 * 9],
        run: |x| {
            let labels = int(host::pixel_labels(), [2, 7, 9], &x[0]);
            cross_entropy(first(x, [2, 11, 7, 9]) * 4.0, labels, 255)
        },
        host: |x| host::cross_entropy(&x[0]),
    },
];
