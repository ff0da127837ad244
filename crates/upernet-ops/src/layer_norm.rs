//! Layer normalisation over the channels of a map.
//!
//! Source: Ba et al., *Layer Normalization* (2016), <https://arxiv.org/abs/1607.06450>.

use burn::tensor::{Tensor, module};

use crate::{
    bytes::Bytes,
    differentiable,
    flex::{self, Map},
    form::Form,
    kernels::layer_norm as kernel,
};

/// Scale, shift and epsilon of a layer normalisation.
#[derive(Clone, Debug)]
pub struct LayerNormWeights {
    /// `[C]`.
    pub scale: Tensor<1>,
    /// `[C]`.
    pub shift: Tensor<1>,
    /// Added to the variance before the square root.
    pub epsilon: f64,
}

impl Bytes for LayerNormWeights {
    fn bytes(&self) -> usize {
        self.scale.bytes() + self.shift.bytes()
    }
}

/// Normalises every cell of a map over its channels.
///
/// # Shapes
///
/// - `x`, output: `[N, C, H, W]`
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::{LayerNormWeights, layer_norm};
///
/// let device = Device::flex();
/// let weights = LayerNormWeights {
///     scale: Tensor::ones([2], &device),
///     shift: Tensor::zeros([2], &device),
///     epsilon: 0.0,
/// };
/// let x = Tensor::<1>::from_floats([1.0, 3.0], &device).reshape([1, 2, 1, 1]);
/// let y: Vec<f32> = layer_norm(x, &weights).into_data().try_to_vec().unwrap();
/// assert_eq!(y, [-1.0, 1.0]);
/// ```
#[must_use]
pub fn layer_norm(x: Tensor<4>, weights: &LayerNormWeights) -> Tensor<4> {
    if let Some(y) = differentiable::layer_norm(&x, weights) {
        return y;
    }
    let x = x.permute([0, 2, 3, 1]); // [N, H, W, C]
    let (scale, shift) = (weights.scale.clone(), weights.shift.clone());
    module::layer_norm(x, scale, Some(shift), weights.epsilon).permute([0, 3, 1, 2]) // [N, C, H, W]
}

/// A [`layer_norm`] whose weights are laid out for inference.
#[derive(Debug)]
pub struct PreparedLayerNorm {
    form: Form<PackedNorm, LayerNormWeights>,
}

impl PreparedLayerNorm {
    /// Lays out the weights.
    #[must_use]
    pub fn new(weights: LayerNormWeights) -> Self {
        let device = weights.scale.device();
        let form = Form::new(weights, &device, PackedNorm::new);
        Self { form }
    }

    /// Normalises every cell of a map over its channels.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[N, C, H, W]`
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.form {
            Form::Kernel(norm) => {
                let x = Map::from_tensor(x);
                let mut y = Map::to_fill(x.dims());
                kernel::layer_norm(x.values(), norm.as_kernel(), y.values_mut());
                y.into_tensor()
            }
            Form::Plain(weights) => layer_norm(x, weights),
        }
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.form.bytes()
    }
}

/// The weights on the host.
#[derive(Debug)]
pub(crate) struct PackedNorm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) epsilon: f32,
}

impl Bytes for PackedNorm {
    fn bytes(&self) -> usize {
        self.scale.bytes() + self.shift.bytes()
    }
}

impl PackedNorm {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an epsilon has a few digits"
    )]
    pub(crate) fn new(weights: LayerNormWeights) -> Self {
        Self {
            scale: flex::values(weights.scale),
            shift: flex::values(weights.shift),
            epsilon: weights.epsilon as f32,
        }
    }

    pub(crate) fn as_kernel(&self) -> kernel::LayerNorm<'_> {
        kernel::LayerNorm {
            scale: &self.scale,
            shift: &self.shift,
            epsilon: self.epsilon,
        }
    }
}
