//! From checkpoints to weights, with every key accounted for.

use std::collections::BTreeMap;

use burn::tensor::Device;
use upernet_head::PreparedUperNet;
use upernet_hf::{
    ModelFolder,
    config::{HfBackboneConfig, HfConfig},
    weights::Checkpoint,
};
use upernet_nn::Precision;

use crate::{
    BuildOptions, Dialect, Error, KeyReport, Mismatch, Model, build_with, keys,
    parameters::{Form, HubParameter, hub_parameters, replace_values},
};

/// Values after which the pages they were read from are given back: the model and its file would
/// otherwise be in memory both.
const RELEASE_EVERY: usize = 8 << 20;

/// Builds the network of an opened model folder and fills in its weights.
///
/// Every parameter must have its value in the checkpoint, in the right shape, and every key of the
/// checkpoint its place in the network or on the short list of known leftovers.
///
/// # Errors
///
/// Returns an error that names the file if the config asks for something that is not built, the
/// weights do not fit it, or a tensor cannot be read.
///
/// # Example
///
/// ```no_run
/// use burn::tensor::Device;
/// use upernet_zoo::hf::ModelFolder;
///
/// let folder = ModelFolder::open("upernet-swin-tiny".as_ref())?;
/// let (model, report) = upernet_zoo::load(&folder, &Device::flex())?;
/// println!("{} tensors applied", report.applied.len());
/// # Ok::<(), upernet_zoo::Error>(())
/// ```
pub fn load(folder: &ModelFolder, device: &Device) -> Result<(Model, KeyReport), Error> {
    load_with(folder, &BuildOptions::default(), device, |_| {})
}

/// [`load`] with choices that the config has no field for, telling its progress.
///
/// `progress` is called after each tensor with the share that is loaded, from 0 to 1.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(
    folder: &ModelFolder,
    options: &BuildOptions,
    device: &Device,
    mut progress: impl FnMut(f64),
) -> Result<(Model, KeyReport), Error> {
    let model = build_with(&folder.config, options, device)?;
    let stored = hub_parameters(&model, &folder.config);
    let match_up = MatchUp::new(&folder.checkpoint, &folder.config, &stored)?;
    if !match_up.report.is_complete() {
        let path = folder.checkpoint.files()[0].clone();
        return Err(Error::Weights {
            path,
            report: Box::new(match_up.report),
        });
    }
    let total = stored
        .iter()
        .map(|stored| stored.shape.iter().product::<usize>())
        .sum::<usize>();
    let (mut done, mut unreleased) = (0, 0);
    let model = replace_values(model, &folder.config, |stored| {
        let values = read(&folder.checkpoint, &match_up.names[&stored.key], stored)?;
        done += values.len();
        unreleased += values.len();
        if unreleased >= RELEASE_EVERY {
            folder.checkpoint.release_pages();
            unreleased = 0;
        }
        progress(done as f64 / total as f64);
        Ok::<_, Error>(values)
    })?;
    folder.checkpoint.release_pages();
    Ok((model, match_up.report))
}

/// [`load_with`], made ready for inference.
///
/// The network is taken apart as it is prepared, so that hardly more than one layer of it is in memory
/// twice.
///
/// # Errors
///
/// As [`load`].
///
/// # Example
///
/// ```no_run
/// use burn::tensor::Device;
/// use upernet_nn::Precision;
/// use upernet_zoo::{BuildOptions, hf::ModelFolder};
///
/// let folder = ModelFolder::open("upernet-swin-tiny".as_ref())?;
/// let (options, device) = (BuildOptions::default(), Device::flex());
/// let (model, _) = upernet_zoo::load_prepared(&folder, &options, Precision::F32, &device, |_| {})?;
/// # Ok::<(), upernet_zoo::Error>(())
/// ```
pub fn load_prepared(
    folder: &ModelFolder,
    options: &BuildOptions,
    precision: Precision,
    device: &Device,
    progress: impl FnMut(f64),
) -> Result<(PreparedUperNet, KeyReport), Error> {
    let (model, report) = load_with(folder, options, device, progress)?;
    Ok((model.prepare(precision), report))
}

/// Says what would become of every key, reading no weights.
///
/// # Errors
///
/// Returns an error if the config asks for something that is not built or the weights are another
/// library's. Keys that do not fit are no error here but entries of the report.
pub fn key_report(folder: &ModelFolder, device: &Device) -> Result<KeyReport, Error> {
    let model = build_with(&folder.config, &BuildOptions::default(), device)?;
    let stored = hub_parameters(&model, &folder.config);
    Ok(MatchUp::new(&folder.checkpoint, &folder.config, &stored)?.report)
}

/// Keys of a checkpoint beside parameters of a network.
#[derive(Debug)]
struct MatchUp {
    /// Hub key to the name in the file.
    names: BTreeMap<String, String>,
    report: KeyReport,
}

impl MatchUp {
    fn new(
        checkpoint: &Checkpoint,
        config: &HfConfig,
        stored: &[HubParameter],
    ) -> Result<Self, Error> {
        let names = || checkpoint.tensors().map(|(name, _)| name);
        if let Some(library) = keys::foreign_library(names()) {
            let path = checkpoint.files()[0].clone();
            return Err(Error::ForeignWeights { path, library });
        }
        let dialect = keys::dialect(names());
        let names: BTreeMap<String, String> = names()
            .map(|name| (keys::to_hub(name, dialect), name.to_owned()))
            .collect();

        let mut matched = Self {
            names,
            report: empty_report(dialect),
        };
        for parameter in stored {
            matched.match_parameter(checkpoint, parameter);
        }
        matched.sort_out_leftovers(checkpoint, config, stored)?;
        Ok(matched)
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
        stored: &[HubParameter],
    ) -> Result<(), Error> {
        let placed: std::collections::BTreeSet<&str> = stored
            .iter()
            .map(|parameter| parameter.key.as_str())
            .collect();
        for (key, name) in &self.names {
            if placed.contains(key.as_str()) {
                continue;
            }
            let fits =
                !keys::is_position_index(key) || position_index_fits(checkpoint, name, config)?;
            if keys::is_expected_leftover(key) && fits {
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
fn position_index_fits(
    checkpoint: &Checkpoint,
    name: &str,
    config: &HfConfig,
) -> Result<bool, Error> {
    let HfBackboneConfig::Swin(swin) = &config.backbone else {
        return Ok(false);
    };
    let window = swin.window_size;
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
