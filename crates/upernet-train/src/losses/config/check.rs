//! Settings that make no sense, found before the first step.

use upernet_data::{
    Error,
    class_weights::{ClassCounts, ClassWeights},
};

use super::{LossConfig, TermConfig, single};

impl LossConfig {
    /// Checks every number of the config.
    pub(in crate::losses) fn check(&self, num_labels: usize) -> Result<(), Error> {
        if self.terms.is_empty() {
            let problem = "there is none; leave `terms` out for plain cross-entropy";
            return Err(setting("loss.terms", problem));
        }
        self.terms
            .iter()
            .try_for_each(|term| check_term(term, num_labels))
    }

    /// The class weights for a network of `num_labels` classes, if there are any: `found`, or else
    /// those of the config.
    pub(in crate::losses) fn resolve_weights(
        &self,
        num_labels: usize,
        found: Option<Vec<f32>>,
    ) -> Result<Option<Vec<f32>>, Error> {
        let given = match (found, &self.class_weights) {
            (Some(found), _) => ClassWeights::Given(found),
            (None, ClassWeights::Uniform) => return Ok(None),
            (None, given @ ClassWeights::Given(_)) => given.clone(),
            (None, _) => {
                let problem =
                    "the rule needs the class counts of a dataset; list the weights instead";
                return Err(setting("class_weights", problem));
            }
        };
        given.weights(&ClassCounts::new(num_labels)).map(Some)
    }
}

fn check_term(term: &TermConfig, num_labels: usize) -> Result<(), Error> {
    at_least("loss.terms.weight", term.weight(), 0.0)?;
    match term {
        TermConfig::CrossEntropy(term) => share("loss.terms.label_smoothing", term.label_smoothing),
        TermConfig::Ohem(term) => share("loss.terms.threshold", term.threshold),
        TermConfig::Dice(term) => {
            at_least("loss.terms.exponent", term.exponent, 1.0)?;
            if term.smooth.is_finite() && term.smooth > 0.0 {
                return Ok(());
            }
            let problem = format!("{} is not more than 0", term.smooth);
            Err(setting("loss.terms.smooth", problem))
        }
        TermConfig::Focal(term) => {
            at_least("loss.terms.gamma", term.gamma, 0.0)?;
            term.alpha.as_ref().map_or(Ok(()), |alpha| {
                let alpha: Vec<f32> = alpha.iter().copied().map(single).collect();
                check_classes("loss.terms.alpha", &alpha, num_labels)
            })
        }
        TermConfig::Lovasz(_) => Ok(()),
    }
}

/// One factor for each class, none below 0.
fn check_classes(name: &'static str, factors: &[f32], num_labels: usize) -> Result<(), Error> {
    if factors.len() != num_labels {
        let problem = format!(
            "{} numbers for {num_labels} classes; give one for each, from class 0 up",
            factors.len()
        );
        return Err(setting(name, problem));
    }
    let wrong = factors.iter().enumerate();
    let wrong = wrong.filter(|(_, factor)| !(factor.is_finite() && **factor >= 0.0));
    wrong.take(1).try_for_each(|(class, factor)| {
        let problem = format!("{factor} for class {class}; give a number that is 0 or more");
        Err(setting(name, problem))
    })
}

fn share(name: &'static str, value: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(setting(name, format!("{value} is not from 0 to 1")))
}

fn at_least(name: &'static str, value: f64, least: f64) -> Result<(), Error> {
    if value.is_finite() && value >= least {
        return Ok(());
    }
    Err(setting(name, format!("{value} is not {least} or more")))
}

fn setting(name: &'static str, problem: impl Into<String>) -> Error {
    Error::Setting {
        name,
        problem: problem.into(),
    }
}
