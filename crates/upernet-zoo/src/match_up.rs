//! Keys of a checkpoint beside parameters of a network.

use std::collections::{BTreeMap, BTreeSet};

use upernet_hf::{config::HfConfig, weights::Checkpoint};

use crate::{
    Error, KeyReport, Mismatch, Model,
    dialects::Verb,
    families::family,
    names::{HubNames, Layout, Source},
    parameters::{Form, HubParameter, replace_values},
};

/// Values after which the pages they were read from are given back: the model and its file would
/// otherwise be in memory both.
const RELEASE_EVERY: usize = 8 << 20;

/// Which tensor of a checkpoint each parameter of a network takes, and what fits nowhere.
#[derive(Debug)]
pub(crate) struct MatchUp {
    /// Hub key to the tensor in the file.
    names: BTreeMap<String, Source>,
    pub(crate) report: KeyReport,
}

impl MatchUp {
    /// Matches `names`, or what is left of them, with the parameters in `wanted`.
    pub(crate) fn new(
        checkpoint: &Checkpoint,
        config: &HfConfig,
        wanted: &[HubParameter],
        names: HubNames,
    ) -> Result<Self, Error> {
        let mut report = KeyReport::empty(names.dialect);
        report.dropped = names.dropped;
        let mut matched = Self {
            names: names.names,
            report,
        };
        for parameter in wanted {
            matched.match_parameter(checkpoint, parameter)?;
        }
        matched.sort_out_leftovers(checkpoint, config, wanted)?;
        Ok(matched)
    }

    /// Gives every parameter that was applied its value; others are drawn now, if they have none yet.
    ///
    /// `progress` hears after each tensor how many values it had.
    pub(crate) fn fill(
        &self,
        model: Model,
        checkpoint: &Checkpoint,
        config: &HfConfig,
        mut progress: impl FnMut(usize),
    ) -> Result<Model, Error> {
        let applied: BTreeSet<&str> = self.report.applied.iter().map(String::as_str).collect();
        let mut unreleased = 0;
        let model = replace_values(model, config, |stored| {
            if !applied.contains(stored.key.as_str()) {
                return Ok::<_, Error>(None);
            }
            let values = self.module_values(checkpoint, stored)?;
            unreleased += values.len();
            if unreleased >= RELEASE_EVERY {
                checkpoint.release_pages();
                unreleased = 0;
            }
            progress(values.len());
            Ok(Some(values))
        })?;
        checkpoint.release_pages();
        Ok(model)
    }

    /// Whether a tensor of the checkpoint is the parameter.
    pub(crate) fn has(&self, parameter: &HubParameter) -> bool {
        self.names.contains_key(&parameter.key)
    }

    /// The values of a parameter that was applied, in the layout of the hub's files.
    pub(crate) fn hub_values(
        &self,
        checkpoint: &Checkpoint,
        stored: &HubParameter,
    ) -> Result<Vec<f32>, upernet_hf::Error> {
        let source = &self.names[&stored.key];
        match (source.layout, stored.form) {
            _ if is_variance(&stored.key) => checkpoint.read_variances(&source.name),
            (Layout::Module, _) => Ok(stored.to_hub_layout(source.read(checkpoint)?)),
            (Layout::Hub, Form::Same | Form::Transposed) => source.read(checkpoint),
            (Layout::Hub, Form::Count) => {
                let counts = checkpoint.read_i64(&source.name)?;
                Ok(counts.iter().map(|&count| count as f32).collect())
            }
        }
    }

    /// The same in the layout of the modules.
    pub(crate) fn module_values(
        &self,
        checkpoint: &Checkpoint,
        stored: &HubParameter,
    ) -> Result<Vec<f32>, upernet_hf::Error> {
        let source = &self.names[&stored.key];
        match source.layout {
            Layout::Module if !is_variance(&stored.key) => source.read(checkpoint),
            _ => Ok(stored.to_module_layout(self.hub_values(checkpoint, stored)?)),
        }
    }

