//! From any library's weights to a folder that Hugging Face loads.

mod burnpack;
mod config;
mod report;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::tensor::Device;
use upernet_hf::{
    Overwrite,
    config::HfConfig,
    weights::{Checkpoint, StoredAs},
};

pub use report::{Absent, ConfigOrigin, Conversion, Converted};

use crate::{
    BuildOptions, Error, build_with,
    dialects::has_heads,
    keys::{is_backbone, is_count, is_mask_token, is_neck, is_output_norm},
    match_up::MatchUp,
    names::HubNames,
    parameters::{HubParameter, hub_parameters},
};
use config::Settings;

/// How to convert.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// A `config.json`, or a folder with one, instead of what is beside the weights or told by them.
    pub config: Option<PathBuf>,
    /// How the weights are kept.
    pub stored: StoredAs,
    /// Which kind of weight file is written.
    pub format: WeightFormat,
    /// What to do with files that are there already.
    pub overwrite: Overwrite,
}

/// The kinds of weight files that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightFormat {
    /// `model.safetensors` in the hub's names, for Python and everyone else.
    #[default]
    Safetensors,
    /// `model.bpk` in the paths and the layout of our modules, which burn's `Module::load_file` takes.
    Burnpack,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self {
            config: None,
            stored: StoredAs::F32,
            format: WeightFormat::Safetensors,
            overwrite: Overwrite::Refuse,
        }
    }
}

/// Writes the weights of `source`, a weight file or a folder with one, as a folder in Hugging Face's
/// layout; a folder in that layout may be the source as well, to have its weights in another width.
///
/// - A whole UPerNet becomes `config.json`, `preprocessor_config.json` and `model.safetensors`.
/// - With [`WeightFormat::Burnpack`] the weights are `model.bpk` instead; of a whole network alone.
/// - A backbone becomes `config.json`, with the maps of all stages, and `model.safetensors`: a folder for
///   [`start::from_backbone`](crate::start::from_backbone), or for `SwinBackbone.from_pretrained`.
///
/// The configuration is the one that the options name, or else the one beside the weights, or else told
/// by the shapes of the tensors; [`Conversion::assumed`] lists what no tensor tells. Values are copied
/// tensor by tensor, so the memory that this takes is that of the largest one.
///
/// # Errors
///
/// Returns an error that names the file if the weights are of a network that is not built, do not fit
/// the configuration, or do not tell one; if a weight does not fit [`ConvertOptions::stored`]; or if a file is
/// there already and may not be replaced.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use upernet_zoo::{ConvertOptions, Converted, convert};
///
/// let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/dialects/mmseg-swin.pth");
/// let folder = tempfile::tempdir()?;
/// let (options, device) = (ConvertOptions::default(), Device::flex());
/// let done = convert(weights.as_ref(), folder.path(), &options, &device)?;
/// assert_eq!(done.made, Converted::UperNet);
/// assert_eq!(done.keys.dialect.name(), "mmsegmentation");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn convert(
    source: &Path,
    destination: &Path,
    options: &ConvertOptions,
    device: &Device,
) -> Result<Conversion, Error> {
    let checkpoint = Checkpoint::open(source)?;
    let is_whole = has_heads(checkpoint.tensors().map(|(name, _)| name));
    let (made, names) = if checkpoint.is_burnpack() {
        // What its names are is known once the network is.
        let names = HubNames::of_modules(&checkpoint, &[]);
        (Converted::UperNet, names)
    } else if is_whole {
        (Converted::UperNet, HubNames::of_network(&checkpoint)?)
    } else {
        (Converted::Backbone, HubNames::of_backbone(&checkpoint)?)
    };
    let given = options.config.as_deref();
    let settings = Settings::find(source, given, made, &checkpoint, &names)?;
    // Only names and shapes are asked for: the modules never get values.
    let model = build_with(&settings.network, &BuildOptions::default(), device)?;
    let mut parameters = hub_parameters(&model, &settings.network);
    if made == Converted::Backbone {
        // A ViT is always built with our neck, which no pretraining has.
        let has_neck = names.names.keys().any(|key| is_neck(key));
        let is_wanted = |key: &str| is_backbone(key) && (has_neck || !is_neck(key));
        parameters.retain(|parameter| is_wanted(parameter.key()));
    }
    let names = if checkpoint.is_burnpack() {
        HubNames::of_modules(&checkpoint, &parameters)
    } else {
        names
    };
    let (present, absent) = sorted(parameters, &names, made);
    let matched = MatchUp::new(&checkpoint, &settings.network, &present, names)?;
    if !matched.report.is_complete() {
        let (path, report) = (checkpoint.files()[0].clone(), Box::new(matched.report));
        return Err(match (made, settings.origin) {
            (_, ConfigOrigin::Tensors) => Error::InferredWeights { path, report },
            (Converted::UperNet, _) => Error::Weights { path, report },
            (Converted::Backbone, _) => Error::BackboneWeights { path, report },
        });
    }
    let keys = matched.report.clone();
    let other_weights = checkpoint.other_weights().map(str::to_owned).collect();
    let tensors = write::Tensors {
        made,
        absent: absent.iter().map(Absent::of).collect(),
        parameters: [present, absent].concat(),
        values: Arc::new(write::Values {
            checkpoint,
            matched,
        }),
    };
    let files = write::folder(destination, &settings, &tensors, options)?;
    Ok(Conversion {
        made,
        config: settings.network,
        config_origin: settings.origin,
        assumed: settings.assumed,
        absent: tensors.absent,
        keys,
        other_weights,
        files,
    })
}

/// Tells the parameters that the file has to have from those that start at a known value: the norms of
/// maps of a backbone that was trained without them, tokens of hidden patches, which timm does not keep,
/// and counts of batches, which old files lack.
fn sorted(
    parameters: Vec<HubParameter>,
    names: &HubNames,
    made: Converted,
) -> (Vec<HubParameter>, Vec<HubParameter>) {
    parameters.into_iter().partition(|parameter| {
        let key = parameter.key();
        let of_alone = made == Converted::Backbone && is_output_norm(key);
        let may_lack = is_count(key) || is_mask_token(key) || of_alone;
        !may_lack || names.names.contains_key(key)
    })
}

/// A network around a backbone that is converted alone; its heads are never given values.
fn around(backbone: upernet_hf::config::HfBackboneConfig) -> HfConfig {
    let mut config = HfConfig::new(backbone);
    config.use_auxiliary_head = false;
    config
}
