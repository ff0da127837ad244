//! BEiT.

use burn::tensor::Device;
use upernet_beit::BeitConfig;
use upernet_hf::config::HfBeitConfig;

use super::{Family, from_zero, product, renamed};
use crate::{BuildOptions, ZooBackbone};

/// Paths of modules to hub keys, applied in order.
const PATH_TO_KEY: [(&str, &str); 14] = [
    (
        "backbone.embeddings.projection.",
        "backbone.embeddings.patch_embeddings.projection.",
    ),
    (
        "backbone.relative_position_bias.",
        "backbone.beit.encoder.relative_position_bias.",
    ),
    ("backbone.layers.", "backbone.encoder.layer."),
    (".attention.query.", ".attention.attention.query."),
    (".attention.key.", ".attention.attention.key."),
    (".attention.value.", ".attention.attention.value."),
    (
        ".attention.relative_position_bias.",
        ".attention.attention.relative_position_bias.",
    ),
    (".attention.projection.", ".attention.output.dense."),
    (".fc1.", ".intermediate.dense."),
    (".fc2.", ".output.dense."),
    // Upstream's `nn.Sequential` of two transposed convolutions (0, 3), a norm (1) and an activation.
    ("backbone.neck.fpn1.batch_norm.", "backbone.fpn1.1."),
    ("backbone.neck.fpn1.conv_transpose1.", "backbone.fpn1.0."),
    ("backbone.neck.fpn1.conv_transpose2.", "backbone.fpn1.3."),
    ("backbone.neck.fpn2.", "backbone.fpn2.0."),
];

/// What a backbone's file may have beside its weights: what takes the place of masked patches in
/// pretraining, and the norm before a classifier.
const UNUSED: [&str; 2] = ["backbone.embeddings.mask_token", "backbone.beit.layernorm."];

/// The lookup table of the relative position bias, which upstream makes anew for every size of image.
const POSITION_INDEX: &str = ".relative_position_bias.relative_position_index";

/// Position biases of one layer: 8 GiB of f32, eight times those of a BEiT-L at 1024 x 1024 pixels. They are
/// computed for every two patches of an image, so no weight has their size.
const MAX_POSITION_BIASES: u64 = 1 << 31;

impl Family for HfBeitConfig {
    fn build(&self, options: &BuildOptions, device: &Device) -> ZooBackbone {
        ZooBackbone::Beit(beit_config(self, options).init(device))
    }

    fn hub_key(&self, path: &str) -> String {
        renamed(path, &PATH_TO_KEY)
            .replace("backbone.fpn1.first.", "backbone.fpn1.0.")
            .replace("backbone.fpn1.second.", "backbone.fpn1.3.")
    }

    fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let grid = size.map(|pixels| pixels / self.patch_size);
        let (cells, channels) = (grid[0] * grid[1], self.hidden_size);
        let tokens = cells + 1;
        let patch = self.num_channels * self.patch_size * self.patch_size;
        let projections = product(&[4, tokens, channels, channels]);
        let attention = product(&[2, tokens, tokens, channels]);
        let perceptron = product(&[2, tokens, channels, self.intermediate_size]);
        let last = self.out_stages.last().copied().unwrap_or_default();
        let mut macs = product(&[cells, patch, channels])
            + last as u64 * (projections + attention + perceptron);
        let mut sizes = vec![grid; self.num_hidden_layers];
        if self.add_fpn {
            // Doublings of the first map, of the doubled one, and of the second map.
            macs += product(&[1 + 4 + 1, 4, cells, channels, channels]);
            let [height, width] = grid;
            let returned = [
                [4 * height, 4 * width],
                [2 * height, 2 * width],
                grid,
                [height / 2, width / 2],
            ];
            for (&stage, size) in self.out_stages.iter().zip(returned) {
                sizes[stage - 1] = size;
            }
        }
        (macs, sizes)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        let least = self.patch_size * if self.add_fpn { 2 } else { 1 };
        if size.iter().any(|&pixels| pixels < least) {
            return Some(format!("at least {least} x {least} pixels"));
        }
        let has_bias = self.use_relative_position_bias || self.use_shared_relative_position_bias;
        let [height, width] = size.map(|pixels| (pixels / self.patch_size) as u64);
        let tokens = height.saturating_mul(width).saturating_add(1);
        let biases = tokens.saturating_mul(tokens);
        let biases = biases.saturating_mul(self.num_attention_heads as u64);
        (has_bias && biases > MAX_POSITION_BIASES).then(|| {
            let heads = self.num_attention_heads as u64;
            let most = (MAX_POSITION_BIASES / heads).isqrt().saturating_sub(1);
            format!(
                "at most {most} patches of {0} x {0} pixels: each two of them have a bias in each of \
                 {heads} heads",
                self.patch_size
            )
        })
    }

    fn is_unused(&self, key: &str) -> bool {
        UNUSED.iter().any(|unused| key.starts_with(unused)) || key.ends_with(POSITION_INDEX)
    }
}

