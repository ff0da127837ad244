//! What kernels return lies as the next kernel wants it, so nothing is copied in between.

use burn::{
    backend::Flex,
    tensor::{Device, Tensor},
};
use upernet_ops::{Activation, Precision, PreparedConv3x3, PreparedLinear, resize_bilinear};

/// Whether channels are innermost.
fn is_channels_last(x: &Tensor<4>) -> bool {
    let x = x.clone().try_into_primitive::<Flex>().expect("on flex");
    x.layout().permute(&[0, 2, 3, 1]).is_contiguous()
}

#[test]
fn maps_keep_their_channels_last() {
    if std::env::var("UPERNET_KERNELS").as_deref() == Ok("off") {
        return;
    }
    let device = Device::flex();
    let x = Tensor::ones([2, 3, 5, 7], &device);
    assert!(!is_channels_last(&x));
    let linear = PreparedLinear::new(
        Tensor::ones([3, 8], &device),
        None,
        Activation::Relu,
        Precision::F32,
    );
    let conv = PreparedConv3x3::new(
        Tensor::ones([4, 8, 3, 3], &device),
        None,
        Activation::Relu,
        Precision::F32,
    );
    let x = linear.forward(x);
    assert!(is_channels_last(&x));
    let x = conv.forward(x);
    assert!(is_channels_last(&x));
    assert!(is_channels_last(&resize_bilinear(x.clone(), [9, 9])));
}
