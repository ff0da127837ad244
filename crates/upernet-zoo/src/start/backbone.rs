//! Starting from a backbone that was trained on something else, mostly ImageNet.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use upernet_hf::{BackboneFolder, config::HfConfig, weights::Checkpoint};

use super::{StartReport, take::take};
use crate::{
    BuildOptions, Error, Model, build_with,
    keys::{backbone_dialect, backbone_key, is_backbone, is_output_norm},
    match_up::{HubNames, check_library},
    parameters::hub_parameters,
    report::{counted, named},
};

/// Builds the network of `config` and fills in its backbone alone.
///
/// Taken are Hugging Face's image classifiers and bare models (`SwinForImageClassification`,
/// `SwinModel`, `SwinForMaskedImageModeling`, `SwinBackbone`, and the same of ConvNeXt in all its
/// forms), in the names of either generation of `transformers`, and the backbones of UPerNets. Left out are what stands on
/// the backbone there: classifier, pooler, final norm, heads. Drawn anew are both heads, and those
/// norms of feature maps that the weights lack, as a classifier does.
///
/// # Errors
///
/// Returns an error that names the file if `config` asks for something that is not built, the weights
/// are of another family or another library, a backbone's weight is missing, left over or of another
/// shape, or a tensor cannot be read.
///
/// # Example
///
/// ```no_run
/// use burn::tensor::Device;
/// use upernet_zoo::{BuildOptions, start};
/// use upernet_zoo::hf::{BackboneFolder, config::HfConfig};
///
/// let folder = BackboneFolder::open("convnext-tiny-224".as_ref())?;
/// let mut config = HfConfig::new(folder.config.clone().with_all_stages());
/// config.id2label = vec!["background".to_owned(), "leaf".to_owned()];
/// let (options, device) = (BuildOptions::default(), Device::flex());
/// let (model, report) = start::from_backbone(&folder, &config, &options, &device)?;
/// println!("{report}");
/// # Ok::<(), upernet_zoo::Error>(())
/// ```
pub fn from_backbone(
    folder: &BackboneFolder,
    config: &HfConfig,
    options: &BuildOptions,
    device: &Device,
) -> Result<(Model, StartReport), Error> {
    let checkpoint = &folder.checkpoint;
    let path = &checkpoint.files()[0];
    let (found, expected) = (folder.config.model_type(), config.backbone.model_type());
    if found != expected {
        return Err(Error::BackboneFamily {
            path: path.clone(),
            found,
            expected,
        });
    }
    let model = build_with(config, options, device)?;
    let (mut names, mut left_out) = sorted(checkpoint)?;
    let parameters = hub_parameters(&model, config);
    let has_place = |key: &str| parameters.iter().any(|parameter| parameter.key == key);
    left_out.extend(names.take_out(|key| is_output_norm(key) && !has_place(key)));
    left_out.sort_unstable();
    let given: BTreeSet<String> = names.names.keys().cloned().collect();
    let is_drawn = |key: &str| !is_backbone(key) || (is_output_norm(key) && !given.contains(key));
    let taken = take(model, config, checkpoint, names, is_drawn)?;
    let taken = taken.map_err(|report| Error::BackboneWeights {
        path: path.clone(),
        report: Box::new(report),
    })?;

    let applied = counted(taken.keys.applied.len());
    let mut sentences = vec![format!("backbone: {applied} taken from {}", path.display())];
    if !left_out.is_empty() {
        sentences.push(format!(
            "left out: {} that are not the backbone's ({})",
            counted(left_out.len()),
            named(&left_out)
        ));
    }
    sentences.push(drawn_sentence(config, &taken.drawn));
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

/// The backbone's tensors by their keys in a UPerNet, and the names of all others.
fn sorted(checkpoint: &Checkpoint) -> Result<(HubNames, Vec<String>), Error> {
    check_library(checkpoint)?;
    let (mut names, mut left_out) = (BTreeMap::new(), Vec::new());
    for (name, _) in checkpoint.tensors() {
        match backbone_key(name) {
            None => left_out.push(name.to_owned()),
            // Two names for one key: the second then fits nowhere, under a name that says why.
            Some(key) if names.contains_key(&key) => {
                names.insert(format!("{name}, a second {key}"), name.to_owned());
            }
            Some(key) => {
                names.insert(key, name.to_owned());
            }
        }
    }
    let dialect = backbone_dialect(checkpoint.tensors().map(|(name, _)| name));
    Ok((HubNames { dialect, names }, left_out))
}

/// What was drawn anew: the heads always, and norms of feature maps.
fn drawn_sentence(config: &HfConfig, drawn: &[String]) -> String {
    let heads = if config.use_auxiliary_head {
        "both heads"
    } else {
        "the head"
    };
    let norms: Vec<String> = drawn
        .iter()
        .filter(|key| is_output_norm(key))
        .cloned()
        .collect();
    if norms.is_empty() {
        return format!("drawn anew: {heads}");
    }
    format!(
        "drawn anew: {heads}, and the norms of feature maps ({})",
        named(&norms)
    )
}
