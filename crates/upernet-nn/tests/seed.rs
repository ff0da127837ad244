//! A program of its own: the seed belongs to the device, and any test beside this one that draws a
//! number would change what comes next.

use burn::{nn::conv::Conv2dConfig, tensor::Device};
use upernet_nn::initializer::{conv2d, draw_all};

#[test]
fn the_seed_decides_the_weights() {
    let device = Device::flex();
    let draw = || {
        device.seed(3);
        let conv = conv2d(&Conv2dConfig::new([2, 4], [3, 3]), 0.02, &device);
        draw_all(&conv);
        conv.weight.val().into_data()
    };
    draw().assert_eq(&draw(), true);
}
