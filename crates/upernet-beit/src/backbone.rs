//! The whole backbone. Upstream: `BeitBackbone`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::{
    Backbone, FeaturePyramid, Precision, PreparedBackbone, PyramidNeck, assert_out_stages,
    drop_path_schedule,
};

use crate::{
    BeitConfig, PreparedBeit,
    embeddings::{Embeddings, map},
    layer::Layer,
    relative_position_bias::RelativePositionBias,
};

/// BEiT with one feature map for each requested layer.
///
/// An image has `floor(size / patch_size)` patches a side. Images of other sizes than `image_size` are
/// as good: positions and position biases are interpolated, as upstream does.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_beit::BeitConfig;
/// use upernet_nn::Backbone;
///
/// let device = Device::flex();
/// let beit = BeitConfig::new()
///     .with_hidden_size(8)
///     .with_num_hidden_layers(4)
///     .with_num_attention_heads(2)
///     .with_intermediate_size(16)
///     .with_relative_position_bias(true)
///     .with_out_stages(vec![0, 1, 2, 3])
///     .init(&device);
/// let features = beit.forward(Tensor::zeros([1, 3, 50, 64], &device));
/// assert_eq!(features.channels(), [8, 8, 8, 8]);
/// assert_eq!(features.sizes(), [[12, 16], [6, 8], [3, 4], [1, 2]]);
/// ```
#[derive(Module, Debug)]
pub struct Beit {
    embeddings: Embeddings,
    /// Of all layers at once.
    relative_position_bias: Option<RelativePositionBias>,
    layers: Vec<Layer>,
    neck: Option<PyramidNeck>,
    #[module(skip)]
    config: BeitConfig,
}

impl BeitConfig {
    /// Builds the backbone on `device`.
    ///
    /// # Panics
    ///
    /// Panics if the channels do not divide into the heads, if an image has no patch, if `out_stages` is
    /// empty, not increasing, names a layer that does not exist or, with a neck, are not four, or if a
    /// size is zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> Beit {
        self.check();
        let drop_path = drop_path_schedule(self.drop_path_rate, &[self.num_hidden_layers]);
        let layers = drop_path.iter().flatten();
        let layers = layers.map(|&rate| Layer::new(self, rate, device));
        Beit {
            embeddings: Embeddings::new(self, device),
            relative_position_bias: self
                .shared_relative_position_bias
                .then(|| RelativePositionBias::new(self, device)),
            // Layers after the last requested one would be computed for nothing, yet they exist: a
            // checkpoint has their weights.
            layers: layers.collect(),
            neck: self
                .add_fpn
                .then(|| PyramidNeck::new(self.hidden_size, self.initializer_range, device)),
            config: self.clone(),
        }
    }

    fn check(&self) {
        let (channels, heads) = (self.hidden_size, self.num_attention_heads);
        assert!(
            heads > 0 && channels > 0 && channels.is_multiple_of(heads),
            "{channels} channels do not divide into {heads} heads"
        );
        assert!(
            self.patch_size > 0 && self.grid() > 0,
            "an image of {0} x {0} pixels has no patch of {1} x {1}",
            self.image_size,
            self.patch_size
        );
        assert_out_stages(&self.out_stages, self.num_hidden_layers);
        assert!(
            !self.add_fpn || self.out_stages.len() == 4,
            "the neck takes four maps, out_stages are {:?}",
            self.out_stages
        );
    }

    /// Patches down and across an image, `[N, num_channels, H, W]`.
    ///
    /// # Panics
    ///
    /// Panics if the image is smaller than the backbone takes.
    pub(crate) fn image_grid(&self, pixel_values: &Tensor<4>) -> [usize; 2] {
        let [_, _, height, width] = pixel_values.dims();
        let least = self.least_size();
        assert!(
            height >= least && width >= least,
            "images need at least {least} x {least} pixels, got {height} x {width}"
        );
        [height, width].map(|pixels| pixels / self.patch_size)
    }

    /// A patch; two to be halved, if there is a neck.
    pub(crate) fn least_size(&self) -> usize {
        self.patch_size * if self.add_fpn { 2 } else { 1 }
    }
}

impl Beit {
    /// What the backbone was built from.
    #[must_use]
    pub fn config(&self) -> &BeitConfig {
        &self.config
    }

    /// Makes the backbone ready for inference.
    ///
    /// Nothing changes in the result beyond rounding; drop path and dropout, which act in training
    /// alone, are gone.
    #[must_use]
    pub fn into_prepared(self, precision: Precision) -> PreparedBeit {
        let last = self.config.out_stages.last().copied().unwrap_or_default();
        let layers = self.layers.into_iter().take(last + 1);
        PreparedBeit {
            embeddings: self.embeddings.prepare(precision),
            bias_table: self
                .relative_position_bias
                .map(RelativePositionBias::into_table),
            layers: layers.map(|layer| layer.prepare(precision)).collect(),
            neck: self.neck.map(|neck| neck.prepare(precision)),
            config: self.config,
        }
    }
}

