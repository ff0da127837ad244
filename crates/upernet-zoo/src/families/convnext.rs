//! ConvNeXt, its second version, and DINOv3's.

use burn::tensor::Device;
use upernet_convnext::{BranchScale, ConvNextConfig, OutputNorm};
use upernet_hf::config::{HfConvNextConfig, HfConvNextV2Config, HfDinov3ConvNextConfig};

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

/// The same for DINOv3's. Upstream counts the stem as what leads into the first stage.
const DINOV3_PATH_TO_KEY: [(&str, &str); 9] = [
    (
        "backbone.stem.patch_embeddings.",
        "backbone.stages.0.downsample_layers.0.",
    ),
    (
        "backbone.stem.layernorm.norm.",
        "backbone.stages.0.downsample_layers.1.",
    ),
    (".downsampling_layer.norm.norm.", ".downsample_layers.0."),
    (".downsampling_layer.conv.", ".downsample_layers.1."),
    (".dwconv.", ".depthwise_conv."),
    (".layernorm.", ".layer_norm."),
    (".pwconv1.", ".pointwise_conv1."),
    (".pwconv2.", ".pointwise_conv2."),
    (".layer_scale_parameter", ".gamma"),
];

impl Family for HfConvNextConfig {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        built(first_version(self), options, device)
    }

    fn hub_key(&self, path: &str) -> String {
        with_named_norm(renamed(path, &PATH_TO_KEY), &self.out_stages)
    }

    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        macs(&first_version(self), size)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        refusal(&first_version(self), size)
    }
}

impl Family for HfConvNextV2Config {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        built(second_version(self), options, device)
    }

    fn hub_key(&self, path: &str) -> String {
        with_named_norm(renamed(path, &PATH_TO_KEY), &self.out_stages)
    }

    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        macs(&second_version(self), size)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        refusal(&second_version(self), size)
    }
}

impl Family for HfDinov3ConvNextConfig {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        built(dinov3(self), options, device)
    }

    fn hub_key(&self, path: &str) -> String {
        renamed(path, &DINOV3_PATH_TO_KEY)
    }

    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        macs(&dinov3(self), size)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        refusal(&dinov3(self), size)
    }
}

fn first_version(config: &HfConvNextConfig) -> ConvNextConfig {
    let branch_scale = if config.layer_scale_init_value > 0.0 {
        BranchScale::LayerScale(config.layer_scale_init_value)
    } else {
        BranchScale::Unscaled
    };
    ConvNextConfig::new()
        .with_num_channels(config.num_channels)
        .with_patch_size(config.patch_size)
        .with_hidden_sizes(config.hidden_sizes.clone())
        .with_depths(config.depths.clone())
        .with_drop_path_rate(config.drop_path_rate)
        .with_branch_scale(branch_scale)
        .with_initializer_range(config.initializer_range)
        .with_out_stages(from_zero(&config.out_stages))
}

fn second_version(config: &HfConvNextV2Config) -> ConvNextConfig {
    ConvNextConfig::new()
        .with_num_channels(config.num_channels)
        .with_patch_size(config.patch_size)
        .with_hidden_sizes(config.hidden_sizes.clone())
        .with_depths(config.depths.clone())
        .with_drop_path_rate(config.drop_path_rate)
        .with_branch_scale(BranchScale::ResponseNorm)
        .with_initializer_range(config.initializer_range)
        .with_out_stages(from_zero(&config.out_stages))
}

fn dinov3(config: &HfDinov3ConvNextConfig) -> ConvNextConfig {
    ConvNextConfig::new()
        .with_num_channels(config.num_channels)
        .with_patch_size(HfDinov3ConvNextConfig::PATCH_SIZE)
        .with_hidden_sizes(config.hidden_sizes.clone())
        .with_depths(config.depths.clone())
        .with_drop_path_rate(config.drop_path_rate)
        .with_branch_scale(BranchScale::LayerScale(config.layer_scale_init_value))
        .with_output_norm(OutputNorm::Unnormalised)
        .with_layer_norm_eps(config.layer_norm_eps)
        .with_initializer_range(config.initializer_range)
        .with_out_stages(from_zero(&config.out_stages))
}

