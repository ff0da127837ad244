//! Rotary positions: queries and keys are turned by angles that follow from a patch's place.
//!
//! Source: Su et al., *RoFormer* (2021), <https://arxiv.org/abs/2104.09864>; in two dimensions, DINOv3,
//! section 3.2. Upstream: `DINOv3ViTRopePositionEmbedding`, `apply_rotary_pos_emb`.

use burn::{
    module::{Flag, Module, Param},
    tensor::{Device, Distribution, Tensor, TensorData},
};

use crate::{RotaryAugmentation, tokens};

/// Computes the angles of the patches of an image; in training, of places that vary.
#[derive(Module, Debug)]
pub(crate) struct Rotary {
    training: Param<Flag>,
    base: f64,
    head_dim: usize,
    #[module(skip)]
    augmentation: RotaryAugmentation,
}

/// Cosines and sines of the angles of each patch, `[P, head_dim / 2]`.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rotary {
    /// # Panics
    ///
    /// Panics if a head's channels are not a multiple of 4: each of the two coordinates turns pairs.
    pub(crate) fn new(base: f64, head_dim: usize, augmentation: RotaryAugmentation) -> Self {
        assert!(
            head_dim.is_multiple_of(4),
            "rotary positions need heads of a multiple of 4 channels, got {head_dim}"
        );
        Self {
            training: Param::from_bool(true),
            base,
            head_dim,
            augmentation,
        }
    }

    /// The angles of a grid of `[height, width]` patches.
    pub(crate) fn rotation(&self, grid: [usize; 2], device: &Device) -> Rotation {
        let places = places(grid, device);
        let trains = device.is_autodiff() && self.training.is_enabled();
        let places = if trains {
            self.augmentation.apply(places)
        } else {
            places
        };
        let [patches, _] = places.dims();
        let quarter = self.head_dim / 4;
        let frequencies = self.frequencies(device).reshape([1, 1, quarter]);
        let angles = places.unsqueeze_dim::<3>(2) * frequencies; // [P, 2, head_dim / 4]
        let angles = angles.reshape([patches, 2 * quarter]);
        Rotation {
            cos: angles.clone().cos(),
            sin: angles.sin(),
        }
    }

    /// Radians by which a step of one turns each pair of channels.
    #[expect(clippy::cast_possible_truncation, reason = "upstream computes in f32")]
    fn frequencies(&self, device: &Device) -> Tensor<1> {
        let quarter = self.head_dim / 4;
        let frequency = |index: usize| {
            let exponent = index as f64 / quarter as f64;
            (std::f64::consts::TAU / self.base.powf(exponent)) as f32
        };
        let frequencies: Vec<f32> = (0..quarter).map(frequency).collect();
        Tensor::from_data(TensorData::new(frequencies, [quarter]), device)
    }
}

/// Row and column of each patch's centre, both from -1 to 1, `[P, 2]`.
#[expect(clippy::cast_possible_truncation, reason = "upstream computes in f32")]
fn places([height, width]: [usize; 2], device: &Device) -> Tensor<2> {
    let place =
        |index: usize, count: usize| (2.0 * (index as f64 + 0.5) / count as f64 - 1.0) as f32;
    let mut places = Vec::with_capacity(2 * height * width);
    for row in 0..height {
        for column in 0..width {
            places.extend([place(row, height), place(column, width)]);
        }
    }
    Tensor::from_data(TensorData::new(places, [height * width, 2]), device)
}

impl RotaryAugmentation {
    /// Draws what is asked for, on the places' device.
    fn apply(self, places: Tensor<2>) -> Tensor<2> {
        let device = places.device();
        let draw = |count: usize, reach: f64| {
            Tensor::<2>::random([1, count], Distribution::Uniform(-reach, reach), &device)
        };
        let mut places = places;
        if let Some(shift) = self.shift.filter(|&shift| shift > 0.0) {
            places = places + draw(2, shift);
        }
        for (reach, count) in [(self.jitter, 2), (self.rescale, 1)] {
            // A factor of 1 varies nothing.
            if let Some(reach) = reach.filter(|&reach| reach > 1.0) {
                places = places * draw(count, reach.ln()).exp();
            }
        }
        places
    }
}

