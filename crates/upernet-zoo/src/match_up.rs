//! Keys of a checkpoint beside parameters of a network.

use std::collections::{BTreeMap, BTreeSet};

use upernet_hf::{config::HfConfig, weights::Checkpoint};

use crate::{
    Dialect, Error, KeyReport, Mismatch, Model,
    families::family,
    keys,
    parameters::{Form, HubParameter, replace_values},
};

/// Values after which the pages they were read from are given back: the model and its file would
/// otherwise be in memory both.
const RELEASE_EVERY: usize = 8 << 20;

/// The tensors of a checkpoint by their names on the hub.
#[derive(Debug)]
pub(crate) struct HubNames {
    pub(crate) dialect: Dialect,
    /// Hub key to the name in the file.
    pub(crate) names: BTreeMap<String, String>,
}

impl HubNames {
    /// Those of a whole UPerNet.
    pub(crate) fn of_network(checkpoint: &Checkpoint) -> Result<Self, Error> {
        check_library(checkpoint)?;
        let names = || checkpoint.tensors().map(|(name, _)| name);
        let dialect = keys::dialect(names());
        let names = names()
            .map(|name| (keys::to_hub(name, dialect), name.to_owned()))
            .collect();
        Ok(Self { dialect, names })
    }

    /// Takes out the names whose hub key `is_out` is true of, and returns those keys, sorted.
    pub(crate) fn take_out(&mut self, is_out: impl Fn(&str) -> bool) -> Vec<String> {
        self.names
            .extract_if(.., |key, _| is_out(key))
            .map(|(key, _)| key)
            .collect()
    }
}

/// Refuses the weights of other libraries by their name.
pub(crate) fn check_library(checkpoint: &Checkpoint) -> Result<(), Error> {
    match keys::foreign_library(checkpoint.tensors().map(|(name, _)| name)) {
        None => Ok(()),
        Some(library) => Err(Error::ForeignWeights {
            path: checkpoint.files()[0].clone(),
            library,
        }),
    }
}

/// Which tensor of a checkpoint each parameter of a network takes, and what fits nowhere.
#[derive(Debug)]
pub(crate) struct MatchUp {
    /// Hub key to the name in the file.
    names: BTreeMap<String, String>,
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
        let mut matched = Self {
            names: names.names,
            report: empty_report(names.dialect),
        };
        for parameter in wanted {
            matched.match_parameter(checkpoint, parameter);
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
            let values = read(checkpoint, &self.names[&stored.key], stored)?;
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

    fn match_parameter(&mut self, checkpoint: &Checkpoint, parameter: &HubParameter) {
        let info = self
            .names
            .get(&parameter.key)
            .and_then(|name| checkpoint.info(name));
        let key = parameter.key.clone();
        match info {
            None => self.report.missing.push(key),
            Some(info) if fits(info.shape(), parameter) => self.report.applied.push(key),
            Some(info) => self.report.mismatched.push(Mismatch {
                key,
                found: info.shape().to_vec(),
                expected: parameter.shape.clone(),
            }),
        }
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
        for (key, name) in &self.names {
            if placed.contains(key.as_str()) {
                continue;
            }
            let ignored = match family.position_index(key) {
                Some(window) => is_position_index(checkpoint, name, window)?,
                None => family.is_unused(key),
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
        ] {
            list.sort_unstable();
        }
        self.report
            .mismatched
            .sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(())
    }
}

fn empty_report(dialect: Dialect) -> KeyReport {
    KeyReport {
        dialect,
        applied: Vec::new(),
        ignored: Vec::new(),
        missing: Vec::new(),
        unexpected: Vec::new(),
        mismatched: Vec::new(),
    }
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

fn read(checkpoint: &Checkpoint, name: &str, stored: &HubParameter) -> Result<Vec<f32>, Error> {
    let values = match stored.form {
        Form::Same | Form::Transposed => checkpoint.read_f32(name)?,
        Form::Count => checkpoint
            .read_i64(name)?
            .iter()
            .map(|&count| count as f32)
            .collect(),
    };
    Ok(stored.to_module_layout(values))
}
