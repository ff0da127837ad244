//! Layers that mix channels.

use burn::tensor::Tensor;
use burn::tensor::{module::conv2d, ops::ConvOptions};
use proptest::prelude::*;
use upernet_ops::{
    Activation, Precision, PreparedConv3x3, PreparedDepthwiseConv, PreparedLinear,
    PreparedStridedConv, PreparedUpsampleConv3x3, conv3x3, depthwise_conv, linear, resize_bilinear,
    strided_conv, upsample_conv3x3,
};

use crate::support::{assert_close, burns_conv3x3, cases, in_f64};

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::None),
        Just(Activation::Relu),
        Just(Activation::Gelu)
    ]
}

proptest! {
    #[test]
    fn linear_layers(
        case in cases(1..50, 9), outputs in 1..70_usize, activation in activations(), bias: bool,
    ) {
        let weight = case.weight([case.channels, outputs]);
        let bias = bias.then(|| case.weight([outputs]));
        let prepared =
            PreparedLinear::new(weight.clone(), bias.clone(), activation, Precision::F32);
        let expected = linear(case.map(), weight.clone(), bias.clone(), activation);
        assert_close(prepared.forward(case.map()), expected, 1e-4)?;

        let residual = case.other(outputs, case.size);
        let sum = linear(case.map(), weight, bias, Activation::None) + residual.clone();
        let actual = prepared.forward_onto(case.map(), residual);
        assert_close(actual, activation.apply(sum), 1e-4)?;
    }

    #[test]
    fn three_by_three(
        case in cases(1..40, 11), outputs in 1..40_usize, activation in activations(), bias: bool,
    ) {
        let weight = case.weight([outputs, case.channels, 3, 3]);
        let bias = bias.then(|| case.weight([outputs]));
        let prepared =
            PreparedConv3x3::new(weight.clone(), bias.clone(), activation, Precision::F32);
        let plain = burns_conv3x3(case.map(), weight.clone(), bias.clone());
        let expected = activation.apply(plain.clone());
        assert_close(prepared.forward(case.map()), expected.clone(), 2e-4)?;
        assert_close(conv3x3(case.map(), weight, bias, activation), expected, 2e-4)?;

        let residual = case.other(outputs, case.size);
        let sum = plain + residual.clone();
        let actual = prepared.forward_onto(case.map(), residual);
        assert_close(actual, activation.apply(sum), 2e-4)?;
    }

    #[test]
    fn one_kernel_for_each_channel(
        case in cases(1..70, 40), half in 0..4_usize, activation in activations(),
    ) {
        let size = 2 * half + 1;
        let weight = case.weight([case.channels, 1, size, size]);
        let bias = case.weight([case.channels]);
        let options = ConvOptions::new([1, 1], [half; 2], [1, 1], case.channels);
        let plain = conv2d(case.map(), weight.clone(), Some(bias.clone()), options);
        let expected = activation.apply(plain);
        let prepared = PreparedDepthwiseConv::new(weight.clone(), bias.clone(), activation);
        assert_close(prepared.forward(case.map()), expected.clone(), 1e-4)?;
        assert_close(depthwise_conv(case.map(), weight, bias, activation), expected, 1e-4)?;
    }

    #[test]
    fn strided(
        case in cases(1..40, 13),
        outputs in 1..40_usize,
        half in 0..4_usize,
        stride in 1..4_usize,
        activation in activations(),
        bias: bool,
    ) {
        let size = 2 * half + 1;
        let weight = case.weight([outputs, case.channels, size, size]) * 0.5;
        let bias = bias.then(|| case.weight([outputs]));
        let options = ConvOptions::new([stride; 2], [half; 2], [1, 1], 1);
        let plain = conv2d(case.map(), weight.clone(), bias.clone(), options);
        let expected = activation.apply(plain.clone());
        let prepared = PreparedStridedConv::new(
            weight.clone(), bias.clone(), stride, activation, Precision::F32,
        );
        assert_close(prepared.forward(case.map()), expected.clone(), 1e-4)?;
        assert_close(strided_conv(case.map(), weight, bias, stride, activation), expected, 1e-4)?;

        let [_, _, height, width] = plain.dims();
        let residual = case.other(outputs, [height, width]);
        let sum = plain + residual.clone();
        let actual = prepared.forward_onto(case.map(), residual);
        assert_close(actual, activation.apply(sum), 1e-4)?;
    }

    /// Both the plain form and the kernel against what they save: resize, then convolve.
    #[test]
    fn three_by_three_of_a_resized_map(
        case in cases(1..40, 7), outputs in 1..40_usize, to in [1..14_usize, 1..14], bias: bool,
    ) {
        let weight = case.weight([outputs, case.channels, 3, 3]);
        let resized = resize_bilinear(case.map(), to);
        let expected = burns_conv3x3(resized, weight.clone(), None);
        let plain = upsample_conv3x3(case.map(), weight.clone(), to);
        assert_close(plain, expected.clone(), 1e-4)?;
        // No kernel takes 64 bits.
        let elsewhere = upsample_conv3x3(in_f64(case.map()), in_f64(weight.clone()), to);
        assert_close(elsewhere, expected.clone(), 1e-4)?;
        let bias = bias.then(|| case.weight([outputs]));
        let prepared = PreparedUpsampleConv3x3::new(weight, bias.clone(), Precision::F32);
        let expected = match bias {
            Some(bias) => expected + bias.reshape([1, outputs, 1, 1]),
            None => expected,
        };
        assert_close(prepared.forward(case.map(), to), expected.clone(), 1e-4)?;
        let sum: Tensor<4> = case.other(outputs, to);
        let actual = prepared.forward_onto(case.map(), sum.clone());
        assert_close(actual, expected + sum, 1e-4)?;
    }
}
