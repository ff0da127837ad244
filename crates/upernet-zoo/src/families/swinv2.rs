//! Swin V2.

use burn::tensor::Device;
use upernet_hf::config::HfSwinV2Config;
use upernet_swin::{DropPathRule, SwinV2Config, log_spaced_offsets};

use super::{Family, from_zero, product, renamed};
use crate::{BuildOptions, ZooBackbone};

/// Paths of modules to hub keys, applied in order.
const PATH_TO_KEY: [(&str, &str); 12] = [
    (
        "backbone.patch_embedding.projection.",
        "backbone.embeddings.patch_embeddings.projection.",
    ),
    ("backbone.patch_embedding.", "backbone.embeddings."),
    ("backbone.stages.", "backbone.encoder.layers."),
    (".attention.query.", ".attention.self.query."),
    (".attention.key.", ".attention.self.key."),
    (".attention.value.", ".attention.self.value."),
    (".attention.logit_scale", ".attention.self.logit_scale"),
    // Upstream's `nn.Sequential`, with the activation in between.
    (
        ".attention.continuous_position_bias_mlp.expand.",
        ".attention.self.continuous_position_bias_mlp.0.",
    ),
    (
        ".attention.continuous_position_bias_mlp.project.",
        ".attention.self.continuous_position_bias_mlp.2.",
    ),
    (".attention.projection.", ".attention.output.dense."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
];

/// The lookup table of the position bias, derived from the window size; older files have it.
const POSITION_INDEX: &str = ".attention.self.relative_position_index";

/// The offsets that the position bias is computed from, derived from window sizes; older files have
/// them.
const OFFSETS: &str = ".attention.self.relative_coords_table";

impl Family for HfSwinV2Config {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::SwinV2(swinv2_config(self, options).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        renamed(path, &PATH_TO_KEY)
    }

    /// The perceptrons of the position bias are left out: they run once for all images.
    fn macs(&self, [height, width]: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let patch = self.patch_size;
        let mut size = [height.div_ceil(patch), width.div_ceil(patch)];
        let mut macs = product(&[
            size[0],
            size[1],
            self.num_channels * patch * patch,
            self.embed_dim,
        ]);
        let channels = (0..self.depths.len()).map(|stage| self.embed_dim << stage);
        let last_stage = self.out_stages.last().copied().unwrap_or_default();
        let mut sizes = Vec::new();
        for (stage, (&depth, channels)) in self.depths.iter().zip(channels).enumerate() {
            sizes.push(size);
            if stage >= last_stage {
                continue;
            }
            let [height, width] = size;
            let window = self.stage_window(stage);
            let padded = height.next_multiple_of(window) * width.next_multiple_of(window);
            let projections = product(&[4, padded, channels, channels]);
            let attention = product(&[2, padded, window * window, channels]);
            let hidden = mlp_channels(self, channels);
            let mlp = product(&[2, height, width, channels, hidden]);
            macs += depth as u64 * (projections + attention + mlp);
            size = [height.div_ceil(2), width.div_ceil(2)];
            if stage + 1 < last_stage {
                macs += product(&[size[0], size[1], 4 * channels, 2 * channels]);
            }
        }
        (macs, sizes)
    }

    fn position_index(&self, key: &str) -> Option<usize> {
        let stage = stage_of(key.strip_suffix(POSITION_INDEX)?, self)?;
        Some(self.stage_window(stage))
    }

    fn derived_values(&self, key: &str) -> Option<Vec<f32>> {
        let stage = stage_of(key.strip_suffix(OFFSETS)?, self)?;
        let pretrained = self.pretrained_window_sizes[stage];
        Some(log_spaced_offsets(self.stage_window(stage), pretrained))
    }
}

/// The stage, from 0, that a hub key is of.
fn stage_of(key: &str, config: &HfSwinV2Config) -> Option<usize> {
    let (stage, _) = key
        .strip_prefix("backbone.encoder.layers.")?
        .split_once('.')?;
    let stage = stage.parse().ok()?;
    (stage < config.depths.len()).then_some(stage)
}

fn swinv2_config(config: &HfSwinV2Config, options: &BuildOptions) -> SwinV2Config {
    SwinV2Config::new()
        .with_num_channels(config.num_channels)
        .with_image_size(config.image_size)
        .with_patch_size(config.patch_size)
        .with_embed_dim(config.embed_dim)
        .with_depths(config.depths.clone())
        .with_num_heads(config.num_heads.clone())
        .with_window_size(config.window_size)
        .with_pretrained_window_sizes(config.pretrained_window_sizes.clone())
        .with_mlp_ratio(config.mlp_ratio)
        .with_qkv_bias(config.qkv_bias)
        .with_hidden_dropout(config.hidden_dropout_prob)
        .with_attention_dropout(config.attention_probs_dropout_prob)
        .with_drop_path_rate(options.drop_path_rate.unwrap_or(config.drop_path_rate))
        .with_drop_path_rule(options.drop_path_rule.unwrap_or(DropPathRule::BothBranches))
        .with_layer_norm_eps(config.layer_norm_eps)
        .with_initializer_range(config.initializer_range)
        .with_out_stages(from_zero(&config.out_stages))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream truncates too: int(mlp_ratio * channels)"
)]
fn mlp_channels(config: &HfSwinV2Config, channels: usize) -> usize {
    (config.mlp_ratio * channels as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swinv2_paths() {
        let family = HfSwinV2Config::default();
        let block = "backbone.encoder.layers.1.blocks.0";
        let cases = [
            (
                "backbone.patch_embedding.projection.weight",
                "backbone.embeddings.patch_embeddings.projection.weight".to_owned(),
            ),
            (
                "backbone.patch_embedding.norm.bias",
                "backbone.embeddings.norm.bias".to_owned(),
            ),
            (
                "backbone.stages.1.blocks.0.attention.logit_scale",
                format!("{block}.attention.self.logit_scale"),
            ),
            (
                "backbone.stages.1.blocks.0.attention.continuous_position_bias_mlp.expand.bias",
                format!("{block}.attention.self.continuous_position_bias_mlp.0.bias"),
            ),
            (
                "backbone.stages.1.blocks.0.attention.continuous_position_bias_mlp.project.weight",
                format!("{block}.attention.self.continuous_position_bias_mlp.2.weight"),
            ),
            (
                "backbone.stages.1.blocks.0.attention.projection.weight",
                format!("{block}.attention.output.dense.weight"),
            ),
            (
                "backbone.stages.1.blocks.0.layernorm_after.weight",
                format!("{block}.layernorm_after.weight"),
            ),
            (
                "backbone.stages.0.downsample.norm.weight",
                "backbone.encoder.layers.0.downsample.norm.weight".to_owned(),
            ),
        ];
        for (path, key) in cases {
            assert_eq!(family.hub_key(path), key);
        }
    }

    #[test]
    fn derived_tables_are_those_of_their_stage() {
        let family = HfSwinV2Config {
            image_size: 64,
            window_size: 8,
            pretrained_window_sizes: vec![0, 0, 0, 6],
            ..HfSwinV2Config::default()
        };
        let key = |stage, table| format!("backbone.encoder.layers.{stage}.blocks.1{table}");
        assert_eq!(family.position_index(&key(0, POSITION_INDEX)), Some(8));
        assert_eq!(family.position_index(&key(2, POSITION_INDEX)), Some(4));
        assert_eq!(family.position_index(&key(4, POSITION_INDEX)), None);
        let offsets = family.derived_values(&key(3, OFFSETS));
        assert_eq!(offsets, Some(log_spaced_offsets(2, 6)));
        assert_eq!(family.derived_values(&key(3, POSITION_INDEX)), None);
    }
}
