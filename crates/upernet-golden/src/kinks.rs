//! How far rounding alone moves gradients.
//!
//! A ReLU whose input is within rounding of zero is open in one program and closed in another, and with
//! it goes its whole share of every gradient below: some thousandths of their norms in networks as small
//! as those of the golden folders. No precision of the reference tells, as all of its own runs may fall
//! on one side. What tells is the network itself, run again with pixels that differ in their last bits:
//! its outputs stay, and its gradients move if there is such a kink.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use upernet_hf::config::HfConfig;
use upernet_zoo::Model;

use crate::{
    Case,
    suite::{Gathered, values},
};

/// By how much pixels move, relative to their values: about what a sum of a hundred products loses.
const STEP: f32 = 1e-6;
/// How often they are moved, each time in other directions: an input of a ReLU that is near enough to
/// zero crosses it half of the time.
const TIMES: u64 = 8;

/// Measures the largest L2 norm of the difference of each gradient, by the names of expected tensors.
///
/// Only a folder whose comparison of gradients fails needs it.
pub(crate) fn measure(
    case: &Case,
    model: &Model,
    config: &HfConfig,
    device: &Device,
) -> BTreeMap<String, f64> {
    let device = device.clone().autodiff();
    let still = gradients(case, model, config, case.pixel_values(&device), &device);
    let mut moved: BTreeMap<String, f64> = BTreeMap::new();
    for time in 0..TIMES {
        let pixel_values = case.pixel_values(&device) * (signs(case, time, &device) * STEP + 1.0);
        for (name, found) in gradients(case, model, config, pixel_values, &device) {
            let pairs = found.iter().zip(&still[&name]);
            let squares: f64 = pairs
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                .sum();
            let most = moved.entry(name).or_default();
            *most = most.max(squares.sqrt());
        }
    }
    moved
}

fn gradients(
    case: &Case,
    model: &Model,
    config: &HfConfig,
    pixel_values: Tensor<4>,
    device: &Device,
) -> BTreeMap<String, Vec<f32>> {
    let pixel_values = pixel_values.detach().require_grad();
    let output = model.forward_with_labels(pixel_values.clone(), case.labels(device));
    let found = output.loss.backward();
    let input = pixel_values.grad(&found).expect("it asks for its gradient");
    let parameters = Gathered::from(model, config, &found).gradients.into_iter();
    let mut named: BTreeMap<String, Vec<f32>> = parameters
        .map(|(key, gradient)| (format!("train.grad.{key}"), gradient))
        .collect();
    named.insert("train.grad_input".to_owned(), values(input));
    named
}

/// 1 or -1 for each pixel, others at each time.
fn signs(case: &Case, time: u64, device: &Device) -> Tensor<4> {
    let (shape, pixels) = case.input_values("pixel_values");
    // splitmix64, Steele et al. (2014), of the position.
    let sign = |index: u64| {
        let mut bits = (index + 1 + time * 0x1_0000_0000).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        if bits >> 63 == 0 { 1.0_f32 } else { -1.0 }
    };
    let signs: Vec<f32> = (0..pixels.len() as u64).map(sign).collect();
    Tensor::from_data(TensorData::new(signs, shape.to_vec()), device)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::module::Module;
    use upernet_hf::ModelFolder;
    use upernet_zoo::load;

    use super::*;

    /// What is allowed for kinks is nothing where there are none: most gradients hardly move.
    #[test]
    fn gradients_away_from_a_kink_stay() {
        let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens");
        for name in ["swin", "convnext"] {
            let folder = ModelFolder::open(&goldens.join(name)).expect("a golden folder");
            let case = Case::read(&goldens.join(name));
            let (model, _) = load(&folder, &Device::flex()).expect("it fits its config");
            let moved = measure(&case, &model.train(), &folder.config, &Device::flex());
            let large = case.grad_norms.values().copied().fold(0.0, f64::max) * 1e-3;
            let still = case.grad_norms.iter().filter(|&(key, &norm)| {
                norm < large || moved[&format!("train.grad.{key}")] < 2e-4 * norm
            });
            let (still, all) = (still.count(), case.grad_norms.len());
            assert!(10 * still >= 9 * all, "{name}: {still} of {all}");
        }
    }
}
