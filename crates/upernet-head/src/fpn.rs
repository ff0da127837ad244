//! The top-down path of a feature pyramid.
//!
//! Source: Lin et al., *Feature Pyramid Networks for Object Detection* (2017), section 3,
//! <https://arxiv.org/abs/1612.03144>.

use burn::tensor::Tensor;
use upernet_nn::resize_bilinear;

/// Adds to every level the already summed level above it, from the coarsest down.
///
/// `laterals` are `[N, C, H_i, W_i]`, finest first, all with the same channels.
pub(crate) fn top_down(mut laterals: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
    for level in (1..laterals.len()).rev() {
        let finer = laterals[level - 1].clone();
        let [_, _, height, width] = finer.dims();
        let coarser = resize_bilinear(laterals[level].clone(), [height, width]);
        laterals[level - 1] = finer + coarser;
    }
    laterals
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn sums_run_from_the_top_down() {
        let device = Device::flex();
        let laterals = vec![
            Tensor::full([1, 1, 5, 7], 1.0, &device),
            Tensor::full([1, 1, 3, 4], 10.0, &device),
            Tensor::full([1, 1, 2, 2], 100.0, &device),
        ];
        let means: Vec<f32> = top_down(laterals)
            .into_iter()
            .map(|map| map.mean().into_scalar())
            .collect();
        for (mean, expected) in means.iter().zip([111.0, 110.0, 100.0]) {
            assert!((mean - expected).abs() < 1e-4, "{means:?}");
        }
    }
}
