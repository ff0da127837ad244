//! How exactly a prepared layer multiplies.

use burn::tensor::Device;

use crate::{flex, kernels::bf16};

/// The number format in which a prepared layer multiplies.
///
/// Tensors between layers are `f32` either way, and sums are accumulated in `f32`.
///
/// # Example
///
/// ```
/// use upernet_ops::Precision;
///
/// assert_eq!(Precision::default(), Precision::F32);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32 bits, the format of the weights on disk.
    #[default]
    F32,
    /// Both factors of a product are rounded to bfloat16, which has 8 significant bits.
    ///
    /// A processor with instructions for it multiplies twice as fast. Layers that have no such
    /// kernel compute as with [`Precision::F32`].
    Bf16,
}

impl Precision {
    /// Whether prepared layers have kernels of this precision for that device, on this machine's
    /// processor.
    ///
    /// Where they do not, they compute as with [`Precision::F32`], with kernels or without.
    ///
    /// # Example
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use upernet_ops::Precision;
    ///
    /// let device = Device::flex();
    /// if !Precision::Bf16.has_kernels(&device) {
    ///     eprintln!("this machine has no bfloat16 products, computing with 32 bits");
    /// }
    /// ```
    #[must_use]
    pub fn has_kernels(self, device: &Device) -> bool {
        flex::has_kernels(device) && (self == Self::F32 || bf16::is_available())
    }

    /// Whether a kernel's weights are to be rounded.
    pub(crate) fn rounds(self) -> bool {
        self == Self::Bf16 && bf16::is_available()
    }
}
