//! What both ways to start share: some parameters take their values from a file, others are drawn.

use upernet_hf::{config::HfConfig, weights::Checkpoint};

use crate::{KeyReport, Model, match_up::MatchUp, names::HubNames, parameters::hub_parameters};

/// A model that is ready to be trained, and what became of its parameters.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) model: Model,
    pub(super) keys: KeyReport,
    /// Keys of the parameters that were drawn.
    pub(super) drawn: Vec<String>,
}

/// Fills in the parameters that `is_drawn` is false of, and draws the others.
///
/// Every one of `names` must have its place.
pub(super) fn take(
    model: Model,
    config: &HfConfig,
    checkpoint: &Checkpoint,
    names: HubNames,
    is_drawn: impl Fn(&str) -> bool,
) -> Result<Result<Taken, KeyReport>, crate::Error> {
    let (drawn, wanted): (Vec<_>, Vec<_>) = hub_parameters(&model, config)
        .into_iter()
        .partition(|parameter| is_drawn(&parameter.key));
    let match_up = MatchUp::new(checkpoint, config, &wanted, names)?;
    if !match_up.report.is_complete() {
        return Ok(Err(match_up.report));
    }
    Ok(Ok(Taken {
        model: match_up.fill(model, checkpoint, config, |_| {})?,
        keys: match_up.report,
        drawn: drawn.into_iter().map(|parameter| parameter.key).collect(),
    }))
}
