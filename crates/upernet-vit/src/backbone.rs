//! The whole backbone. Upstream: `Dinov2Backbone`, `Dinov2WithRegistersBackbone`, `DINOv3ViTBackbone`.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{
    Backbone, FeaturePyramid, Precision, PreparedBackbone, PyramidNeck, assert_out_stages,
};
use upernet_ops::{PreparedLayerNorm, layer_norm};

use crate::{
    Positions, PreparedVit, VitConfig, attention::norm_weights, block::Block,
    embeddings::Embeddings, prepared::PreparedLayer, rotary::Rotary, tokens,
};

/// A plain vision transformer with one feature map per requested layer.
///
/// All maps have one cell for each whole patch; a border that none covers is left out, so an image
/// needs at least one patch. With a feature pyramid maps have four times, twice, once and half as many
/// cells a side, and an image needs two patches.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::Backbone;
/// use upernet_vit::VitConfig;
///
/// let device = Device::flex();
/// let vit = VitConfig::new()
///     .with_hidden_size(8)
///     .with_num_layers(4)
///     .with_num_heads(2)
///     .with_intermediate_size(32)
///     .with_out_layers(vec![1, 3])
///     .init(&device);
/// assert_eq!(vit.strides(), [14, 14]);
/// let features = vit.forward(Tensor::zeros([1, 3, 30, 50], &device));
/// assert_eq!(features.channels(), [8, 8]);
/// assert_eq!(features.sizes(), [[2, 3], [2, 3]]);
/// ```
#[derive(Module, Debug)]
pub struct Vit {
    embeddings: Embeddings,
    rotary: Option<Rotary>,
    layers: Vec<Block>,
    /// Of the maps, if they have one: published files carry it in any case.
    norm: LayerNorm,
    neck: Option<PyramidNeck>,
    #[module(skip)]
    config: VitConfig,
}

impl VitConfig {
    /// Builds the backbone on `device`.
    ///
    /// # Panics
    ///
    /// Panics if the channels do not divide into the heads, if a head has no multiple of 4 channels
    /// where positions are rotary, if `out_layers` is empty, not increasing or names a layer that does
    /// not exist, if a feature pyramid has not four of them, or if a size is zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> Vit {
        self.check();
        let rotary = match self.positions {
            Positions::Rotary(base) => {
                let augmentation = self.rotary_augmentation;
                Some(Rotary::new(base, self.head_dim(), augmentation))
            }
            _ => None,
        };
        // Layers after the last requested one would be computed for nothing, yet they exist: a
        // checkpoint has their weights.
        let layers = (0..self.num_layers).map(|_| Block::new(self, device));
        Vit {
            embeddings: Embeddings::new(self, device),
            rotary,
            layers: layers.collect(),
            norm: LayerNormConfig::new(self.hidden_size)
                .with_epsilon(self.layer_norm_eps)
                .init(device),
            neck: self
                .feature_pyramid
                .then(|| PyramidNeck::new(self.hidden_size, self.initializer_range, device)),
            config: self.clone(),
        }
    }

    fn check(&self) {
        assert!(self.patch_size > 0, "patches need a size");
        let (channels, heads) = (self.hidden_size, self.num_heads);
        assert!(
            heads > 0 && channels > 0 && channels.is_multiple_of(heads),
            "{channels} channels do not divide into {heads} heads"
        );
        assert_out_stages(&self.out_layers, self.num_layers);
        assert!(
            !self.feature_pyramid || self.out_layers.len() == PyramidNeck::LEVELS,
            "a feature pyramid is made of {} maps, got {}",
            PyramidNeck::LEVELS,
            self.out_layers.len()
        );
    }

    /// Number of layers that have to be computed.
    fn computed_layers(&self) -> usize {
        self.out_layers.last().map_or(0, |last| last + 1)
    }
}

impl Vit {
    /// What the backbone was built from.
    #[must_use]
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// Makes the backbone ready for inference.
    ///
    /// Nothing changes in the result beyond rounding; drop path and dropout, which act in training
    /// alone, are gone.
    #[must_use]
    pub fn into_prepared(self, precision: Precision) -> PreparedVit {
        let Self {
            embeddings,
            rotary,
            layers,
            norm,
            neck,
            config,
        } = self;
        let norm = norm_weights(&norm, config.layer_norm_eps);
        let is_normalised = |layer: &usize| config.is_normalised(*layer);
        let norm = config
            .out_layers
            .iter()
            .any(is_normalised)
            .then(|| PreparedLayerNorm::new(norm));
        let layers = layers.into_iter().take(config.computed_layers());
        let layers = layers.enumerate().map(|(index, block)| PreparedLayer {
            block: block.prepare(precision),
            is_returned: config.out_layers.contains(&index),
            is_normalised: config.is_normalised(index),
        });
        PreparedVit {
            layers: layers.collect(),
            embeddings: embeddings.prepare(precision),
            rotary,
            norm,
            neck: neck.map(|neck| neck.prepare(precision)),
            patch_size: config.patch_size,
        }
    }