impl Backbone for Beit {
    fn channels(&self) -> Vec<usize> {
        vec![self.config.hidden_size; self.config.out_stages.len()]
    }

    /// Of the neck's first two maps 4 and 8 for patches of 16; a map of less than a pixel to the cell, as
    /// of smaller patches, counts as one of a pixel.
    fn strides(&self) -> Vec<usize> {
        let patch = self.config.patch_size;
        if self.config.add_fpn {
            vec![(patch / 4).max(1), (patch / 2).max(1), patch, 2 * patch]
        } else {
            vec![patch; self.config.out_stages.len()]
        }
    }

    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let grid = self.config.image_grid(&pixel_values);
        let out_stages = &self.config.out_stages;
        let last = out_stages.last().copied().unwrap_or_default();
        let shared_bias = self.relative_position_bias.as_ref();
        let shared_bias = shared_bias.map(|bias| bias.forward(grid));
        let mut x = self.embeddings.forward(pixel_values);
        let mut maps = Vec::with_capacity(out_stages.len());
        for (index, layer) in self.layers.iter().take(last + 1).enumerate() {
            x = layer.forward(x, grid, shared_bias.clone());
            if out_stages.contains(&index) {
                maps.push(map(x.clone(), grid));
            }
        }
        if let Some(neck) = &self.neck {
            maps = neck.forward(maps);
        }
        FeaturePyramid::new(maps)
    }

    fn min_size(&self) -> usize {
        self.config.least_size()
    }

    fn prepare(self, precision: Precision) -> Box<dyn PreparedBackbone> {
        Box::new(self.into_prepared(precision))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn tiny() -> BeitConfig {
        BeitConfig::new()
            .with_image_size(32)
            .with_patch_size(8)
            .with_hidden_size(8)
            .with_num_hidden_layers(5)
            .with_num_attention_heads(2)
            .with_intermediate_size(12)
            .with_out_stages(vec![0, 1, 3, 4])
    }

    #[test]
    fn the_neck_makes_a_pyramid() {
        let device = Device::flex();
        let beit = tiny()
            .with_relative_position_bias(true)
            .with_absolute_positions(true)
            .init(&device);
        let features = beit.forward(Tensor::zeros([2, 3, 47, 60], &device));
        assert_eq!(features.sizes(), [[20, 28], [10, 14], [5, 7], [2, 3]]);
        assert_eq!(features.channels(), beit.channels());
        assert_eq!(beit.strides(), [2, 4, 8, 16]);
    }

    #[test]
    fn without_a_neck_maps_have_one_size() {
        let device = Device::flex();
        let beit = tiny()
            .with_add_fpn(false)
            .with_out_stages(vec![1, 4])
            .init(&device);
        assert_eq!((beit.min_size(), beit.strides()), (8, vec![8, 8]));
        let features = beit.forward(Tensor::zeros([1, 3, 8, 25], &device));
        assert_eq!(features.sizes(), [[1, 3]; 2]);
    }

    /// A bias that all layers share is the same as one of its values in each layer.
    #[test]
    fn a_shared_bias_is_every_layers() {
        use burn::module::{ModuleMapper, Param};
        /// The same values for all tables, and for all other parameters of one shape.
        struct Fill;
        impl ModuleMapper for Fill {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|value| {
                    let count = value.shape().num_elements();
                    let values =
                        (0..count).map(|index| ((index * 7 + count) % 11) as f32 * 0.1 - 0.4);
                    let data = burn::tensor::TensorData::new(values.collect(), value.shape());
                    Tensor::from_data(data, &value.device())
                })
            }
        }
        let device = Device::flex();
        let image = Tensor::random([1, 3, 47, 40], Distribution::Normal(0.0, 1.0), &device);
        // The neck's variances would not all be above 0.
        let layers = tiny().with_add_fpn(false);
        let own = layers.clone().with_relative_position_bias(true);
        let shared = layers.clone().with_shared_relative_position_bias(true);
        let [own, shared, without] = [own, shared, layers].map(|config| config.init(&device));
        let [own, shared, without] = [own, shared, without].map(|beit| {
            let maps = beit.map(&mut Fill).forward(image.clone()).into_maps();
            maps[0].clone().into_data()
        });
        own.assert_eq(&shared, true);
        assert_ne!(own, without, "the bias has no effect");
    }

    #[test]
    #[should_panic(expected = "the neck takes four maps, out_stages are [0, 4]")]
    fn refuses_a_neck_on_two_maps() {
        let _ = tiny().with_out_stages(vec![0, 4]).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "8 channels do not divide into 3 heads")]
    fn refuses_heads_that_do_not_divide() {
        let _ = tiny().with_num_attention_heads(3).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "images need at least 16 x 16 pixels, got 40 x 15")]
    fn refuses_an_image_that_cannot_be_halved() {
        let device = Device::flex();
        let _ = tiny()
            .init(&device)
            .forward(Tensor::zeros([1, 3, 40, 15], &device));
    }
}
