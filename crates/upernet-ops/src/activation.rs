//! The functions that a layer may apply to what it computes.

use burn::tensor::{Tensor, activation::relu};

use crate::gelu;

/// A function of every value of a map, applied before the map is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// [`gelu`], in its exact form.
    Gelu,
}

impl Activation {
    /// Applies the function to every value.
    ///
    /// # Example
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use upernet_ops::Activation;
    ///
    /// let x = Tensor::<1>::from_floats([-1.0, 2.0], &Device::flex());
    /// let y: Vec<f32> = Activation::Relu.apply(x).into_data().try_to_vec().unwrap();
    /// assert_eq!(y, [0.0, 2.0]);
    /// ```
    #[must_use]
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::None => x,
            Self::Relu => relu(x),
            Self::Gelu => gelu(x),
        }
    }
}

impl From<Activation> for crate::kernels::gemm::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::None => Self::None,
            Activation::Relu => Self::Relu,
            Activation::Gelu => Self::Gelu,
        }
    }
}