fn built(network: ConvNextConfig, options: &BuildOptions, device: &Device) -> ZooBackbone {
    let rate = options.drop_path_rate.unwrap_or(network.drop_path_rate);
    ZooBackbone::ConvNext(network.with_drop_path_rate(rate).init(device))
}

fn macs(network: &ConvNextConfig, [height, width]: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
    let patch = network.patch_size;
    let mut size = [height / patch, width / patch];
    let mut macs = product(&[
        size[0],
        size[1],
        network.num_channels * patch * patch,
        network.hidden_sizes[0],
    ]);
    let last_stage = network.out_stages.last().copied().unwrap_or_default();
    let mut sizes = Vec::new();
    let stages = network.depths.iter().zip(&network.hidden_sizes);
    for (stage, (&depth, &channels)) in stages.enumerate() {
        if stage > 0 {
            size = [size[0] / 2, size[1] / 2];
        }
        sizes.push(size);
        if stage > last_stage {
            continue;
        }
        if stage > 0 {
            let before = network.hidden_sizes[stage - 1];
            macs += product(&[size[0], size[1], 4 * before, channels]);
        }
        let per_cell = product(&[channels, 49]) + product(&[8, channels, channels]);
        macs += depth as u64 * product(&size) * per_cell;
    }
    (macs, sizes)
}

fn refusal(network: &ConvNextConfig, size: [usize; 2]) -> Option<String> {
    let last_stage = network.out_stages.last().copied().unwrap_or_default();
    let least = network.stage_stride(last_stage);
    let is_small = size.iter().any(|&pixels| pixels < least);
    is_small.then(|| format!("at least {least} x {least} pixels"))
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

    #[test]
    fn paths_of_the_second_version() {
        let family = HfConvNextV2Config::default();
        for parameter in ["weight", "bias"] {
            assert_eq!(
                family.hub_key(&format!("backbone.stages.2.layers.5.grn.{parameter}")),
                format!("backbone.encoder.stages.2.layers.5.grn.{parameter}")
            );
        }
        assert_eq!(
            family.hub_key("backbone.hidden_states_norms.0.norm.bias"),
            "backbone.hidden_states_norms.stage4.bias"
        );
    }

    #[test]
    fn paths_of_dinov3() {
        let family = HfDinov3ConvNextConfig::default();
        let cases = [
            (
                "backbone.stem.patch_embeddings.weight",
                "backbone.stages.0.downsample_layers.0.weight",
            ),
            (
                "backbone.stem.layernorm.norm.bias",
                "backbone.stages.0.downsample_layers.1.bias",
            ),
            (
                "backbone.stages.1.downsampling_layer.norm.norm.weight",
                "backbone.stages.1.downsample_layers.0.weight",
            ),
            (
                "backbone.stages.3.downsampling_layer.conv.bias",
                "backbone.stages.3.downsample_layers.1.bias",
            ),
            (
                "backbone.stages.2.layers.8.dwconv.weight",
                "backbone.stages.2.layers.8.depthwise_conv.weight",
            ),
            (
                "backbone.stages.2.layers.8.layernorm.weight",
                "backbone.stages.2.layers.8.layer_norm.weight",
            ),
            (
                "backbone.stages.2.layers.8.pwconv2.bias",
                "backbone.stages.2.layers.8.pointwise_conv2.bias",
            ),
            (
                "backbone.stages.2.layers.8.layer_scale_parameter",
                "backbone.stages.2.layers.8.gamma",
            ),
        ];
        for (path, key) in cases {
            assert_eq!(family.hub_key(path), key);
        }
    }
}