impl Rotation {
    /// Turns the patches, which are the last of the tokens, in every head; before them is at least one.
    ///
    /// `x` is `[N, C, 1, L]`.
    pub(crate) fn apply(&self, x: Tensor<4>, num_heads: usize) -> Tensor<4> {
        let [batch, channels, _, length] = x.dims();
        let [patches, half] = self.cos.dims();
        let prefix = length - patches;
        let rows = tokens::to_rows(x);
        let heads =
            rows.clone()
                .narrow(1, prefix, patches)
                .reshape([batch, patches, num_heads, 2 * half]);
        let (left, right) = (
            heads.clone().narrow(3, 0, half),
            heads.narrow(3, half, half),
        );
        let by_patch = |table: &Tensor<2>| table.clone().reshape([1, patches, 1, half]);
        let (cos, sin) = (by_patch(&self.cos), by_patch(&self.sin));
        let turned = Tensor::cat(
            vec![
                left.clone() * cos.clone() - right.clone() * sin.clone(),
                right * cos + left * sin,
            ],
            3,
        );
        let turned = turned.reshape([batch, patches, channels]);
        tokens::from_rows(Tensor::cat(vec![rows.narrow(1, 0, prefix), turned], 1))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tolerance;

    use super::*;

    fn random(dims: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::random(dims, Distribution::Normal(0.0, 1.0), device)
    }

    #[test]
    fn turning_keeps_lengths_and_the_prefix() {
        let device = Device::flex();
        let rotary = Rotary::new(100.0, 8, RotaryAugmentation::none());
        let rotation = rotary.rotation([2, 3], &device);
        let x = random([2, 16, 1, 9], &device);
        let y = rotation.apply(x.clone(), 2);
        let lengths = |x: &Tensor<4>| x.clone().powi_scalar(2).sum_dim(1).into_data();
        let tolerance = Tolerance::<f32>::relative(1e-5);
        lengths(&y).assert_approx_eq(&lengths(&x), tolerance);
        let prefix = |x: &Tensor<4>| x.clone().narrow(3, 0, 3).into_data();
        prefix(&y).assert_eq(&prefix(&x), true);
        assert_ne!(y.into_data(), x.into_data());
    }

    /// What rotary positions are for: a logit depends on how far two patches are from each other alone.
    #[test]
    fn logits_depend_on_offsets_alone() {
        let device = Device::flex();
        let rotary = Rotary::new(100.0, 12, RotaryAugmentation::none());
        let rotation = rotary.rotation([3, 4], &device);
        // The same query and the same key at every patch, behind a class token.
        let everywhere = |x: Tensor<4>| rotation.apply(x.repeat_dim(3, 13), 1).narrow(3, 1, 12);
        let query = everywhere(random([1, 12, 1, 1], &device));
        let key = everywhere(random([1, 12, 1, 1], &device));
        let logit = |from: usize, to: usize| {
            let product = query.clone().narrow(3, from, 1) * key.clone().narrow(3, to, 1);
            product.sum().into_scalar::<f32>()
        };
        // One row down and one column to the right, from two places; four patches are a row.
        assert!((logit(0, 5) - logit(6, 11)).abs() < 1e-4);
        assert!((logit(0, 5) - logit(0, 6)).abs() > 1e-4, "columns matter");
        assert!((logit(0, 5) - logit(0, 9)).abs() > 1e-4, "rows matter");
    }

    #[test]
    fn training_varies_places_and_inference_does_not() {
        let varied = RotaryAugmentation {
            shift: Some(0.1),
            jitter: Some(1.2),
            rescale: Some(2.0),
        };
        let device = Device::flex();
        let tables =
            |rotary: &Rotary, device: &Device| rotary.rotation([2, 3], device).cos.into_data();
        let (plain, varying) = (
            Rotary::new(100.0, 8, RotaryAugmentation::none()),
            Rotary::new(100.0, 8, varied),
        );
        let expected = tables(&plain, &device);
        tables(&varying, &device).assert_eq(&expected, true);
        let autodiff = device.autodiff();
        tables(&plain, &autodiff).assert_eq(&expected, true);
        assert_ne!(tables(&varying, &autodiff), expected);
        tables(&varying.freeze(), &autodiff).assert_eq(&expected, true);
    }
}
