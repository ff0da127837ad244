//! What training makes small: weighted sums of losses over labelled pixels.
//!
//! A [`LossConfig`] names the terms; a [`Loss`] computes them. All terms see the same pixels: those
//! whose label is a class and not the ignored one. Where none is, every loss is 0 and so is its
//! gradient. Labels that are no class are left out as the ignored one is; check data where it is read.
//!
//! | `kind` | What it is |
//! |---|---|
//! | `cross_entropy` | mean of `-ln p[y]`, with label smoothing: `torch.nn.CrossEntropyLoss` |
//! | `ohem` | the same over hard pixels alone: mmsegmentation's `OHEMPixelSampler` |
//! | `dice` | 1 - overlap of each class with its pixels: mmsegmentation's `DiceLoss` |
//! | `focal` | mean of `-(1 - p[y])^gamma ln p[y]`: Lin and others 2017 |
//! | `lovasz` | Lovasz extension of the Jaccard loss: Berman and others 2018 |
//!
//! `p` is the softmax over the classes at a pixel, `y` its label. Logits come as the network makes
//! them, mostly a quarter of the photo's size, and are resized bilinearly to the labels.
//!
//! # Cost
//!
//! `cross_entropy` and `ohem` run in one pass on burn's CPU backend, and full-size logits never exist
//! there. The others need the probabilities of all classes at all pixels: 157 MB for 512 x 512 pixels
//! and 150 classes, some times over. `lovasz` also sorts the pixels of every class that is present, on
//! the host: no GPU backend of burn sorts.

mod config;
mod dice;
mod focal;
mod lovasz;
mod ohem;
mod pixels;

use std::fmt;

use burn::tensor::{Int, Tensor};
use upernet_data::Error;
use upernet_ops::CrossEntropy;

pub use self::config::{
    CrossEntropyTerm, DiceTerm, FocalTerm, LossConfig, LovaszTerm, OhemTerm, TermConfig,
};
use self::pixels::Pixels;

/// A weighted sum of losses, ready to compute.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use upernet_train::losses::{Loss, LossConfig};
///
/// let config: LossConfig = toml::from_str(
///     r#"
///     [[terms]]
///     kind = "cross_entropy"
///
///     [[terms]]
///     kind = "dice"
///     weight = 0.5
///     "#,
/// )
/// .unwrap();
/// let loss = Loss::new(&config, 3, 255, None)?;
///
/// let device = Device::flex().autodiff();
/// let logits = Tensor::<4>::zeros([1, 3, 2, 2], &device).require_grad();
/// let labels = Tensor::<3, Int>::zeros([1, 7, 5], &device);
/// let value = loss.forward(logits.clone(), labels);
/// assert!(logits.grad(&value.backward()).is_some());
/// # Ok::<(), upernet_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Loss {
    terms: Vec<Term>,
    ignore_index: i64,
}

/// A loss and what it is made of.
#[derive(Clone, Debug)]
pub struct LossTerms {
    /// The sum, `[1]`; gradients pass it.
    pub total: Tensor<1>,
    /// What each term adds to the sum, in the order of the config; for logs.
    pub terms: Vec<NamedLoss>,
}

/// What one term adds to a loss.
#[derive(Clone, Debug)]
pub struct NamedLoss {
    /// Its kind; the second of the same kind is `dice_2`, and so on.
    pub name: String,
    /// Times its weight, `[1]`; no gradient passes it. It is read from the device only when asked for.
    pub value: Tensor<1>,
}

#[derive(Clone, Debug)]
struct Term {
    name: String,
    weight: f64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    CrossEntropy(CrossEntropy),
    Ohem(ohem::Ohem),
    Dice(DiceTerm),
    Focal(focal::Focal),
    Lovasz,
}

