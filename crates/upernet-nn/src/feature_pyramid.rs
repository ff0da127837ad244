//! The feature maps a backbone hands to the heads.

use burn::tensor::Tensor;

/// Feature maps of one batch, finest first.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::FeaturePyramid;
///
/// let device = Device::flex();
/// let features = FeaturePyramid::new(vec![
///     Tensor::zeros([1, 8, 16, 20], &device),
///     Tensor::zeros([1, 16, 8, 10], &device),
/// ]);
/// assert_eq!(features.len(), 2);
/// assert_eq!(features.channels(), [8, 16]);
/// ```
#[derive(Clone, Debug)]
pub struct FeaturePyramid {
    maps: Vec<Tensor<4>>,
}

impl FeaturePyramid {
    /// Wraps the feature maps of one batch, each `[N, C_i, H_i, W_i]`, finest first.
    ///
    /// # Panics
    ///
    /// Panics if there is no map or if the maps differ in batch size.
    #[must_use]
    pub fn new(maps: Vec<Tensor<4>>) -> Self {
        assert!(!maps.is_empty(), "a feature pyramid needs at least one map");
        let [batch, ..] = maps[0].dims();
        for map in &maps {
            let [other, ..] = map.dims();
            assert_eq!(
                batch, other,
                "the maps of a feature pyramid differ in batch size"
            );
        }
        Self { maps }
    }

    /// Number of levels.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a pyramid is never empty")]
    pub fn len(&self) -> usize {
        self.maps.len()
    }

    /// Images in the batch.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.maps[0].dims()[0]
    }

    /// Channels of each map, finest first.
    #[must_use]
    pub fn channels(&self) -> Vec<usize> {
        self.maps.iter().map(|map| map.dims()[1]).collect()
    }

    /// `[height, width]` of each map in cells, finest first.
    #[must_use]
    pub fn sizes(&self) -> Vec<[usize; 2]> {
        self.maps
            .iter()
            .map(|map| {
                let [_, _, height, width] = map.dims();
                [height, width]
            })
            .collect()
    }

    /// The maps, finest first.
    #[must_use]
    pub fn maps(&self) -> &[Tensor<4>] {
        &self.maps
    }

    /// Gives the maps away, finest first.
    #[must_use]
    pub fn into_maps(self) -> Vec<Tensor<4>> {
        self.maps
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn describes_its_maps() {
        let device = Device::flex();
        let features = FeaturePyramid::new(vec![
            Tensor::zeros([2, 8, 5, 7], &device),
            Tensor::zeros([2, 16, 3, 4], &device),
        ]);
        assert_eq!(features.batch_size(), 2);
        assert_eq!(features.channels(), [8, 16]);
        assert_eq!(features.sizes(), [[5, 7], [3, 4]]);
    }

    #[test]
    #[should_panic(expected = "differ in batch size")]
    fn refuses_mixed_batches() {
        let device = Device::flex();
        let _ = FeaturePyramid::new(vec![
            Tensor::zeros([2, 8, 5, 7], &device),
            Tensor::zeros([1, 16, 3, 4], &device),
        ]);
    }

    #[test]
    #[should_panic(expected = "at least one map")]
    fn refuses_to_be_empty() {
        let _ = FeaturePyramid::new(Vec::new());
    }
}
