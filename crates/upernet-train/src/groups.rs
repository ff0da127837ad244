//! Which parameter learns how fast, and which weights decay.

use serde::{Deserialize, Serialize};
use upernet::{hf::config::HfConfig, zoo::is_neck};

use crate::Error;

/// Parameter groups, by rules of the field.
///
/// Weights of rank 1 and below (biases, norms, layer scales), response norms, position tables and what
/// stands for them in Swin V2 do not decay, as in every published recipe of Swin and ConvNeXt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// Factor of the learning rate from each layer of the backbone to the one before it; 1 for none.
    ///
    /// The block nearest to the head has this factor once, the stem as often as there are blocks, and
    /// once more. Upstream: `layer_decay_rate` of mmsegmentation's ConvNeXt recipes.
    pub layer_decay: f64,
    /// Factor of the learning rate of both heads, and of a neck, which is not pretrained either.
    pub head_multiplier: f64,
    /// Factors for parameters by their names, in addition; all that match apply.
    pub rules: Vec<Rule>,
}

/// Factors for the parameters whose checkpoint key contains a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Text to look for in the key, such as `backbone.` or `layer_scale`.
    pub contains: String,
    /// Factor of the learning rate.
    #[serde(default = "one")]
    pub learning_rate: f64,
    /// Factor of the weight decay.
    #[serde(default = "one")]
    pub weight_decay: f64,
}

/// What a parameter's group does to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Factor of the learning rate.
    pub learning_rate: f64,
    /// Factor of the weight decay.
    pub weight_decay: f64,
}

/// Parts of the keys of parameters that do not decay, whatever their rank. `logit_scale` and
/// `continuous_position_bias_mlp`: Microsoft's `SwinTransformerV2.no_weight_decay_keywords`; learned
/// tokens: timm's `VisionTransformer.no_weight_decay`.
const UNDECAYED: [&str; 8] = [
    ".grn.",
    "relative_position_bias_table",
    "position_embeddings",
    "cls_token",
    "logit_scale",
    "continuous_position_bias_mlp",
    "mask_token",
    "register_tokens",
];

fn one() -> f64 {
    1.0
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            layer_decay: 1.0,
            head_multiplier: 1.0,
            rules: Vec::new(),
        }
    }
}

impl Groups {
    /// The factors of the parameter that a checkpoint calls `key`, of that `rank`.
    #[must_use]
    pub fn factors(&self, key: &str, rank: usize, config: &HfConfig) -> Factors {
        let decays = rank > 1 && !UNDECAYED.iter().any(|part| key.contains(part));
        let mut factors = Factors {
            learning_rate: 1.0,
            weight_decay: f64::from(u8::from(decays)),
        };
        if key.starts_with("backbone.") && !is_neck(key) {
            let blocks = config.backbone.depths().iter().sum::<usize>();
            let below_head = blocks + 1 - layer(key, config.backbone.depths()).min(blocks + 1);
            let exponent = i32::try_from(below_head).unwrap_or(i32::MAX);
            factors.learning_rate *= self.layer_decay.powi(exponent);
        } else {
            factors.learning_rate *= self.head_multiplier;
        }
        for rule in self
            .rules
            .iter()
            .filter(|rule| key.contains(&rule.contains))
        {
            factors.learning_rate *= rule.learning_rate;
            factors.weight_decay *= rule.weight_decay;
        }
        factors
    }

    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the field.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |name, problem: &str| {
            Err(Error::Setting {
                name,
                problem: problem.to_owned(),
            })
        };
        let is_factor = |value: f64| value.is_finite() && value >= 0.0;
        if !(self.layer_decay > 0.0 && self.layer_decay <= 1.0) {
            return refuse(
                "optimizer.groups.layer_decay",
                "use a number above 0, at most 1",
            );
        }
        if !is_factor(self.head_multiplier) {
            return refuse(
                "optimizer.groups.head_multiplier",
                "use a number of at least 0",
            );
        }
        let mut rules = self.rules.iter();
        if !rules.all(|rule| is_factor(rule.learning_rate) && is_factor(rule.weight_decay)) {
            return refuse("optimizer.groups.rules", "use factors of at least 0");
        }
        Ok(())
    }
}