impl Loss {
    /// Prepares the loss of a config for a network of `num_labels` classes.
    ///
    /// `class_weights` is what the config's rule gave for the dataset, one for each class. Weights that
    /// the config itself lists need not be repeated; if both are there, `class_weights` counts. They
    /// serve cross-entropy, OHEM and focal loss; Dice and Lovasz average over classes already.
    ///
    /// # Errors
    ///
    /// Returns an error that names the setting if there is no term, a number is out of its range, there
    /// are more or fewer weights than classes, or the config asks for weights by a rule and there are
    /// none.
    pub fn new(
        config: &LossConfig,
        num_labels: usize,
        ignore_index: i64,
        class_weights: Option<Vec<f32>>,
    ) -> Result<Self, Error> {
        config.check(num_labels)?;
        let class_weights = config.resolve_weights(num_labels, class_weights)?;
        let cross_entropy = CrossEntropy {
            ignore_index,
            class_weights,
            label_smoothing: 0.0,
        };
        let mut terms: Vec<Term> = Vec::new();
        for term in &config.terms {
            let same = terms
                .iter()
                .filter(|other| other.kind.name() == term.kind());
            let name = match same.count() {
                0 => term.kind().to_owned(),
                others => format!("{}_{}", term.kind(), others + 1),
            };
            terms.push(Term {
                name,
                weight: term.weight(),
                kind: Kind::new(term, &cross_entropy),
            });
        }
        Ok(Self {
            terms,
            ignore_index,
        })
    }

    /// Names of the terms, as [`LossTerms`] has them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|term| term.name.as_str())
    }

    /// Computes the loss.
    ///
    /// # Shapes
    ///
    /// - `logits`: `[N, num_labels, h, w]`, of any size
    /// - `labels`: `[N, H, W]`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// Panics if the batches differ, the labels are empty, or the logits have other classes than the
    /// loss was made for and class weights.
    #[must_use]
    pub fn forward(&self, logits: Tensor<4>, labels: Tensor<3, Int>) -> Tensor<1> {
        self.forward_terms(logits, labels).total
    }

    /// Computes the loss, and keeps what each term adds to it.
    ///
    /// Shapes are those of [`forward`](Self::forward).
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[must_use]
    pub fn forward_terms(&self, logits: Tensor<4>, labels: Tensor<3, Int>) -> LossTerms {
        let pixels = Pixels::new(logits, labels, self.ignore_index);
        let mut total: Option<Tensor<1>> = None;
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let value = term.kind.forward(&pixels) * term.weight;
            terms.push(NamedLoss {
                name: term.name.clone(),
                value: value.clone().without_autodiff(),
            });
            total = Some(match total {
                Some(total) => total + value,
                None => value,
            });
        }
        LossTerms {
            total: total.expect("a loss without terms is refused"),
            terms,
        }
    }
}

impl Kind {
    fn new(term: &TermConfig, cross_entropy: &CrossEntropy) -> Self {
        match term {
            TermConfig::CrossEntropy(term) => Self::CrossEntropy(CrossEntropy {
                label_smoothing: config::single(term.label_smoothing),
                ..cross_entropy.clone()
            }),
            TermConfig::Ohem(term) => Self::Ohem(ohem::Ohem::new(term, cross_entropy.clone())),
            TermConfig::Dice(term) => Self::Dice(term.clone()),
            TermConfig::Focal(term) => Self::Focal(focal::Focal::new(
                term,
                cross_entropy.class_weights.as_deref(),
            )),
            TermConfig::Lovasz(_) => Self::Lovasz,
        }
    }

    fn forward(&self, pixels: &Pixels) -> Tensor<1> {
        match self {
            Self::CrossEntropy(term) => {
                term.forward_resized(pixels.logits().clone(), pixels.labels().clone())
            }
            Self::Ohem(term) => term.forward(pixels),
            Self::Dice(term) => dice::forward(term, pixels),
            Self::Focal(term) => term.forward(pixels),
            Self::Lovasz => lovasz::forward(pixels),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy(_) => "cross_entropy",
            Self::Ohem(_) => "ohem",
            Self::Dice(_) => "dice",
            Self::Focal(_) => "focal",
            Self::Lovasz => "lovasz",
        }
    }
}

impl fmt::Display for Loss {
    /// The sum as a formula, for the head of a log: `cross_entropy + 0.5 dice`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" + ")?;
            }
            if term.weight.to_bits() != 1.0_f64.to_bits() {
                write!(formatter, "{} ", term.weight)?;
            }
            formatter.write_str(&term.name)?;
        }
        Ok(())
    }
}
