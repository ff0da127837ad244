//! What a label asks of the probabilities.

/// What the logarithm of each probability counts at a pixel, by the pixel's label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Targets {
    weights: Vec<f32>,
    own: Vec<f32>,
    spread: Vec<f32>,
    spread_total: f32,
}

impl Targets {
    /// With weights for the classes, and a share of each label that is spread over all of them.
    pub(crate) fn new(weights: Vec<f32>, label_smoothing: f32) -> Self {
        // Spread over the only class, a label is what it was; so its loss is 0 without rounding.
        let label_smoothing = if weights.len() == 1 {
            0.0
        } else {
            label_smoothing
        };
        let own = weights
            .iter()
            .map(|weight| weight * (1.0 - label_smoothing));
        let share = label_smoothing / weights.len() as f32;
        let spread: Vec<f32> = if label_smoothing > 0.0 {
            weights.iter().map(|weight| weight * share).collect()
        } else {
            Vec::new()
        };
        Self {
            own: own.collect(),
            spread_total: spread.iter().sum(),
            spread,
            weights,
        }
    }

    /// What a pixel counts in the mean, by its label.
    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// What each label asks of its own class.
    pub(super) fn own(&self) -> &[f32] {
        &self.own
    }

    /// What every label asks of each class; empty if labels are not smoothed.
    pub(super) fn spread(&self) -> &[f32] {
        &self.spread
    }

    /// Sum of [`spread`](Self::spread).
    pub(super) fn spread_total(&self) -> f32 {
        self.spread_total
    }

    /// The slope of a pixel's loss, as a share of the mean, by its label.
    pub(super) fn slopes(&self, scale: f32) -> Vec<Slope> {
        let slope = |&own: &f32| Slope {
            label: own * scale,
            all: (own + self.spread_total) * scale,
        };
        self.own.iter().map(slope).collect()
    }
}

/// The slope in each logit is its probability times `all`, less `label` at the label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slope {
    pub(super) label: f32,
    pub(super) all: f32,
}