/// Where in the backbone a parameter is: 0 for the stem, then one for each block, and the norms of the
/// maps after the last. What leads from stage to stage counts with the block that follows (ConvNeXt) or
/// goes before (Swin); a stage's own norm with its last block (PVTv2).
fn layer(key: &str, depths: &[usize]) -> usize {
    let number_after = |name: &str| {
        let (_, rest) = key.split_once(name)?;
        rest.split('.').next()?.parse::<usize>().ok()
    };
    let blocks = depths.iter().sum::<usize>();
    // DINOv3's ConvNeXt and PVTv2 count their stem as what leads into the first stage; ResNet calls its an
    // embedder.
    let stems = [
        "backbone.embeddings",
        // What all layers of a BEiT read.
        "backbone.beit.encoder.relative_position_bias",
        "backbone.embedder",
        "backbone.stages.0.downsample_layers",
        "backbone.encoder.layers.0.patch_embedding",
    ];
    if stems.iter().any(|stem| key.starts_with(stem)) {
        return 0;
    }
    // Each layer of a plain transformer is a stage of one block.
    let layer = number_after(".encoder.layer.").or_else(|| number_after("backbone.layer."));
    if let Some(layer) = layer.filter(|&layer| layer < depths.len()) {
        return layer + 1;
    }
    let stage = number_after(".encoder.stages.")
        .or_else(|| number_after(".encoder.layers."))
        .or_else(|| number_after("backbone.stages."));
    let Some(stage) = stage.filter(|&stage| stage < depths.len()) else {
        return blocks + 1;
    };
    let before = depths[..stage].iter().sum::<usize>();
    let is_stage = key.contains(".stages.");
    let block = number_after(if is_stage { ".layers." } else { ".blocks." });
    match block {
        Some(block) => before + block + 1,
        None if is_stage || key.contains(".patch_embedding.") => before + 1,
        None => before + depths[stage],
    }
}

#[cfg(test)]
mod tests {
    use upernet::hf::config::{HfBackboneConfig, HfBeitConfig, HfConvNextConfig, HfSwinConfig};

    use super::*;

    fn convnext() -> HfConfig {
        HfConfig::new(HfBackboneConfig::ConvNext(HfConvNextConfig {
            depths: vec![2, 1],
            hidden_sizes: vec![8, 16],
            out_stages: vec![1, 2],
            ..HfConvNextConfig::default()
        }))
    }

    #[test]
    fn norms_biases_and_position_tables_do_not_decay() {
        let (groups, config) = (Groups::default(), convnext());
        let decay = |key: &str, rank| groups.factors(key, rank, &config).weight_decay;
        assert_eq!(decay("decode_head.classifier.weight", 4), 1.0);
        assert_eq!(decay("decode_head.classifier.bias", 1), 0.0);
        let norm = "backbone.encoder.stages.0.layers.0.grn.weight";
        assert_eq!(decay(norm, 4), 0.0);
        let table =
            "backbone.encoder.layers.0.blocks.0.attention.self.relative_position_bias_table";
        assert_eq!(decay(table, 2), 0.0);
        let attention = "backbone.encoder.layers.0.blocks.0.attention.self";
        assert_eq!(decay(&format!("{attention}.logit_scale"), 3), 0.0);
        let perceptron = format!("{attention}.continuous_position_bias_mlp.0.weight");
        assert_eq!(decay(&perceptron, 2), 0.0);
        assert_eq!(decay(&format!("{attention}.query.weight"), 2), 1.0);
    }

    #[test]
    fn layers_of_convnext_are_counted_from_the_stem() {
        let depths = [2, 1];
        let stem = "backbone.embeddings.patch_embeddings.weight";
        let places = [
            (stem, 0),
            ("backbone.encoder.stages.0.layers.0.dwconv.weight", 1),
            ("backbone.encoder.stages.0.layers.1.pwconv1.weight", 2),
            ("backbone.encoder.stages.1.downsampling_layer.0.weight", 3),
            ("backbone.encoder.stages.1.layers.0.layernorm.weight", 3),
            ("backbone.hidden_states_norms.stage1.weight", 4),
            // DINOv3's.
            ("backbone.stages.0.downsample_layers.1.weight", 0),
            ("backbone.stages.0.layers.1.gamma", 2),
            ("backbone.stages.1.downsample_layers.0.weight", 3),
            ("backbone.stages.1.layers.0.pointwise_conv1.bias", 3),
        ];
        for (key, expected) in places {
            assert_eq!(layer(key, &depths), expected, "{key}");
        }
    }

    #[test]
    fn layers_of_pvtv2_are_counted_from_its_first_patches() {
        let depths = [2, 1];
        let places = [
            ("backbone.encoder.layers.0.patch_embedding.proj.weight", 0),
            ("backbone.encoder.layers.0.blocks.1.mlp.dense1.weight", 2),
            ("backbone.encoder.layers.0.layer_norm.bias", 2),
            (
                "backbone.encoder.layers.1.patch_embedding.layer_norm.weight",
                3,
            ),
            (
                "backbone.encoder.layers.1.blocks.0.attention.layer_norm.bias",
                3,
            ),
        ];
        for (key, expected) in places {
            assert_eq!(layer(key, &depths), expected, "{key}");
        }
    }

