//! From checkpoints to weights, with every key accounted for.

use burn::tensor::Device;
use upernet_head::PreparedUperNet;
use upernet_hf::ModelFolder;
use upernet_nn::Precision;

use crate::{
    BuildOptions, Error, KeyReport, Model, build_with, match_up::MatchUp, names::HubNames,
    parameters::hub_parameters,
};

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
    let names = HubNames::of_network_with(&folder.checkpoint, &stored)?;
    let match_up = MatchUp::new(&folder.checkpoint, &folder.config, &stored, names)?;
    if !match_up.report.is_complete() {
        return Err(Error::Weights {
            path: folder.checkpoint.files()[0].clone(),
            report: Box::new(match_up.report),
        });
    }
    let total = stored
        .iter()
        .map(|stored| stored.shape.iter().product::<usize>())
        .sum::<usize>();
    let mut done = 0;
    let model = match_up.fill(model, &folder.checkpoint, &folder.config, |count| {
        done += count;
        progress(done as f64 / total as f64);
    })?;
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
    let names = HubNames::of_network_with(&folder.checkpoint, &stored)?;
    Ok(MatchUp::new(&folder.checkpoint, &folder.config, &stored, names)?.report)
}