    /// The map of a layer, counted from 0, whose tokens are `x`.
    fn map(&self, layer: usize, x: Tensor<4>, grid: [usize; 2]) -> Tensor<4> {
        let x = if self.config.is_normalised(layer) {
            layer_norm(x, &norm_weights(&self.norm, self.config.layer_norm_eps))
        } else {
            x
        };
        tokens::to_map(x, grid)
    }
}

impl Backbone for Vit {
    fn channels(&self) -> Vec<usize> {
        vec![self.config.hidden_size; self.config.out_layers.len()]
    }

    fn strides(&self) -> Vec<usize> {
        let patch = self.config.patch_size;
        match self.neck {
            // Of a patch that four does not divide, rounded down.
            Some(_) => vec![patch / 4, patch / 2, patch, 2 * patch],
            None => vec![patch; self.config.out_layers.len()],
        }
    }

    fn min_size(&self) -> usize {
        match self.neck {
            Some(_) => 2 * self.config.patch_size,
            None => self.config.patch_size,
        }
    }

    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let grid = tokens::grid(&pixel_values, self.config.patch_size);
        let rotary = self.rotary.as_ref();
        let rotation = rotary.map(|rotary| rotary.rotation(grid, &pixel_values.device()));
        let mut x = self.embeddings.forward(pixel_values);
        let mut maps = Vec::with_capacity(self.config.out_layers.len());
        let layers = self.layers.iter().take(self.config.computed_layers());
        for (index, layer) in layers.enumerate() {
            x = layer.forward(x, rotation.as_ref());
            if self.config.out_layers.contains(&index) {
                maps.push(self.map(index, x.clone(), grid));
            }
        }
        FeaturePyramid::new(match &self.neck {
            Some(neck) => neck.forward(maps),
            None => maps,
        })
    }

    fn prepare(self, precision: Precision) -> Box<dyn PreparedBackbone> {
        Box::new(self.into_prepared(precision))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::OutputNorm;

    fn tiny() -> VitConfig {
        VitConfig::new()
            .with_patch_size(4)
            .with_hidden_size(8)
            .with_num_layers(3)
            .with_num_heads(2)
            .with_intermediate_size(12)
            .with_positions(Positions::Bicubic(3))
            .with_out_layers(vec![0, 2])
    }

    #[test]
    fn borders_without_a_whole_patch_are_left_out() {
        let device = Device::flex();
        let vit = tiny().init(&device);
        let features = vit.forward(Tensor::zeros([2, 3, 15, 22], &device));
        assert_eq!(features.sizes(), [[3, 5], [3, 5]]);
        assert_eq!(features.channels(), vit.channels());
        assert_eq!(vit.strides(), [4, 4]);
        assert_eq!(vit.min_size(), 4);
    }

    /// Normalised maps have a mean of 0 in every cell, others have not.
    #[test]
    fn the_norm_is_applied_where_it_is_asked_for() {
        let device = Device::flex();
        let image = Tensor::random([1, 3, 13, 17], Distribution::Normal(0.0, 1.0), &device);
        for (output_norm, expected) in [
            (OutputNorm::Every, [true, true]),
            (OutputNorm::Last, [false, true]),
            (OutputNorm::Never, [false, false]),
        ] {
            let vit = tiny()
                .with_initializer_range(0.3)
                .with_output_norm(output_norm)
                .init(&device);
            let maps = vit.forward(image.clone()).into_maps();
            let has_mean_zero = |map: Tensor<4>| {
                let mean: f32 = map.mean_dim(1).abs().max().into_scalar();
                mean < 1e-5
            };
            let found: Vec<bool> = maps.into_iter().map(has_mean_zero).collect();
            assert_eq!(found, expected, "{output_norm:?}");
        }
    }

    #[test]
    fn a_feature_pyramid_has_maps_of_four_sizes() {
        let device = Device::flex();
        let vit = tiny()
            .with_num_layers(4)
            .with_out_layers(vec![0, 1, 2, 3])
            .with_feature_pyramid(true)
            .init(&device);
        let features = vit.forward(Tensor::zeros([2, 3, 15, 22], &device));
        assert_eq!(features.sizes(), [[12, 20], [6, 10], [3, 5], [1, 2]]);
        assert_eq!(features.channels(), vit.channels());
        assert_eq!((vit.strides(), vit.min_size()), (vec![1, 2, 4, 8], 8));
    }

    #[test]
    #[should_panic(expected = "a feature pyramid is made of 4 maps, got 2")]
    fn refuses_a_feature_pyramid_of_other_maps() {
        let _ = tiny().with_feature_pyramid(true).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "8 channels do not divide into 3 heads")]
    fn refuses_heads_that_do_not_divide() {
        let _ = tiny().with_num_heads(3).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "rotary positions need heads of a multiple of 4 channels, got 2")]
    fn refuses_heads_that_cannot_be_turned() {
        let config = tiny().with_num_heads(4);
        let _ = config
            .with_positions(Positions::Rotary(100.0))
            .init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "out_stages must increase and stay below 3, got [1, 3]")]
    fn refuses_a_layer_that_does_not_exist() {
        let _ = tiny().with_out_layers(vec![1, 3]).init(&Device::flex());
    }
}