    #[test]
    fn layers_of_resnet_are_counted_from_the_stem() {
        let depths = [2, 1];
        let places = [
            ("backbone.embedder.embedder.convolution.weight", 0),
            (
                "backbone.encoder.stages.0.layers.1.layer.2.convolution.weight",
                2,
            ),
            (
                "backbone.encoder.stages.1.layers.0.shortcut.normalization.bias",
                3,
            ),
        ];
        for (key, expected) in places {
            assert_eq!(layer(key, &depths), expected, "{key}");
        }
    }

    #[test]
    fn layers_of_swin_are_counted_from_the_stem() {
        let depths = [2, 2];
        let places = [
            (
                "backbone.encoder.layers.0.blocks.1.layernorm_before.weight",
                2,
            ),
            ("backbone.encoder.layers.0.downsample.reduction.weight", 2),
            ("backbone.encoder.layers.1.blocks.0.output.dense.weight", 3),
        ];
        for (key, expected) in places {
            assert_eq!(layer(key, &depths), expected, "{key}");
        }
        let swin = HfConfig::new(HfBackboneConfig::Swin(HfSwinConfig::default()));
        let groups = Groups {
            layer_decay: 0.5,
            head_multiplier: 10.0,
            ..Groups::default()
        };
        let rate = |key| groups.factors(key, 2, &swin).learning_rate;
        assert_eq!(rate("decode_head.bottleneck.conv.weight"), 10.0);
        assert_eq!(rate("backbone.hidden_states_norms.stage4.weight"), 1.0);
        // Depths 2, 2, 6, 2: the last block is one below the norms.
        assert_eq!(
            rate("backbone.encoder.layers.3.blocks.1.output.dense.weight"),
            0.5
        );
        assert_eq!(rate("backbone.embeddings.norm.weight"), 0.5_f64.powi(13));
    }

    #[test]
    fn layers_of_beit_are_counted_and_its_neck_learns_as_the_heads_do() {
        let depths = [1; 3];
        let places = [
            ("backbone.embeddings.cls_token", 0),
            ("backbone.encoder.layer.0.lambda_1", 1),
            ("backbone.encoder.layer.2.output.dense.weight", 3),
            (
                "backbone.beit.encoder.relative_position_bias.relative_position_bias_table",
                0,
            ),
        ];
        for (key, expected) in places {
            assert_eq!(layer(key, &depths), expected, "{key}");
        }
        let beit = HfConfig::new(HfBackboneConfig::Beit(HfBeitConfig::default()));
        let groups = Groups {
            layer_decay: 0.5,
            head_multiplier: 10.0,
            ..Groups::default()
        };
        let factors = |key, rank| groups.factors(key, rank, &beit);
        let neck = factors("backbone.fpn1.0.weight", 4);
        assert_eq!((neck.learning_rate, neck.weight_decay), (10.0, 1.0));
        let last = factors("backbone.encoder.layer.11.lambda_2", 1);
        assert_eq!((last.learning_rate, last.weight_decay), (0.5, 0.0));
        let token = factors("backbone.embeddings.cls_token", 3);
        assert_eq!(
            (token.learning_rate, token.weight_decay),
            (0.5_f64.powi(13), 0.0)
        );
    }

    #[test]
    fn layers_of_plain_transformers_are_counted_from_the_stem() {
        let depths = [1; 12];
        for (key, expected) in [
            ("backbone.embeddings.position_embeddings", 0),
            ("backbone.encoder.layer.0.norm1.weight", 1),
            ("backbone.encoder.layer.11.layer_scale2.lambda1", 12),
            ("backbone.layernorm.weight", 13),
            ("backbone.layer.4.attention.q_proj.weight", 5),
            ("backbone.norm.weight", 13),
        ] {
            assert_eq!(layer(key, &depths), expected, "{key}");
        }
        let (groups, config) = (Groups::default(), convnext());
        for key in ["cls_token", "register_tokens", "position_embeddings"] {
            let key = format!("backbone.embeddings.{key}");
            assert_eq!(groups.factors(&key, 3, &config).weight_decay, 0.0, "{key}");
        }
    }

    #[test]
    fn rules_multiply() {
        let rule = Rule {
            contains: "decode_head".to_owned(),
            learning_rate: 0.5,
            weight_decay: 0.0,
        };
        let groups = Groups {
            head_multiplier: 4.0,
            rules: vec![rule],
            ..Groups::default()
        };
        let factors = groups.factors("decode_head.bottleneck.conv.weight", 4, &convnext());
        let expected = Factors {
            learning_rate: 2.0,
            weight_decay: 0.0,
        };
        assert_eq!(factors, expected);
    }
}
