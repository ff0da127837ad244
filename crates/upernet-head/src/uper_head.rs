//! The decode head: pyramid pooling on the coarsest map, then a feature pyramid, then a classifier.
//!
//! Paper: section 3.2, figure 4. Upstream: `UperNetHead`.

use burn::{
    config::Config,
    module::Module,
    nn::conv::{Conv2d, Conv2dConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{ConvModule, ConvModuleConfig, FeaturePyramid, Precision, initializer};

use crate::{
    PreparedUperHead, PyramidPooling, PyramidPoolingConfig, classifier::classify, fpn::top_down,
    prepared_head::HeadParts,
};

/// Configuration of a [`UperHead`].
#[derive(Config, Debug)]
pub struct UperHeadConfig {
    /// Channels of each feature map of the backbone, finest first; one level or more.
    pub in_channels: Vec<usize>,
    /// Classes.
    pub num_labels: usize,
    /// Channels of every map inside the head.
    #[config(default = 512)]
    pub hidden_size: usize,
    /// Side of each grid of the pyramid pooling module, in cells.
    #[config(default = "vec![1, 2, 3, 6]")]
    pub pool_scales: Vec<usize>,
    /// Standard deviation of the initial weights.
    #[config(default = 0.02)]
    pub initializer_range: f64,
}

/// Labels every cell of the finest feature map from all feature maps.
#[derive(Module, Debug)]
pub struct UperHead {
    psp_modules: PyramidPooling,
    /// Joins the coarsest map and its pooled contexts.
    bottleneck: ConvModule,
    /// One per level but the coarsest.
    lateral_convs: Vec<ConvModule>,
    /// One per level but the coarsest.
    fpn_convs: Vec<ConvModule>,
    /// Joins all levels at the finest size.
    fpn_bottleneck: ConvModule,
    classifier: Conv2d,
}

impl UperHeadConfig {
    /// Builds the head on `device`.
    ///
    /// # Panics
    ///
    /// Panics if there is no level or a pool scale is zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> UperHead {
        let (&coarsest, finer) = self
            .in_channels
            .split_last()
            .expect("the head needs at least one feature map");
        let hidden = self.hidden_size;
        let conv = |in_channels, kernel_size| {
            ConvModuleConfig::new([in_channels, hidden], kernel_size)
                .with_initializer_range(self.initializer_range)
                .init(device)
        };
        let classifier = Conv2dConfig::new([hidden, self.num_labels], [1, 1]);
        UperHead {
            psp_modules: PyramidPoolingConfig::new(coarsest, hidden)
                .with_pool_scales(self.pool_scales.clone())
                .with_initializer_range(self.initializer_range)
                .init(device),
            bottleneck: conv(coarsest + self.pool_scales.len() * hidden, 3),
            lateral_convs: finer.iter().map(|&channels| conv(channels, 1)).collect(),
            fpn_convs: finer.iter().map(|_| conv(hidden, 3)).collect(),
            fpn_bottleneck: conv(self.in_channels.len() * hidden, 3),
            classifier: initializer::conv2d(&classifier, self.initializer_range, device),
        }
    }
}

impl UperHead {
    /// Computes the logits at the resolution of the finest feature map.
    ///
    /// # Shapes
    ///
    /// - `features`: `[N, in_channels[i], H_i, W_i]`, finest first
    /// - output: `[N, num_labels, H_0, W_0]`
    ///
    /// # Panics
    ///
    /// Panics if the number of maps is not that of the configuration.
    #[must_use]
    pub fn forward(&self, features: &FeaturePyramid) -> Tensor<4> {
        let levels = self.lateral_convs.len() + 1;
        assert_eq!(
            features.len(),
            levels,
            "the head fuses {levels} maps, got {}",
            features.len()
        );
        let (coarsest, finer) = features
            .maps()
            .split_last()
            .expect("a feature pyramid is never empty");

        let mut laterals: Vec<_> = self
            .lateral_convs
            .iter()
            .zip(finer)
            .map(|(conv, map)| conv.forward(map.clone()))
            .collect();
        laterals.push(self.pool(coarsest));
        let laterals = top_down(laterals);

        // The coarsest level has been convolved by the bottleneck already.
        let mut fpn_outs = laterals.into_iter().enumerate().map(|(level, lateral)| {
            match self.fpn_convs.get(level) {
                Some(conv) => conv.forward(lateral),
                None => lateral,
            }
        });
        let finest = fpn_outs.next().expect("there is at least one level");
        let fused = self
            .fpn_bottleneck
            .forward_joined(finest, fpn_outs.collect());
        classify(&self.classifier, fused)
    }

    /// Makes the head ready for inference.
    ///
    /// Nothing changes in the result beyond rounding.
    #[must_use]
    pub fn prepare(self, precision: Precision) -> PreparedUperHead {
        let (pool_scales, psp_modules) = self.psp_modules.into_parts();
        let parts = HeadParts {
            pool_scales,
            psp_modules,
            bottleneck: self.bottleneck,
            lateral_convs: self.lateral_convs,
            fpn_convs: self.fpn_convs,
            fpn_bottleneck: self.fpn_bottleneck,
            classifier: self.classifier,
        };
        PreparedUperHead::new(parts, precision)
    }

    fn pool(&self, coarsest: &Tensor<4>) -> Tensor<4> {
        let contexts = self.psp_modules.contexts(coarsest);
        self.bottleneck.forward_joined(coarsest.clone(), contexts)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;

    use super::*;

    fn features(sizes: &[[usize; 2]]) -> FeaturePyramid {
        let maps = sizes.iter().enumerate().map(|(level, &[height, width])| {
            Tensor::ones([2, 4 * (level + 1), height, width], &Device::flex())
        });
        FeaturePyramid::new(maps.collect())
    }

    #[rstest]
    #[case::one_level(&[[9, 7]])]
    #[case::two_levels(&[[9, 7], [5, 4]])]
    #[case::four_levels(&[[17, 13], [9, 7], [5, 4], [3, 2]])]
    #[case::five_levels(&[[17, 13], [9, 7], [5, 4], [3, 2], [1, 1]])]
    fn logits_have_the_finest_size(#[case] sizes: &[[usize; 2]]) {
        let in_channels = (1..=sizes.len()).map(|level| 4 * level).collect();
        let head = UperHeadConfig::new(in_channels, 6)
            .with_hidden_size(8)
            .init(&Device::flex());
        let [height, width] = sizes[0];
        assert_eq!(head.forward(&features(sizes)).dims(), [2, 6, height, width]);
    }

    #[rstest]
    #[case::one_level(&[[9, 7]])]
    #[case::two_levels(&[[9, 7], [5, 4]])]
    #[case::four_levels(&[[17, 13], [9, 7], [5, 4], [3, 2]])]
    #[case::one_cell_at_the_end(&[[17, 13], [9, 7], [5, 4], [3, 2], [1, 1]])]
    #[case::levels_of_one_size(&[[9, 7], [9, 7], [9, 7]])]
    fn preparing_changes_nothing_but_rounding(#[case] sizes: &[[usize; 2]]) {
        let device = Device::flex();
        let in_channels = (1..=sizes.len()).map(|level| 4 * level).collect();
        let head = UperHeadConfig::new(in_channels, 6)
            .with_hidden_size(8)
            .with_initializer_range(0.2)
            .init(&device);
        let maps = sizes.iter().enumerate().map(|(level, &[height, width])| {
            let dims = [2, 4 * (level + 1), height, width];
            Tensor::random(dims, Distribution::Normal(0.0, 1.0), &device)
        });
        let features = FeaturePyramid::new(maps.collect());
        let expected = head.forward(&features).into_data();
        let actual = head.prepare(Precision::F32).forward(features).into_data();
        actual.assert_approx_eq::<f32>(&expected, Tolerance::rel_abs(1e-3, 1e-4));
    }

    #[test]
    #[should_panic(expected = "the head fuses 2 maps, got 1")]
    fn refuses_other_numbers_of_maps() {
        let head = UperHeadConfig::new(vec![4, 8], 6)
            .with_hidden_size(8)
            .init(&Device::flex());
        let _ = head.forward(&features(&[[9, 7]]));
    }
}
