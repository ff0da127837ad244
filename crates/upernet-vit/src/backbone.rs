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
    OutputNorm, Positions, PreparedVit, VitConfig, attention::norm_weights, block::Block,
    embeddings::Embeddings, neck::Neck, prepared::PreparedLayer, rotary::Rotary, tokens,
};

/// A plain vision transformer with one feature map per requested layer.
///
/// All maps have one cell for each whole patch; a border that none covers is left out, so an image
/// needs at least one patch, or filled up with zeros ([`ImageBorder`](crate::ImageBorder)). With a neck maps have four times, twice, once and half as many cells a side,
/// and an image needs two patches.
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
    /// Of the maps; there may be one that no map passes, since published files carry it.
    norm: Option<LayerNorm>,
    neck: Option<Neck>,
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
    /// not exist, if a neck has not four of them, or if a size is zero.
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
            norm: (self.output_norm != OutputNorm::Absent).then(|| {
                LayerNormConfig::new(self.hidden_size)
                    .with_epsilon(self.layer_norm_eps)
                    .init(device)
            }),
            neck: self.neck.map(|kind| Neck::new(kind, self, device)),
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
            self.neck.is_none() || self.out_layers.len() == PyramidNeck::LEVELS,
            "a neck is made for {} maps, got {}",
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
        let is_normalised = |layer: &usize| config.is_normalised(*layer);
        let norm = norm
            .filter(|_| config.out_layers.iter().any(is_normalised))
            .map(|norm| PreparedLayerNorm::new(norm_weights(&norm, config.layer_norm_eps)));
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
            border: config.border,
        }
    }

    /// The map of a layer, counted from 0, whose tokens are `x`.
    fn map(&self, layer: usize, x: Tensor<4>, grid: [usize; 2]) -> Tensor<4> {
        let norm = self.norm.as_ref();
        let x = match norm.filter(|_| self.config.is_normalised(layer)) {
            Some(norm) => layer_norm(x, &norm_weights(norm, self.config.layer_norm_eps)),
            None => x,
        };
        tokens::to_map(x, grid)
    }
}

impl Backbone for Vit {
    fn channels(&self) -> Vec<usize> {
        let own = self.config.hidden_size;
        let channels = self.config.neck.map_or(own, |neck| neck.out_channels(own));
        vec![channels; self.config.out_layers.len()]
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
        let patches = if self.neck.is_some() { 2 } else { 1 };
        self.config.least_pixels(patches)
    }

    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let (patch_size, border) = (self.config.patch_size, self.config.border);
        let pixel_values = tokens::covered(pixel_values, patch_size, border);
        let grid = tokens::grid(&pixel_values, patch_size);
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
    use crate::{ImageBorder, NeckKind};

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

    #[test]
    fn borders_are_filled_up_with_zeros_if_that_is_asked_for() {
        let device = Device::flex();
        let padded = tiny().with_border(ImageBorder::Padded).init(&device);
        let image = Tensor::random([2, 3, 15, 22], Distribution::Normal(0.0, 1.0), &device);
        let whole = Tensor::zeros([2, 3, 16, 24], &device);
        let whole = whole.slice_assign([0..2, 0..3, 0..15, 0..22], image.clone());
        let maps = padded.forward(image);
        assert_eq!(maps.sizes(), [[4, 6], [4, 6]]);
        let expected = padded.forward(whole);
        for (map, expected) in maps.into_maps().into_iter().zip(expected.into_maps()) {
            map.into_data().assert_eq(&expected.into_data(), true);
        }
        assert_eq!(padded.min_size(), 1);
        let neck = tiny()
            .with_num_layers(4)
            .with_out_layers(vec![0, 1, 2, 3])
            .with_border(ImageBorder::Padded)
            .with_neck(Some(NeckKind::MultiLevel(8)))
            .init(&device);
        assert_eq!(neck.min_size(), 5);
        let smallest = neck.forward(Tensor::zeros([1, 3, 5, 5], &device));
        assert_eq!(smallest.sizes()[3], [1, 1]);
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
            (OutputNorm::Absent, [false, false]),
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
    fn a_neck_makes_maps_of_four_sizes() {
        let device = Device::flex();
        for (kind, channels) in [
            (NeckKind::FeaturePyramid, 8),
            (NeckKind::MultiLevel(8), 8),
            (NeckKind::MultiLevel(5), 5),
        ] {
            let vit = tiny()
                .with_num_layers(4)
                .with_out_layers(vec![0, 1, 2, 3])
                .with_neck(Some(kind))
                .init(&device);
            let features = vit.forward(Tensor::zeros([2, 3, 15, 22], &device));
            assert_eq!(features.sizes(), [[12, 20], [6, 10], [3, 5], [1, 2]]);
            assert_eq!(features.channels(), [channels; 4]);
            assert_eq!(features.channels(), vit.channels());
            assert_eq!((vit.strides(), vit.min_size()), (vec![1, 2, 4, 8], 8));
        }
    }

    #[test]
    #[should_panic(expected = "a neck is made for 4 maps, got 2")]
    fn refuses_a_neck_on_other_maps() {
        let kind = NeckKind::MultiLevel(8);
        let _ = tiny().with_neck(Some(kind)).init(&Device::flex());
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
