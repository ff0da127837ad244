//! PVTv2.

use burn::tensor::Device;
use upernet_hf::config::HfPvtV2Config;
use upernet_pvt::PvtV2Config;

use super::{Family, from_zero, product, renamed};
use crate::{BuildOptions, ZooBackbone};

/// Paths of modules to hub keys, applied in order.
const PATH_TO_KEY: [(&str, &str); 4] = [
    ("backbone.stages.", "backbone.encoder.layers."),
    (".attention.reduction.", ".attention."),
    (".mlp.dwconv.", ".mlp.dwconv.dwconv."),
    // Of a norm over the channels of a map.
    (".norm.", "."),
];

/// Cells of the grid that linear attention averages its keys on.
const GRID_CELLS: usize = 7 * 7;

impl Family for HfPvtV2Config {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::PvtV2(pvt_v2_config(self, options).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        renamed(path, &PATH_TO_KEY)
    }

    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let last_stage = self.out_stages.last().copied().unwrap_or_default();
        let (mut macs, mut size, mut sizes) = (0, size, Vec::new());
        let inputs = std::iter::once(&self.num_channels).chain(&self.hidden_sizes);
        for (stage, (&input, &depth)) in inputs.zip(&self.depths).enumerate() {
            size = size.map(|length| length.div_ceil(self.strides[stage]));
            sizes.push(size);
            if stage < last_stage {
                let patch = self.patch_sizes[stage] * self.patch_sizes[stage];
                macs += product(&size) * product(&[patch, input, self.hidden_sizes[stage]]);
                macs += depth as u64 * block_macs(self, stage, size);
            }
        }
        (macs, sizes)
    }

    fn refusal(&self, [height, width]: [usize; 2]) -> Option<String> {
        let least = pvt_v2_config(self, &BuildOptions::default()).min_size();
        (height.min(width) < least).then(|| format!("at least {least} x {least} pixels"))
    }
}

/// Multiply-adds of a block on a map of `size`.
fn block_macs(config: &HfPvtV2Config, stage: usize, size: [usize; 2]) -> u64 {
    let channels = config.hidden_sizes[stage];
    let square = product(&[channels, channels]);
    let cells = product(&size);
    let (keys, reduction) = match (config.linear_attention, config.sr_ratios[stage]) {
        (true, _) => (GRID_CELLS as u64, 1),
        (false, 1) => (cells, 0),
        (false, ratio) => (
            product(&size.map(|length| length / ratio)),
            product(&[ratio, ratio]),
        ),
    };
    let projections = 2 * cells * square + keys * (2 + reduction) * square;
    let attention = 2 * cells * keys * channels as u64;
    let hidden = channels * config.mlp_ratios[stage];
    let mlp = cells * product(&[2 * channels + 9, hidden]);
    projections + attention + mlp
}

fn pvt_v2_config(config: &HfPvtV2Config, options: &BuildOptions) -> PvtV2Config {
    PvtV2Config::new()
        .with_num_channels(config.num_channels)
        .with_hidden_sizes(config.hidden_sizes.clone())
        .with_depths(config.depths.clone())
        .with_patch_sizes(config.patch_sizes.clone())
        .with_strides(config.strides.clone())
        .with_sr_ratios(config.sr_ratios.clone())
        .with_num_attention_heads(config.num_attention_heads.clone())
        .with_mlp_ratios(config.mlp_ratios.clone())
        .with_qkv_bias(config.qkv_bias)
        .with_linear_attention(config.linear_attention)
        .with_hidden_dropout(config.hidden_dropout_prob)
        .with_attention_dropout(config.attention_probs_dropout_prob)
        .with_drop_path_rate(options.drop_path_rate.unwrap_or(config.drop_path_rate))
        .with_layer_norm_eps(config.layer_norm_eps)
        .with_initializer_range(config.initializer_range)
        .with_out_stages(from_zero(&config.out_stages))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(config: HfPvtV2Config) -> HfPvtV2Config {
        HfPvtV2Config {
            out_stages: vec![1, 2, 3, 4],
            ..config
        }
    }

    #[test]
    fn pvt_v2_paths() {
        let family = HfPvtV2Config::default();
        for (path, key) in [
            (
                "backbone.stages.1.patch_embedding.layer_norm.norm.weight",
                "backbone.encoder.layers.1.patch_embedding.layer_norm.weight",
            ),
            (
                "backbone.stages.0.blocks.1.layer_norm_2.norm.bias",
                "backbone.encoder.layers.0.blocks.1.layer_norm_2.bias",
            ),
            (
                "backbone.stages.0.blocks.1.attention.reduction.spatial_reduction.weight",
                "backbone.encoder.layers.0.blocks.1.attention.spatial_reduction.weight",
            ),
            (
                "backbone.stages.0.blocks.1.attention.reduction.layer_norm.norm.bias",
                "backbone.encoder.layers.0.blocks.1.attention.layer_norm.bias",
            ),
            (
                "backbone.stages.3.blocks.0.mlp.dwconv.weight",
                "backbone.encoder.layers.3.blocks.0.mlp.dwconv.dwconv.weight",
            ),
            (
                "backbone.stages.3.layer_norm.norm.weight",
                "backbone.encoder.layers.3.layer_norm.weight",
            ),
        ] {
            assert_eq!(family.hub_key(path), key);
        }
    }

    /// Counted by torch 2.15's `FlopCounterMode` on the backbone alone, on meta tensors.
    #[test]
    fn multiply_adds_are_those_that_torch_counts() {
        let linear = |config| HfPvtV2Config {
            linear_attention: true,
            ..config
        };
        let b0 = HfPvtV2Config::default();
        let b2 = HfPvtV2Config {
            hidden_sizes: vec![64, 128, 320, 512],
            depths: vec![3, 4, 6, 3],
            ..HfPvtV2Config::default()
        };
        for (config, square, odd) in [
            (b0.clone(), 3_797_155_840, 164_697_184),
            (linear(b0), 2_766_262_272, 188_761_952),
            (b2.clone(), 24_182_259_712, 1_199_551_680),
            (linear(b2), 19_396_341_760, 1_348_159_808),
        ] {
            let config = all(config);
            assert_eq!(config.macs([512, 512]).0, square);
            assert_eq!(config.macs([97, 131]).0, odd);
        }
    }

    #[test]
    fn sizes_round_up() {
        let (_, sizes) = HfPvtV2Config::default().macs([69, 93]);
        assert_eq!(sizes, [[18, 24], [9, 12], [5, 6], [3, 3]]);
    }

    #[test]
    fn an_image_without_a_key_is_refused() {
        let config = all(HfPvtV2Config::default());
        assert_eq!(config.refusal([29, 29]), None);
        let problem = config.refusal([28, 100]);
        assert_eq!(problem.as_deref(), Some("at least 29 x 29 pixels"));
        let linear = HfPvtV2Config {
            linear_attention: true,
            ..config
        };
        assert_eq!(linear.refusal([1, 1]), None);
    }
}
