//! How exactly a prepared layer multiplies.

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