    fn match_parameter(
        &mut self,
        checkpoint: &Checkpoint,
        parameter: &HubParameter,
    ) -> Result<(), Error> {
        let key = parameter.key.clone();
        let source = self.names.get(&key);
        let Some((source, mut shape)) =
            source.and_then(|source| Some((source, source.shape(checkpoint)?)))
        else {
            self.report.missing.push(key);
            return Ok(());
        };
        if source.layout == Layout::Module && parameter.form == Form::Transposed {
            shape.reverse();
        }
        if !fits(&shape, parameter) {
            self.report.mismatched.push(Mismatch {
                key,
                found: shape,
                expected: parameter.shape.clone(),
            });
            return Ok(());
        }
        if source.layout == Layout::Hub && parameter.form == Form::Count {
            checkpoint.check_i64(&source.name)?;
        } else {
            checkpoint.check_f32(&source.name)?;
        }
        match source.change.verb() {
            Some(Verb::Split) => self.report.split.push(key.clone()),
            Some(Verb::Reordered) => self.report.reordered.push(key.clone()),
            None => {}
        }
        self.report.applied.push(key);
        Ok(())
    }

    fn sort_out_leftovers(
        &mut self,
        checkpoint: &Checkpoint,
        config: &HfConfig,
        wanted: &[HubParameter],
    ) -> Result<(), Error> {
        let placed: BTreeSet<&str> = wanted
            .iter()
            .map(|parameter| parameter.key.as_str())
            .collect();
        let family = family(&config.backbone)?;
        for (key, source) in &self.names {
            if placed.contains(key.as_str()) {
                continue;
            }
            let ignored = if let Some(window) = family.position_index(key) {
                is_position_index(checkpoint, &source.name, window)?
            } else if let Some(values) = family.derived_values(key) {
                holds(checkpoint, &source.name, &values)?
            } else {
                family.is_unused(key)
            };
            if ignored {
                self.report.ignored.push(key.clone());
            } else {
                self.report.unexpected.push(key.clone());
            }
        }
        for list in [
            &mut self.report.applied,
            &mut self.report.missing,
            &mut self.report.unexpected,
            &mut self.report.ignored,
            &mut self.report.split,
            &mut self.report.reordered,
        ] {
            list.sort_unstable();
        }
        self.report
            .mismatched
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
        self.report
            .dropped
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(())
    }
}

/// Whether a hub key is of a variance that batch normalisation keeps.
fn is_variance(key: &str) -> bool {
    key.ends_with(".running_var")
}

fn fits(found: &[usize], parameter: &HubParameter) -> bool {
    // Some writers store a count as a vector of one.
    found == parameter.shape || (parameter.form == Form::Count && found == [1])
}

/// Upstream takes the lookup table from the file, so one that is not what the window size says would
/// be another network.
fn is_position_index(checkpoint: &Checkpoint, name: &str, window: usize) -> Result<bool, Error> {
    let tokens = window * window;
    let elements = checkpoint
        .info(name)
        .map_or(0, upernet_hf::weights::TensorInfo::elements);
    if elements != tokens * tokens {
        return Ok(false);
    }
    let found = checkpoint.read_i64(name)?;
    let expected = (0..tokens * tokens).map(|pair| {
        let (query, key) = (pair / tokens, pair % tokens);
        let row = query / window + window - 1 - key / window;
        let column = query % window + window - 1 - key % window;
        row * (2 * window - 1) + column
    });
    Ok(found
        .iter()
        .zip(expected)
        .all(|(&found, expected)| usize::try_from(found) == Ok(expected)))
}

/// Whether a tensor holds those values. Upstream takes them from the file, so others would be another
/// network.
fn holds(checkpoint: &Checkpoint, name: &str, expected: &[f32]) -> Result<bool, Error> {
    // Of numbers around one, half precision keeps this much.
    const ROUNDING: f32 = 5e-4;
    let elements = checkpoint
        .info(name)
        .map_or(0, upernet_hf::weights::TensorInfo::elements);
    if elements != expected.len() {
        return Ok(false);
    }
    let found = checkpoint.read_f32(name)?;
    let pairs = found.iter().zip(expected);
    Ok(pairs
        .map(|(found, expected)| (found - expected).abs())
        .all(|difference| difference <= ROUNDING))
}
