//! Losses as a config file writes them.

mod check;

use serde::{Deserialize, Serialize};
use upernet_data::class_weights::ClassWeights;

/// The loss: a weighted sum of terms. The default is the plain cross-entropy that `transformers`
/// trains UPerNet with.
///
/// ```
/// use upernet_train::losses::{LossConfig, OhemTerm, TermConfig};
///
/// let config: LossConfig = toml::from_str(
///     r#"
///     class_weights = "median_frequency"
///
///     [[terms]]
///     kind = "ohem"
///     min_kept = 50_000
///
///     [[terms]]
///     kind = "lovasz"
///     weight = 0.5
///     "#,
/// )
/// .unwrap();
/// let ohem = OhemTerm { min_kept: 50_000, ..OhemTerm::default() };
/// assert_eq!(config.terms[0], TermConfig::Ohem(ohem));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// What a pixel of each class counts in cross-entropy, OHEM and focal loss. A rule needs the class
    /// counts of the dataset: whoever has them hands its result to [`Loss::new`](super::Loss::new).
    pub class_weights: ClassWeights,
    /// What is summed; at least one.
    pub terms: Vec<TermConfig>,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            class_weights: ClassWeights::default(),
            terms: vec![TermConfig::CrossEntropy(CrossEntropyTerm::default())],
        }
    }
}

/// One term of a loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TermConfig {
    /// Mean cross-entropy.
    CrossEntropy(CrossEntropyTerm),
    /// Cross-entropy of the hard pixels.
    Ohem(OhemTerm),
    /// Dice loss.
    Dice(DiceTerm),
    /// Focal loss.
    Focal(FocalTerm),
    /// Lovasz-softmax.
    Lovasz(LovaszTerm),
}

impl TermConfig {
    /// The kind, as a config file calls it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CrossEntropy(_) => "cross_entropy",
            Self::Ohem(_) => "ohem",
            Self::Dice(_) => "dice",
            Self::Focal(_) => "focal",
            Self::Lovasz(_) => "lovasz",
        }
    }

    /// What the term is multiplied with.
    #[must_use]
    pub fn weight(&self) -> f64 {
        match self {
            Self::CrossEntropy(term) => term.weight,
            Self::Ohem(term) => term.weight,
            Self::Dice(term) => term.weight,
            Self::Focal(term) => term.weight,
            Self::Lovasz(term) => term.weight,
        }
    }
}

/// Mean cross-entropy, as `torch.nn.CrossEntropyLoss` has it: with class weights a weighted mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropyTerm {
    /// What the term is multiplied with.
    pub weight: f64,
    /// The share of a label that is spread over all classes, from 0 to 1.
    pub label_smoothing: f64,
}

impl Default for CrossEntropyTerm {
    fn default() -> Self {
        Self {
            weight: 1.0,
            label_smoothing: 0.0,
        }
    }
}

/// Cross-entropy that hard pixels alone add to (online hard example mining, Shrivastava and others
/// 2016, <https://arxiv.org/abs/1604.03540>), as mmsegmentation's `OHEMPixelSampler` chooses them.
///
/// A pixel is hard if its label's probability is below `threshold`. If fewer than `min_kept` for each
/// photo of the batch are, that many of the least probable are taken. Easy pixels add nothing and stay
/// in the mean, as there: the loss shrinks with the share of hard pixels.
///
/// Batches with no more than `min_kept` labelled pixels for each photo keep them all; mmsegmentation
/// drops the easiest one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OhemTerm {
    /// What the term is multiplied with.
    pub weight: f64,
    /// Pixels whose label is less probable are hard; from 0 to 1.
    pub threshold: f64,
    /// How many pixels are kept at least, for each photo of a batch, counted over the whole batch.
    pub min_kept: usize,
}

impl Default for OhemTerm {
    fn default() -> Self {
        Self {
            weight: 1.0,
            threshold: 0.7,
            min_kept: 100_000,
        }
    }
}

/// Dice loss (V-Net, Milletari and others 2016, <https://arxiv.org/abs/1606.04797>), for each class by
/// itself as mmsegmentation's `DiceLoss` has it until 1.0.
///
/// For each photo and class, with sums over its labelled pixels and `t` 1 where the label is the class:
/// `1 - (2 sum p t + smooth) / (sum p^exponent + sum t + smooth)`; then the mean over photos and
/// classes. mmsegmentation leaves ignored pixels in the denominator; here they are out of it too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiceTerm {
    /// What the term is multiplied with.
    pub weight: f64,
    /// Added above and below, in pixels; more than 0.
    pub smooth: f64,
    /// Power of the probabilities in the denominator; 1 or more.
    pub exponent: f64,
}

impl Default for DiceTerm {
    fn default() -> Self {
        Self {
            weight: 1.0,
            smooth: 1.0,
            exponent: 2.0,
        }
    }
}

/// Focal loss over a softmax: the mean of `-alpha[y] (1 - p[y])^gamma ln p[y]` (Lin and others 2017,
/// <https://arxiv.org/abs/1708.02002>, equation 5, whose two classes become any number).
///
/// `alpha` is a factor, not a weight of the mean: the divisor is the number of labelled pixels. With
/// `gamma = 0` and no `alpha` it is the cross-entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FocalTerm {
    /// What the term is multiplied with.
    pub weight: f64,
    /// How fast a pixel stops to count as its label becomes probable; 0 or more.
    pub gamma: f64,
    /// A factor for each class from 0 up; the class weights of the loss if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<Vec<f64>>,
}

impl Default for FocalTerm {
    fn default() -> Self {
        Self {
            weight: 1.0,
            gamma: 2.0,
            alpha: None,
        }
    }
}

/// Lovasz-softmax (Berman and others 2018, <https://arxiv.org/abs/1705.08790>): the loss whose minimum
/// is the best mean `IoU`, over the classes present in the batch, all its photos taken together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LovaszTerm {
    /// What the term is multiplied with.
    pub weight: f64,
}

impl Default for LovaszTerm {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

/// A number of a config as the network computes.
#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are written with a few digits"
)]
pub(super) fn single(value: f64) -> f32 {
    value as f32
}
