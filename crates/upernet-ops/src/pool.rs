//! Averages of a map on square grids.

use burn::tensor::{Tensor, module::adaptive_avg_pool2d};

use crate::{
    flex::{self, Map},
    kernels::pool,
};

/// Averages a map on grids of `scale` x `scale` cells, one for each of `scales`.
///
/// Cell `i` of a grid averages rows `floor(i H / scale) .. ceil((i + 1) H / scale)`, so a map smaller
/// than the grid repeats rows; the same for columns.
///
/// # Shapes
///
/// - `x`: `[N, C, H, W]`
/// - output: one `[N, C, scale, scale]` per scale
///
/// # Panics
///
/// Panics if a scale is zero or the map is empty.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::adaptive_avg_pools;
///
/// let x = Tensor::<1>::from_floats([1.0, 3.0], &Device::flex()).reshape([1, 1, 1, 2]);
/// let [one, two] = adaptive_avg_pools(x, &[1, 2]).try_into().unwrap();
/// assert_eq!(one.into_data().try_to_vec::<f32>().unwrap(), [2.0]);
/// assert_eq!(two.into_data().try_to_vec::<f32>().unwrap(), [1.0, 3.0, 1.0, 3.0]);
/// ```
#[must_use]
pub fn adaptive_avg_pools(x: Tensor<4>, scales: &[usize]) -> Vec<Tensor<4>> {
    if flex::takes_kernel(&x) {
        let x = Map::from_tensor(x);
        let [batch, _, _, channels] = x.dims();
        let grids = pool::adaptive_average(x.values(), x.dims(), scales);
        let grids = grids.into_iter().zip(scales);
        return grids
            .map(|(grid, &scale)| Map::new(grid, [batch, scale, scale, channels]).into_tensor())
            .collect();
    }
    scales
        .iter()
        .map(|&scale| adaptive_avg_pool2d(x.clone(), [scale; 2]))
        .collect()
}
