//! Maxima of windows.

use burn::tensor::{Tensor, module::max_pool2d, ops::MaxPoolOptions};

use crate::{
    flex::{self, Map},
    kernels::max_pool as kernel,
};

/// Takes the largest value of each window of 3 x 3 cells around every second row and column, beginning
/// with the first, in each channel.
///
/// # Shapes
///
/// - `x`: `[N, C, H, W]`
/// - output: `[N, C, H / 2, W / 2]`, rounded up
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::max_pool3x3;
///
/// let x = Tensor::<1>::from_floats([1.0, 2.0, -3.0, -4.0, -5.0], &Device::flex());
/// let y: Vec<f32> = max_pool3x3(x.reshape([1, 1, 1, 5])).into_data().try_to_vec().unwrap();
/// assert_eq!(y, [2.0, 2.0, -4.0]);
/// ```
#[must_use]
pub fn max_pool3x3(x: Tensor<4>) -> Tensor<4> {
    if flex::takes_kernel(&x) {
        let x = Map::from_tensor(x);
        let [batch, height, width, channels] = x.dims();
        let mut y = Map::to_fill([batch, height.div_ceil(2), width.div_ceil(2), channels]);
        kernel::max_pool3x3(x.values(), x.size(), channels, y.values_mut());
        return y.into_tensor();
    }
    let options = MaxPoolOptions::new([3, 3]).with_stride([2, 2]);
    max_pool2d(x, options.with_padding([1, 1]))
}
