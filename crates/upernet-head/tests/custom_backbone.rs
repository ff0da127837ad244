//! A backbone that this project does not know, under its head: what `docs/` walks through.

use burn::{
    module::Module,
    nn::{
        PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Distribution, Int, Tensor, Tolerance, activation::relu},
};
use upernet_head::{AuxiliaryHeadConfig, UperNet, UperNetConfig};
use upernet_nn::{Backbone, FeaturePyramid, Precision};

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
        Self {
            stages: vec![stage([3, 8], 4), stage([8, 12], 2), stage([12, 16], 2)],
        }
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

fn model(device: &Device) -> UperNet<Toy> {
    UperNetConfig::new(5)
        .with_hidden_size(16)
        .with_auxiliary_head(Some(AuxiliaryHeadConfig::new().with_channels(8)))
        .init(Toy::new(device), device)
}

fn scene(batch: usize, device: &Device) -> (Tensor<4>, Tensor<3, Int>) {
    let pixel_values = Tensor::random([batch, 3, 45, 67], Distribution::Normal(0.0, 1.0), device);
    let labels = Tensor::random([batch, 45, 67], Distribution::Uniform(0.0, 5.0), device);
    (pixel_values, labels)
}

#[test]
fn infers_at_odd_sizes() {
    let device = Device::flex();
    let (pixel_values, labels) = scene(1, &device);
    let model = model(&device);
    let output = model.forward_with_labels(pixel_values.clone(), labels);
    assert_eq!(output.decode_logits.dims(), [1, 5, 12, 17]);
    assert_eq!(
        output.aux_logits.map(|logits| logits.dims()),
        Some([1, 5, 3, 5])
    );
    let logits = model.forward(pixel_values);
    assert_eq!(logits.dims(), [1, 5, 45, 67]);
    logits
        .into_data()
        .assert_eq(&output.logits.into_data(), true);
}

/// The backbone has no prepared form of its own, so it goes through as it is.
#[test]
fn an_unknown_backbone_is_prepared_too() {
    let device = Device::flex();
    let (pixel_values, _) = scene(2, &device);
    let model = model(&device);
    let expected = model.forward(pixel_values.clone()).into_data();
    let model = model.prepare(Precision::F32);
    let actual = model.forward(pixel_values).into_data();
    actual.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
}

#[test]
fn a_model_in_training_is_prepared_for_plain_tensors() {
    let device = Device::flex();
    let model = model(&device.clone().autodiff());
    let (pixel_values, labels) = scene(2, &device);
    // Moves the running statistics away from those of a fresh layer.
    let on_tape = pixel_values.clone().autodiff();
    let _ = model.forward_with_labels(on_tape, labels.autodiff());
    let expected = model.valid().forward(pixel_values.clone()).into_data();
    let model = model.prepare(Precision::F32);
    let actual = model.forward(pixel_values).into_data();
    actual.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
}

#[test]
fn a_step_of_gradient_descent_lowers_the_loss() {
    let device = Device::flex().autodiff();
    device.seed(11);
    let (pixel_values, labels) = scene(2, &device);
    let model = model(&device);
    let output = model.forward_with_labels(pixel_values.clone(), labels.clone());
    let gradients = output.loss.backward();
    let before: f32 = output.loss.into_scalar();

    let model = descend(model, &gradients, 0.05);
    let after: f32 = model
        .forward_with_labels(pixel_values, labels)
        .loss
        .into_scalar();
    assert!(after < before, "{before} -> {after}");
}

/// Batch 1 leaves a single value per channel after the 1 x 1 pooling; `BatchNorm2d` says what then.
#[test]
fn batch_one_trains_without_nan() {
    let device = Device::flex().autodiff();
    let (pixel_values, labels) = scene(1, &device);
    let model = model(&device);
    let output = model.forward_with_labels(pixel_values, labels);
    let gradients = output.loss.backward();
    let loss: f32 = output.loss.into_scalar();
    assert!(loss.is_finite(), "{loss}");
    for (name, gradient) in named_gradients(&model, &gradients) {
        assert!(gradient.iter().all(|value| value.is_finite()), "{name}");
    }
}

#[test]
#[should_panic(expected = "the auxiliary head expects 12 channels, the third map has 16")]
fn refuses_an_auxiliary_head_for_other_channels() {
    let device = Device::flex();
    let head = AuxiliaryHeadConfig::new().with_in_channels(Some(12));
    let _ = UperNetConfig::new(5)
        .with_auxiliary_head(Some(head))
        .init(Toy::new(&device), &device);
}

/// Plain gradient descent, so that the test needs no optimiser crate.
fn descend<M: Module>(model: M, gradients: &burn::tensor::Gradients, rate: f64) -> M {
    struct Descend<'a> {
        gradients: &'a burn::tensor::Gradients,
        rate: f64,
    }
    impl burn::module::ModuleMapper for Descend<'_> {
        fn map_float<const D: usize>(
            &mut self,
            param: burn::module::Param<Tensor<D>>,
        ) -> burn::module::Param<Tensor<D>> {
            match param.val().grad(self.gradients) {
                Some(gradient) => param.map(|value| {
                    Tensor::from_inner(value.inner() - gradient * self.rate).require_grad()
                }),
                None => param,
            }
        }
    }
    model.map(&mut Descend { gradients, rate })
}

fn named_gradients<M: Module>(
    model: &M,
    gradients: &burn::tensor::Gradients,
) -> Vec<(String, Vec<f32>)> {
    struct Collect<'a> {
        gradients: &'a burn::tensor::Gradients,
        path: Vec<String>,
        found: Vec<(String, Vec<f32>)>,
    }
    impl burn::module::ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.gradients) {
                let values = gradient.into_data().try_to_vec().expect("f32 gradient");
                self.found.push((self.path.join("."), values));
            }
        }
    }
    let mut collect = Collect {
        gradients,
        path: Vec::new(),
        found: Vec::new(),
    };
    model.visit(&mut collect);
    assert!(!collect.found.is_empty(), "no parameter has a gradient");
    collect.found
}
