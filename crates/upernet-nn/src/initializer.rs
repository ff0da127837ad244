//! Layers with weights as Hugging Face draws them: normal weights, zero bias.
//!
//! burn draws the bias from the same distribution as the weight, hence these helpers.
//! Upstream: `PreTrainedModel._init_weights`.

use burn::{
    module::{Module, ModuleVisitor, Param},
    nn::{
        Initializer, Linear, LinearConfig,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};

/// Builds a convolution with weights from a normal distribution of the given standard deviation
/// and, if it has one, a zero bias.
#[must_use]
pub fn conv2d(config: &Conv2dConfig, std: f64, device: &Device) -> Conv2d {
    let mut conv = config.clone().with_initializer(normal(std)).init(device);
    conv.bias = conv.bias.map(|bias| zeros_like(&bias, device));
    conv
}

/// Builds a linear layer with weights from a normal distribution of the given standard deviation
/// and, if it has one, a zero bias.
#[must_use]
pub fn linear(config: &LinearConfig, std: f64, device: &Device) -> Linear {
    let mut linear = config.clone().with_initializer(normal(std)).init(device);
    linear.bias = linear.bias.map(|bias| zeros_like(&bias, device));
    linear
}

/// Draws every parameter of `module` that has no value yet, in the order of its fields.
///
/// burn draws a parameter when it is first used, so the values would depend on the order of use:
/// call `device.seed(seed)`, build the module, then call this for weights that a seed decides.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use upernet_nn::{ConvModuleConfig, initializer};
///
/// let device = Device::flex();
/// device.seed(7);
/// let module = ConvModuleConfig::new([3, 8], 3).init(&device);
/// initializer::draw_all(&module);
/// ```
pub fn draw_all<M: Module>(module: &M) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let _ = param.val();
        }
    }
    module.visit(&mut Draw);
}

fn normal(std: f64) -> Initializer {
    Initializer::Normal { mean: 0.0, std }
}

fn zeros_like(bias: &Param<Tensor<1>>, device: &Device) -> Param<Tensor<1>> {
    Initializer::Zeros.init(bias.lazy_shape(), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_std(tensor: Tensor<2>) -> (f32, f32) {
        let values: Vec<f32> = tensor.into_data().try_to_vec().expect("f32 weights");
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        (mean, var.sqrt())
    }

    #[test]
    fn weights_are_normal_and_bias_is_zero() {
        let device = Device::flex();
        device.seed(1);
        let layer = linear(&LinearConfig::new(200, 300), 0.02, &device);
        let (mean, std) = mean_and_std(layer.weight.val());
        // 60,000 draws: the mean's standard error is 8e-5, the deviation's 6e-5.
        assert!(mean.abs() < 5e-4, "mean {mean}");
        assert!((std - 0.02).abs() < 4e-4, "std {std}");
        let bias: Vec<f32> = layer
            .bias
            .expect("has a bias")
            .val()
            .into_data()
            .try_to_vec()
            .expect("f32 bias");
        assert!(bias.iter().all(|&value| value == 0.0));
    }
}
