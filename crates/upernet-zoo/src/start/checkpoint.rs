//! Starting from a whole UPerNet, perhaps with other classes.

use burn::tensor::Device;
use upernet_hf::{ModelFolder, config::HfConfig};

use super::{StartReport, bands, classes, take::take};
use crate::{
    BuildOptions, Error, Model, build_with,
    keys::{is_auxiliary, is_classifier},
    names::HubNames,
    parameters::hub_parameters,
    report::counted,
};

/// Builds the network of `config` and fills in the weights of a whole UPerNet, whose classes may be
/// others.
///
/// - If the classes are the same (their number and, but for case and marks, their names in order),
///   every weight is taken.
/// - If not, the classifiers of both heads are drawn anew: what the old ones say of a class would be
///   said of another.
/// - An auxiliary head that the weights lack is drawn anew, one that the network lacks is left out.
///
/// # Errors
///
/// Returns an error that names the file if `config` asks for something that is not built, the weights
/// differ from it in any other way, or a tensor cannot be read.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use upernet_zoo::{BuildOptions, hf::ModelFolder, start};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/tiny");
/// let folder = ModelFolder::open(path.as_ref())?;
/// let mut config = folder.config.clone();
/// config.id2label = vec!["background".to_owned(), "leaf".to_owned()];
/// let (options, device) = (BuildOptions::default(), Device::flex());
/// let (model, report) = start::from_checkpoint(&folder, &config, &options, &device)?;
/// assert_eq!(
///     report.sentences[1],
///     "the weights are of 5 classes, the network has 2: both classifiers are drawn anew"
/// );
/// # Ok::<(), upernet_zoo::Error>(())
/// ```
pub fn from_checkpoint(
    folder: &ModelFolder,
    config: &HfConfig,
    options: &BuildOptions,
    device: &Device,
) -> Result<(Model, StartReport), Error> {
    let model = build_with(config, options, device)?;
    let checkpoint = &folder.checkpoint;
    let own = hub_parameters(&model, config);
    let mut names = HubNames::of_network_with(checkpoint, &own)?;
    let fitted = bands::fit(&mut names, checkpoint, &own);
    let has_auxiliary = names.names.keys().any(|key| is_auxiliary(key));
    let draws_auxiliary = config.use_auxiliary_head && !has_auxiliary;
    let drops_auxiliary = has_auxiliary && !config.use_auxiliary_head;
    let difference = classes::difference(&folder.config.id2label, &config.id2label);

    let is_other = |key: &str| difference.is_some() && is_classifier(key);
    let left_out = names.take_out(|key| is_other(key) || (drops_auxiliary && is_auxiliary(key)));
    let is_drawn = |key: &str| is_other(key) || (draws_auxiliary && is_auxiliary(key));
    let path = &checkpoint.files()[0];
    let taken = take(model, config, checkpoint, names, is_drawn)?;
    let taken = taken.map_err(|report| Error::Weights {
        path: path.clone(),
        report: Box::new(report),
    })?;

    let applied = counted(taken.keys.applied.len());
    let mut sentences = vec![format!("{applied} taken from {}", path.display())];
    sentences.push(match difference {
        None => "the classes are those of the weights, whose classifiers are kept".to_owned(),
        Some(difference) if config.use_auxiliary_head => {
            format!("{difference}: both classifiers are drawn anew")
        }
        Some(difference) => format!("{difference}: the classifier is drawn anew"),
    });
    sentences.extend(fitted);
    if draws_auxiliary {
        sentences.push("the weights have no auxiliary head: it is drawn anew".to_owned());
    }
    if drops_auxiliary {
        sentences
            .push("the network has no auxiliary head: that of the weights is left out".to_owned());
    }
    Ok((
        taken.model,
        StartReport {
            keys: taken.keys,
            left_out,
            drawn: taken.drawn,
            sentences,
        },
    ))
}
