//! ConvNeXt.

use burn::tensor::Device;
use upernet_convnext::ConvNextConfig;
use upernet_hf::config::HfConvNextConfig;

use super::{Family, from_zero, product, renamed, with_named_norm};
use crate::{BuildOptions, ZooBackbone};

/// Paths of modules to hub keys, applied in order.
const PATH_TO_KEY: [(&str, &str); 5] = [
    ("backbone.stem.", "backbone.embeddings."),
    ("backbone.stages.", "backbone.encoder.stages."),
    // `LayerNorm2d` holds burn's norm, and upstream numbers the downsampling layers.
    (".downsampling_layer.norm.norm.", ".downsampling_layer.0."),
    (".downsampling_layer.conv.", ".downsampling_layer.1."),
    (".layernorm.norm.", ".layernorm."),
];

impl Family for HfConvNextConfig {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::ConvNext(convnext_config(self, options).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        with_named_norm(renamed(path, &PATH_TO_KEY), &self.out_stages)
    }

    fn macs(&self, [height, width]: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let patch = self.patch_size;
        let mut size = [height / patch, width / patch];
        let mut macs = product(&[
            size[0],
            size[1],
            self.num_channels * patch * patch,
            self.hidden_sizes[0],
        ]);
        let last_stage = self.out_stages.last().copied().unwrap_or_default();
        let mut sizes = Vec::new();
        for (stage, (&depth, &channels)) in self.depths.iter().zip(&self.hidden_sizes).enumerate() {
            if stage > 0 {
                size = [size[0] / 2, size[1] / 2];
            }
            sizes.push(size);
            if stage >= last_stage {
                continue;
            }
            if stage > 0 {
                macs += product(&[size[0], size[1], 4 * self.hidden_sizes[stage - 1], channels]);
            }
            let per_cell = product(&[channels, 49]) + product(&[8, channels, channels]);
            macs += depth as u64 * product(&size) * per_cell;
        }
        (macs, sizes)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        let last_stage = self.out_stages.last().copied().unwrap_or(1);
        let least = self.patch_size << (last_stage - 1);
        let is_small = size.iter().any(|&pixels| pixels < least);
        is_small.then(|| format!("at least {least} x {least} pixels"))
    }
}

fn convnext_config(config: &HfConvNextConfig, options: &BuildOptions) -> ConvNextConfig {
    ConvNextConfig::new()
        .with_num_channels(config.num_channels)
        .with_patch_size(config.patch_size)
        .with_hidden_sizes(config.hidden_sizes.clone())
        .with_depths(config.depths.clone())
        .with_drop_path_rate(options.drop_path_rate.unwrap_or(config.drop_path_rate))
        .with_layer_scale_init_value(config.layer_scale_init_value)
        .with_initializer_range(config.initializer_range)
        .with_out_stages(from_zero(&config.out_stages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convnext_paths() {
        let family = HfConvNextConfig {
            out_stages: vec![2, 3, 4],
            ..HfConvNextConfig::default()
        };
        let cases = [
            (
                "backbone.stem.patch_embeddings.bias",
                "backbone.embeddings.patch_embeddings.bias",
            ),
            (
                "backbone.stem.layernorm.norm.weight",
                "backbone.embeddings.layernorm.weight",
            ),
            (
                "backbone.stages.2.downsampling_layer.norm.norm.bias",
                "backbone.encoder.stages.2.downsampling_layer.0.bias",
            ),
            (
                "backbone.stages.2.downsampling_layer.conv.weight",
                "backbone.encoder.stages.2.downsampling_layer.1.weight",
            ),
            (
                "backbone.stages.2.layers.5.layernorm.weight",
                "backbone.encoder.stages.2.layers.5.layernorm.weight",
            ),
            (
                "backbone.hidden_states_norms.2.norm.bias",
                "backbone.hidden_states_norms.stage4.bias",
            ),
        ];
        for (path, key) in cases {
            assert_eq!(family.hub_key(path), key);
        }
    }
}
