//! The configuration of what is converted, and where it comes from.

use std::path::{Path, PathBuf};

use upernet_hf::{
    Error as FileError,
    config::{ConfigError, HfBackboneConfig, HfConfig},
    processor::HfProcessorConfig,
    weights::Checkpoint,
};

use super::{ConfigOrigin, Converted, around};
use crate::{
    Error,
    infer::{self, Inferred, Shapes},
    keys::is_neck,
    names::HubNames,
};

const CONFIG: &str = "config.json";
const PROCESSOR: &str = "preprocessor_config.json";

/// What the folder will say of the network.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) network: HfConfig,
    pub(super) processor: HfProcessorConfig,
    pub(super) origin: ConfigOrigin,
    pub(super) assumed: Vec<String>,
}

impl Settings {
    /// The configuration that was given, or the one beside the weights, or what the tensors tell.
    pub(super) fn find(
        source: &Path,
        given: Option<&Path>,
        made: Converted,
        checkpoint: &Checkpoint,
        names: &HubNames,
    ) -> Result<Self, Error> {
        let (path, is_given) = match given {
            Some(given) if given.is_dir() => (given.join(CONFIG), true),
            Some(given) => (given.to_owned(), true),
            None => (beside(source, CONFIG), false),
        };
        let processor = path.with_file_name(PROCESSOR);
        let processor = if processor.symlink_metadata().is_ok() {
            HfProcessorConfig::read(&processor)?
        } else {
            HfProcessorConfig::default()
        };
        // A link to nothing is no missing configuration: none is made up in its place.
        if is_given || path.symlink_metadata().is_ok() {
            match read(&path, made, names) {
                Ok(network) => {
                    return Ok(Self {
                        network,
                        processor,
                        origin: ConfigOrigin::File(path),
                        assumed: Vec::new(),
                    });
                }
                // timm has a config.json of its own, which is no configuration of Hugging Face's.
                Err(error) if !is_given && is_another_librarys(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (network, assumed) = inferred(made, checkpoint, names)?;
        Ok(Self {
            network,
            processor,
            origin: ConfigOrigin::Tensors,
            assumed,
        })
    }
}

fn read(path: &Path, made: Converted, names: &HubNames) -> Result<HfConfig, FileError> {
    match made {
        Converted::UperNet => HfConfig::read(path),
        Converted::Backbone => {
            let backbone = HfBackboneConfig::read(path)?;
            let has_neck = names.names.keys().any(|key| is_neck(key));
            Ok(around(infer::with_neck_as_in(
                backbone.with_all_stages(),
                has_neck,
            )))
        }
    }
}

/// Whether a configuration says nothing of a model in Hugging Face's sense.
fn is_another_librarys(error: &FileError) -> bool {
    matches!(
        error,
        FileError::Config {
            problem: ConfigError::Missing { field, .. },
            ..
        } if field == "model_type"
    )
}

fn inferred(
    made: Converted,
    checkpoint: &Checkpoint,
    names: &HubNames,
) -> Result<(HfConfig, Vec<String>), Error> {
    let shapes = Shapes::of(names, checkpoint);
    let found = match made {
        Converted::UperNet => infer::network(&shapes, checkpoint.class_names().map(<[_]>::to_vec)),
        Converted::Backbone => infer::backbone(&shapes).map(|found| Inferred {
            config: around(found.config),
            assumed: found.assumed,
        }),
    };
    let found = found.map_err(|problem| Error::NotInferred {
        path: checkpoint.files()[0].clone(),
        problem,
    })?;
    Ok((found.config, found.assumed))
}

/// The file `name` in the folder at `path`, or in the one around the file at `path`.
fn beside(path: &Path, name: &str) -> PathBuf {
    if path.is_dir() {
        path.join(name)
    } else {
        path.with_file_name(name)
    }
}
