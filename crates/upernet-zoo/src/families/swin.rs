//! Swin.

use burn::tensor::Device;
use upernet_hf::config::HfSwinConfig;
use upernet_swin::{DropPathRule, SwinConfig};

use super::{Family, from_zero, product, renamed, with_named_norm};
use crate::{BuildOptions, ZooBackbone};

/// Paths of modules to hub keys, applied in order.
const PATH_TO_KEY: [(&str, &str); 10] = [
    (
        "backbone.patch_embedding.projection.",
        "backbone.embeddings.patch_embeddings.projection.",
    ),
    ("backbone.patch_embedding.", "backbone.embeddings."),
    ("backbone.stages.", "backbone.encoder.layers."),
    (".attention.query.", ".attention.self.query."),
    (".attention.key.", ".attention.self.key."),
    (".attention.value.", ".attention.self.value."),
    (
        ".attention.relative_position_bias_table",
        ".attention.self.relative_position_bias_table",
    ),
    (".attention.projection.", ".attention.output.dense."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
];

/// Upstream's final norm, kept in files of `transformers` 5 and never used.
const UNUSED_NORM: &str = "backbone.swin.layernorm.";

/// The lookup table of the relative position bias, derived from the window size.
const POSITION_INDEX: &str = ".attention.self.relative_position_index";

impl Family for HfSwinConfig {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::Swin(swin_config(self, options).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        with_named_norm(renamed(path, &PATH_TO_KEY), &self.out_stages)
    }

    fn macs(&self, [height, width]: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let patch = self.patch_size;
        let mut size = [height.div_ceil(patch), width.div_ceil(patch)];
        let mut macs = product(&[
            size[0],
            size[1],
            self.num_channels * patch * patch,
            self.embed_dim,
        ]);
        let window_tokens = self.window_size * self.window_size;
        let channels = (0..self.depths.len()).map(|stage| self.embed_dim << stage);
        let last_stage = self.out_stages.last().copied().unwrap_or_default();
        let mut sizes = Vec::new();
        for (stage, (&depth, channels)) in self.depths.iter().zip(channels).enumerate() {
            sizes.push(size);
            if stage >= last_stage {
                continue;
            }
            let [height, width] = size;
            let padded = height.next_multiple_of(self.window_size)
                * width.next_multiple_of(self.window_size);
            let projections = product(&[4, padded, channels, channels]);
            let attention = product(&[2, padded, window_tokens, channels]);
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

    fn refusal(&self, [height, width]: [usize; 2]) -> Option<String> {
        let side = self.image_size;
        let learned = [side / self.patch_size; 2];
        let cells = [height, width].map(|pixels| pixels.div_ceil(self.patch_size));
        (self.use_absolute_embeddings && cells != learned)
            .then(|| format!("{side} x {side} pixels: its positions are learned"))
    }

    fn is_unused(&self, key: &str) -> bool {
        key.starts_with(UNUSED_NORM)
    }

    fn position_index(&self, key: &str) -> Option<usize> {
        key.ends_with(POSITION_INDEX).then_some(self.window_size)
    }
}

fn swin_config(config: &HfSwinConfig, options: &BuildOptions) -> SwinConfig {
    SwinConfig::new()
        .with_num_channels(config.num_channels)
        .with_image_size(config.image_size)
        .with_patch_size(config.patch_size)
        .with_embed_dim(config.embed_dim)
        .with_depths(config.depths.clone())
        .with_num_heads(config.num_heads.clone())
        .with_window_size(config.window_size)
        .with_mlp_ratio(config.mlp_ratio)
        .with_qkv_bias(config.qkv_bias)
        .with_hidden_dropout(config.hidden_dropout_prob)
        .with_attention_dropout(config.attention_probs_dropout_prob)
        .with_drop_path_rate(options.drop_path_rate.unwrap_or(config.drop_path_rate))
        .with_drop_path_rule(
            options
                .drop_path_rule
                .unwrap_or(DropPathRule::AttentionOnly),
        )
        .with_absolute_positions(config.use_absolute_embeddings)
        .with_layer_norm_eps(config.layer_norm_eps)
        .with_initializer_range(config.initializer_range)
        .with_out_stages(from_zero(&config.out_stages))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream truncates too: int(mlp_ratio * channels)"
)]
fn mlp_channels(config: &HfSwinConfig, channels: usize) -> usize {
    (config.mlp_ratio * channels as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swin_paths() {
        let family = HfSwinConfig {
            out_stages: vec![2, 3, 4],
            ..HfSwinConfig::default()
        };
        let cases = [
            (
                "backbone.patch_embedding.projection.weight",
                "backbone.embeddings.patch_embeddings.projection.weight",
            ),
            (
                "backbone.patch_embedding.norm.bias",
                "backbone.embeddings.norm.bias",
            ),
            (
                "backbone.stages.1.blocks.0.attention.query.bias",
                "backbone.encoder.layers.1.blocks.0.attention.self.query.bias",
            ),
            (
                "backbone.stages.1.blocks.0.attention.relative_position_bias_table",
                "backbone.encoder.layers.1.blocks.0.attention.self.relative_position_bias_table",
            ),
            (
                "backbone.stages.1.blocks.0.attention.projection.weight",
                "backbone.encoder.layers.1.blocks.0.attention.output.dense.weight",
            ),
            (
                "backbone.stages.0.blocks.1.mlp.fc2.weight",
                "backbone.encoder.layers.0.blocks.1.output.dense.weight",
            ),
            (
                "backbone.stages.0.downsample.reduction.weight",
                "backbone.encoder.layers.0.downsample.reduction.weight",
            ),
            (
                "backbone.hidden_states_norms.0.weight",
                "backbone.hidden_states_norms.stage2.weight",
            ),
        ];
        for (path, key) in cases {
            assert_eq!(family.hub_key(path), key);
        }
    }
}
