//! What plain vision transformers have in common: every layer is a stage with the same map.

use serde_json::{Value, json};

use crate::config::{
    ConfigError, HfNeck, HfVariant,
    fields::Fields,
    limits::{MAX_LAYERS, MAX_MLP_RATIO},
};

/// One block for each stage.
pub(crate) fn depths(num_hidden_layers: usize) -> &'static [usize] {
    const ONES: [usize; MAX_LAYERS] = [1; MAX_LAYERS];
    ONES.get(..num_hidden_layers).unwrap_or(&ONES)
}

/// The ends of four equal parts of the layers, from 1: what published recipes build pyramids on.
pub(crate) fn quarters(num_hidden_layers: usize) -> Vec<usize> {
    let mut layers: Vec<usize> = (1..=4)
        .map(|part| (part * num_hidden_layers).div_ceil(4))
        .collect();
    layers.dedup();
    layers
}

/// Refuses maps that are not maps.
pub(crate) fn reshaped_only(fields: &Fields<'_>) -> Result<(), ConfigError> {
    if fields.boolean("reshape_hidden_states", true)? {
        return Ok(());
    }
    Err(ConfigError::Unsupported {
        field: fields.path("reshape_hidden_states"),
        found: "false".into(),
        hint: "a UPerNet reads maps, not rows of tokens".into(),
    })
}

/// Refuses channels that do not divide into heads.
pub(crate) fn check_heads(
    fields: &Fields<'_>,
    hidden_size: usize,
    num_attention_heads: usize,
) -> Result<(), ConfigError> {
    if hidden_size.is_multiple_of(num_attention_heads) {
        return Ok(());
    }
    Err(ConfigError::Disagree {
        first: fields.path("hidden_size"),
        second: fields.path("num_attention_heads"),
        detail: format!("{hidden_size} channels are not divisible by {num_attention_heads} heads"),
    })
}

/// Refuses positions of no patch.
pub(crate) fn check_patches(
    fields: &Fields<'_>,
    image_size: usize,
    patch_size: usize,
) -> Result<(), ConfigError> {
    if patch_size <= image_size {
        return Ok(());
    }
    Err(ConfigError::Disagree {
        first: fields.path("image_size"),
        second: fields.path("patch_size"),
        detail: format!("an image of {image_size} pixels holds no patch of {patch_size}"),
    })
}

/// Channels inside a perceptron: `int(hidden_size * mlp_ratio)`, of a gated one two thirds of it, made a
/// multiple of 8.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream truncates too, and both factors are bounded"
)]
pub(crate) fn inner_channels(hidden_size: usize, mlp_ratio: f64, is_gated: bool) -> usize {
    let inner = (hidden_size as f64 * mlp_ratio.clamp(0.0, MAX_MLP_RATIO)) as usize;
    if is_gated {
        ((inner as f64 * 2.0 / 3.0) as usize).next_multiple_of(8)
    } else {
        inner
    }
}

/// A perceptron's ratio as Hugging Face writes it: `transformers` 5 takes nothing but an integer there.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is whole, and bounded"
)]
pub(crate) fn ratio(mlp_ratio: f64) -> Value {
    if mlp_ratio.fract() == 0.0 && (0.0..=MAX_MLP_RATIO).contains(&mlp_ratio) {
        json!(mlp_ratio as u64)
    } else {
        json!(mlp_ratio)
    }
}

/// What the parameters of a plain transformer are counted from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) num_channels: usize,
    pub(crate) patch_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) num_hidden_layers: usize,
    /// Channels inside a perceptron.
    pub(crate) inner: usize,
    /// Matrices of a perceptron: 2, or 3 of a gated one.
    pub(crate) matrices: usize,
    /// Learned tokens: positions, class token, registers.
    pub(crate) tokens: f64,
}

impl Sizes {
    pub(crate) fn parameters(self) -> f64 {
        let channels = self.hidden_size as f64;
        let patch = self.num_channels as f64 * (self.patch_size as f64).powi(2);
        let perceptron = self.matrices as f64 * self.inner as f64;
        let layer = channels * (4.0 * channels + perceptron + 13.0);
        channels * (patch + self.tokens) + self.num_hidden_layers as f64 * layer
    }
}

/// Puts the neck of a variant in its place, and says whether a plain transformer has one for it.
pub(crate) fn put_variant(place: &mut Option<HfNeck>, variant: HfVariant) -> bool {
    *place = match variant {
        HfVariant::Neck(neck) => Some(neck),
        HfVariant::SingleScale => None,
        HfVariant::DeepStem => return false,
    };
    true
}

/// What a neck adds, if there is one.
pub(crate) fn neck_parameters(neck: Option<HfNeck>, hidden_size: usize) -> f64 {
    neck.map_or(0.0, |neck| neck.parameters(hidden_size))
}

#[cfg(test)]
mod tests {
    use super::{inner_channels, quarters};

    #[test]
    fn four_layers_at_equal_distances() {
        assert_eq!(quarters(12), [3, 6, 9, 12]);
        assert_eq!(quarters(24), [6, 12, 18, 24]);
        assert_eq!(quarters(40), [10, 20, 30, 40]);
        assert_eq!(quarters(6), [2, 3, 5, 6]);
        assert_eq!(quarters(3), [1, 2, 3]);
        assert_eq!(quarters(1), [1]);
    }

    /// DINOv2-g: 1536 channels, whose file holds 8192 x 1536 weights of gate and values.
    #[test]
    fn gated_perceptrons_are_rounded_to_eights() {
        assert_eq!(inner_channels(1536, 4.0, true), 4096);
        assert_eq!(inner_channels(384, 4.0, false), 1536);
        assert_eq!(inner_channels(20, 4.0, true), 56);
    }
}
