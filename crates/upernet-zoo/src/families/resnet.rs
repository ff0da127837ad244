//! ResNet.

use burn::tensor::Device;
use upernet_hf::config::{HfResNetActivation, HfResNetConfig, HfResNetLayerType};
use upernet_resnet::{HiddenActivation, LayerType, ResNetConfig};

use super::{Family, from_zero, product};
use crate::{BuildOptions, ZooBackbone};

impl Family for HfResNetConfig {
    /// There is no drop path, so no option has an effect.
    fn build(&self, _: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::ResNet(resnet_config(self).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        path.replace("backbone.stages.", "backbone.encoder.stages.")
    }

    fn macs(&self, [height, width]: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let halved = |size: [usize; 2]| size.map(|length| length.div_ceil(2));
        let mut size = halved([height, width]);
        let mut macs = product(&size) * stem_weights(self);
        size = halved(size);
        let last_stage = self.out_stages.last().copied().unwrap_or_default();
        let mut sizes = Vec::new();
        let inputs = std::iter::once(&self.embedding_size).chain(&self.hidden_sizes);
        let stages = inputs.zip(&self.hidden_sizes).zip(&self.depths).enumerate();
        for (stage, ((&input, &output), &depth)) in stages {
            let keeps = stage == 0 && !self.downsample_in_first_stage;
            let to = if keeps { size } else { halved(size) };
            if stage < last_stage {
                macs += block_macs(self, [input, output], [size, to]);
                let others = depth.saturating_sub(1) as u64;
                macs += others * block_macs(self, [output; 2], [to; 2]);
            }
            size = to;
            sizes.push(size);
        }
        (macs, sizes)
    }
}

/// Weights of the stem's convolutions, which all have maps of one size.
fn stem_weights(config: &HfResNetConfig) -> u64 {
    let (input, output) = (config.num_channels, config.embedding_size);
    if config.deep_stem {
        let inner = config.stem_channels();
        product(&[9, inner, input + inner + output])
    } else {
        product(&[49, input, output])
    }
}

/// Multiply-adds of a block that turns channels and size as given.
fn block_macs(
    config: &HfResNetConfig,
    [input, output]: [usize; 2],
    [from, to]: [[usize; 2]; 2],
) -> u64 {
    let cells = product(&to);
    let layers = match config.layer_type {
        HfResNetLayerType::Basic => cells * product(&[9, input + output, output]),
        HfResNetLayerType::Bottleneck => {
            let inner = output / 4;
            let first = if config.downsample_in_bottleneck {
                cells
            } else {
                product(&from)
            };
            first * product(&[input, inner]) + cells * product(&[9 * inner + output, inner])
        }
    };
    if input == output && from == to {
        return layers;
    }
    layers + cells * product(&[input, output])
}

fn resnet_config(config: &HfResNetConfig) -> ResNetConfig {
    let layer_type = match config.layer_type {
        HfResNetLayerType::Basic => LayerType::Basic,
        HfResNetLayerType::Bottleneck => LayerType::Bottleneck,
    };
    let hidden_act = match config.hidden_act {
        HfResNetActivation::Relu => HiddenActivation::Relu,
        HfResNetActivation::Gelu => HiddenActivation::Gelu,
    };
    ResNetConfig::new()
        .with_num_channels(config.num_channels)
        .with_embedding_size(config.embedding_size)
        .with_deep_stem(config.deep_stem)
        .with_hidden_sizes(config.hidden_sizes.clone())
        .with_depths(config.depths.clone())
        .with_layer_type(layer_type)
        .with_hidden_act(hidden_act)
        .with_downsample_in_first_stage(config.downsample_in_first_stage)
        .with_downsample_in_bottleneck(config.downsample_in_bottleneck)
        .with_out_stages(from_zero(&config.out_stages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resnet_paths() {
        let family = HfResNetConfig::default();
        let same = "backbone.embedder.embedder.normalization.running_var";
        assert_eq!(family.hub_key(same), same);
        assert_eq!(
            family.hub_key("backbone.stages.1.layers.0.shortcut.convolution.weight"),
            "backbone.encoder.stages.1.layers.0.shortcut.convolution.weight"
        );
        assert_eq!(
            family.hub_key("backbone.stages.0.layers.2.layer.1.normalization.bias"),
            "backbone.encoder.stages.0.layers.2.layer.1.normalization.bias"
        );
    }

    /// Counted by torch 2.15's `FlopCounterMode` on the backbone alone, on meta tensors.
    #[test]
    fn multiply_adds_are_those_that_torch_counts() {
        let all = |config| HfResNetConfig {
            out_stages: vec![1, 2, 3, 4],
            ..config
        };
        let resnet_50 = HfResNetConfig::default();
        let resnet_18 = HfResNetConfig {
            layer_type: HfResNetLayerType::Basic,
            hidden_sizes: vec![64, 128, 256, 512],
            depths: vec![2, 2, 2, 2],
            ..HfResNetConfig::default()
        };
        let with_deep_stem = HfResNetConfig {
            deep_stem: true,
            ..HfResNetConfig::default()
        };
        let halving_early = HfResNetConfig {
            downsample_in_bottleneck: true,
            downsample_in_first_stage: true,
            ..HfResNetConfig::default()
        };
        for (config, square, odd) in [
            (resnet_50, 21_353_201_664, 1_281_884_544),
            (with_deep_stem, 22_605_201_408, 1_343_666_880),
            (resnet_18, 9_474_932_736, 567_837_056),
            (halving_early, 5_498_732_544, 385_089_920),
        ] {
            let config = all(config);
            assert_eq!(config.macs([512, 512]).0, square);
            assert_eq!(config.macs([97, 131]).0, odd);
        }
    }

    #[test]
    fn sizes_round_up() {
        let (_, sizes) = HfResNetConfig::default().macs([69, 93]);
        assert_eq!(sizes, [[18, 24], [9, 12], [5, 6], [3, 3]]);
    }
}