fn beit_config(config: &HfBeitConfig, options: &BuildOptions) -> BeitConfig {
    BeitConfig::new()
        .with_num_channels(config.num_channels)
        .with_image_size(config.image_size)
        .with_patch_size(config.patch_size)
        .with_hidden_size(config.hidden_size)
        .with_num_hidden_layers(config.num_hidden_layers)
        .with_num_attention_heads(config.num_attention_heads)
        .with_intermediate_size(config.intermediate_size)
        .with_hidden_dropout(config.hidden_dropout_prob)
        .with_attention_dropout(config.attention_probs_dropout_prob)
        .with_drop_path_rate(options.drop_path_rate.unwrap_or(config.drop_path_rate))
        .with_layer_norm_eps(config.layer_norm_eps)
        .with_layer_scale_init_value(config.layer_scale_init_value)
        .with_initializer_range(config.initializer_range)
        .with_absolute_positions(config.use_absolute_position_embeddings)
        .with_relative_position_bias(config.use_relative_position_bias)
        .with_shared_relative_position_bias(config.use_shared_relative_position_bias)
        .with_add_fpn(config.add_fpn)
        .with_out_stages(from_zero(&config.out_stages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beit_paths() {
        let family = HfBeitConfig::default();
        for (path, key) in [
            (
                "backbone.embeddings.projection.weight",
                "backbone.embeddings.patch_embeddings.projection.weight",
            ),
            (
                "backbone.embeddings.cls_token",
                "backbone.embeddings.cls_token",
            ),
            (
                "backbone.relative_position_bias.relative_position_bias_table",
                "backbone.beit.encoder.relative_position_bias.relative_position_bias_table",
            ),
            (
                "backbone.layers.2.attention.relative_position_bias.relative_position_bias_table",
                "backbone.encoder.layer.2.attention.attention.relative_position_bias.\
                 relative_position_bias_table",
            ),
            (
                "backbone.layers.2.attention.key.weight",
                "backbone.encoder.layer.2.attention.attention.key.weight",
            ),
            (
                "backbone.layers.2.attention.projection.bias",
                "backbone.encoder.layer.2.attention.output.dense.bias",
            ),
            (
                "backbone.layers.0.fc1.weight",
                "backbone.encoder.layer.0.intermediate.dense.weight",
            ),
            (
                "backbone.layers.0.fc2.weight",
                "backbone.encoder.layer.0.output.dense.weight",
            ),
            (
                "backbone.layers.0.lambda_1",
                "backbone.encoder.layer.0.lambda_1",
            ),
            (
                "backbone.neck.fpn1.conv_transpose1.bias",
                "backbone.fpn1.0.bias",
            ),
            (
                "backbone.neck.fpn1.batch_norm.running_mean",
                "backbone.fpn1.1.running_mean",
            ),
            (
                "backbone.neck.fpn1.conv_transpose2.weight",
                "backbone.fpn1.3.weight",
            ),
            ("backbone.neck.fpn2.weight", "backbone.fpn2.0.weight"),
        ] {
            assert_eq!(family.hub_key(path), key);
        }
    }

    fn base() -> HfBeitConfig {
        HfBeitConfig {
            add_fpn: true,
            use_relative_position_bias: true,
            out_stages: vec![4, 6, 8, 12],
            ..HfBeitConfig::default()
        }
    }

    #[test]
    fn an_image_is_neither_too_small_nor_too_large() {
        let beit = base();
        assert_eq!(beit.refusal([32, 640]), None);
        assert_eq!(
            beit.refusal([640, 31]).as_deref(),
            Some("at least 32 x 32 pixels")
        );
        // 115 x 115 patches and [CLS]: 13226^2 * 12 biases are below 2^31, those of 116 x 116 are not.
        assert_eq!(beit.refusal([1840, 1855]), None);
        assert_eq!(
            beit.refusal([1856, 1856]).as_deref(),
            Some(
                "at most 13376 patches of 16 x 16 pixels: each two of them have a bias in each of 12 \
                 heads"
            )
        );
        let without = HfBeitConfig {
            use_relative_position_bias: false,
            ..beit
        };
        assert_eq!(without.refusal([1856, 1856]), None);
    }

    /// Counted by torch 2.15's `FlopCounterMode` on the backbone alone, on meta tensors.
    #[test]
    fn multiply_adds_are_those_that_torch_counts() {
        let flat = HfBeitConfig {
            patch_size: 14,
            hidden_size: 96,
            num_attention_heads: 3,
            intermediate_size: 200,
            out_stages: vec![2, 5, 12],
            ..HfBeitConfig::default()
        };
        for (config, square, odd) in [
            (base(), 121_522_636_800, 4_913_842_176),
            (flat, 5_120_375_040_u64, 59_692_032),
        ] {
            assert_eq!(config.macs([512, 512]).0, square);
            assert_eq!(config.macs([97, 131]).0, odd);
        }
    }

    #[test]
    fn the_neck_changes_sizes() {
        let (_, sizes) = base().macs([161, 127]);
        assert_eq!(
            [sizes[3], sizes[5], sizes[7], sizes[11], sizes[0]],
            [[40, 28], [20, 14], [10, 7], [5, 3], [10, 7]]
        );
    }
}
