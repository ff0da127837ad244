//! A backbone of your own under the UPer head: one forward pass, one step of gradient descent.
//!
//!     cargo run --release -p upernet --example custom_backbone
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

// ANCHOR: backbone
use upernet::burn::{
    module::{Module, ModuleMapper, Param},
    nn::{
        PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Distribution, Gradients, Int, Tensor, activation::relu},
};
use upernet::head::{AuxiliaryHeadConfig, UperNet, UperNetConfig};
use upernet::nn::{Backbone, FeaturePyramid, Precision};

/// Strided convolutions, one per level.
#[derive(Module, Debug)]
struct Toy {
    stages: Vec<Conv2d>,
}

impl Toy {
    fn new(device: &Device) -> Self {
        let stage = |channels, stride| {
            Conv2dConfig::new(channels, [3, 3])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        let stages = vec![stage([3, 8], 4), stage([8, 12], 2), stage([12, 16], 2)];
        Self { stages }
    }
}

impl Backbone for Toy {
    fn channels(&self) -> Vec<usize> {
        vec![8, 12, 16]
    }

    fn strides(&self) -> Vec<usize> {
        vec![4, 8, 16]
    }

    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let mut x = pixel_values;
        let mut features = Vec::new();
        for stage in &self.stages {
            x = relu(stage.forward(x));
            features.push(x.clone());
        }
        FeaturePyramid::new(features)
    }
}
// ANCHOR_END: backbone

// ANCHOR: model
fn model(device: &Device) -> UperNet<Toy> {
    UperNetConfig::new(5)
        .with_hidden_size(16)
        .with_auxiliary_head(Some(AuxiliaryHeadConfig::new().with_channels(8)))
        .init(Toy::new(device), device)
}
// ANCHOR_END: model

// ANCHOR: step
fn main() {
    // Training is a property of the device: gradients are recorded on an autodiff device only.
    let device = Device::flex().autodiff();
    device.seed(11);
    let model = model(&device);
    let pixel_values = Tensor::random([2, 3, 45, 67], Distribution::Normal(0.0, 1.0), &device);
    let labels: Tensor<3, Int> =
        Tensor::random([2, 45, 67], Distribution::Uniform(0.0, 5.0), &device);

    let output = model.forward_with_labels(pixel_values.clone(), labels.clone());
    println!("feature maps {:?}", output.features.sizes());
    println!("logits       {:?}", output.logits.dims());

    let gradients = output.loss.backward();
    let before: f32 = output.loss.into_scalar();
    let model = model.map(&mut Descend {
        gradients: &gradients,
        rate: 0.5,
    });
    let after = model.forward_with_labels(pixel_values.clone(), labels).loss;
    let after: f32 = after.into_scalar();
    println!("loss         {before:.4} -> {after:.4}");

    // Inference takes the network without gradients, batch norms folded, weights laid out for kernels.
    let prepared = model.valid().prepare(Precision::F32);
    let logits = prepared.forward(pixel_values.inner());
    println!("prepared     {:?}", logits.dims());
}

/// Plain gradient descent; in earnest, take an optimiser of burn.
struct Descend<'a> {
    gradients: &'a Gradients,
    rate: f64,
}

impl ModuleMapper for Descend<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = param.val().grad(self.gradients) else {
            return param;
        };
        param.map(|value| Tensor::from_inner(value.inner() - gradient * self.rate).require_grad())
    }
}
// ANCHOR_END: step
