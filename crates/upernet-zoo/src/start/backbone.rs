//! Starting from a backbone that was trained on something else, mostly ImageNet.

use std::{collections::BTreeSet, fmt::Write as _};

use burn::tensor::Device;
use upernet_hf::{BackboneFolder, config::HfConfig};

use super::{StartReport, bands, take::take};
use crate::{
    BuildOptions, Dialect, Error, Model, build_with,
    keys::{is_backbone, is_count, is_mask_token, is_neck, is_output_norm},
    names::HubNames,
    parameters::hub_parameters,
    report::{counted, named},
};

/// Builds the network of `config` and fills in its backbone alone.
///
/// Taken are Hugging Face's image classifiers and bare models (`SwinForImageClassification`,
/// `SwinModel`, `SwinForMaskedImageModeling`, `SwinBackbone`, and the same of Swin V2, of ResNet, of
/// PVTv2, of ConvNeXt in all its forms, and of ViT, DINOv2 and DINOv3's ViTs, whose final norm is that of
/// the maps), in the names of either generation of `transformers`, the backbones of UPerNets, and the
/// weights of timm, torchvision, mmsegmentation, Microsoft and Meta under their own names. Left out is
/// what stands on the backbone there: classifier, pooler, final norm, heads. Drawn anew are both heads,
/// and what the weights lack of these: norms of feature maps, a neck, the token of hidden patches.
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
    let parameters = hub_parameters(&model, config);
    let mut names = HubNames::of_backbone_with(checkpoint, &parameters)?;
    let fitted = bands::fit(&mut names, checkpoint, &parameters);
    let left_out = names.dropped.iter().map(|dropped| dropped.key.clone());
    let mut left_out: Vec<String> = left_out.collect();
    let has_place = |key: &str| parameters.iter().any(|parameter| parameter.key == key);
    let is_optional = |key: &str| is_output_norm(key) || is_neck(key) || is_mask_token(key);
    left_out.extend(names.take_out(|key| is_optional(key) && !has_place(key)));
    left_out.sort_unstable();
    let given: BTreeSet<String> = names.names.keys().cloned().collect();
    // A neck that is there in part is a broken one.
    let has_neck = given.iter().any(|key| is_neck(key));
    let begins = |key: &str| is_output_norm(key) || is_count(key) || is_mask_token(key);
    let may_lack = |key: &str| begins(key) || (is_neck(key) && !has_neck);
    let is_drawn = |key: &str| !is_backbone(key) || (may_lack(key) && !given.contains(key));
    let taken = take(model, config, checkpoint, names, is_drawn)?;
    let taken = taken.map_err(|report| Error::BackboneWeights {
        path: path.clone(),
        report: Box::new(report),
    })?;

    let applied = counted(taken.keys.applied.len());
    let of_whom = match taken.keys.dialect {
        Dialect::Hub | Dialect::V5Memory => String::new(),
        other => format!(", which has the names of {}", other.title()),
    };
    let mut sentences = vec![format!(
        "backbone: {applied} taken from {}{of_whom}",
        path.display()
    )];
    sentences.extend(fitted);
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

/// What was drawn anew: the heads always, norms of feature maps, and a neck.
fn drawn_sentence(config: &HfConfig, drawn: &[String]) -> String {
    let heads = if config.use_auxiliary_head {
        "both heads"
    } else {
        "the head"
    };
    let of = |is_of: fn(&str) -> bool| -> Vec<String> {
        let keys = drawn.iter().filter(|key| is_of(key));
        keys.cloned().collect()
    };
    let mut sentence = format!("drawn anew: {heads}");
    for (what, keys) in [
        ("the norms of feature maps", of(is_output_norm)),
        ("the token of hidden patches", of(is_mask_token)),
        ("the neck", of(is_neck)),
    ] {
        if !keys.is_empty() {
            let _ = write!(sentence, ", and {what} ({})", named(&keys));
        }
    }
    sentence
}
