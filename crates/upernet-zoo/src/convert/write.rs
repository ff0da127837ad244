//! Writing a converted folder, one tensor in memory at a time.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use upernet_hf::{
    Error as FileError, Overwrite,
    weights::{Checkpoint, StoredAs, TensorError, TensorInfo, write_safetensors},
};

use super::{Absent, ConvertOptions, Converted, WeightFormat, burnpack, config::Settings};
use crate::{
    Error,
    match_up::MatchUp,
    model_folder::write_model_folder,
    parameters::{Form, HubParameter},
    save::{bytes, info},
};

/// The tensors of a folder.
#[derive(Debug)]
pub(super) struct Tensors {
    pub(super) made: Converted,
    pub(super) parameters: Vec<HubParameter>,
    /// Those of the parameters that the source lacks.
    pub(super) absent: Vec<Absent>,
    pub(super) values: Arc<Values>,
}

/// Where the values come from.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) checkpoint: Checkpoint,
    pub(super) matched: MatchUp,
}

impl Values {
    /// Those of a parameter, in the layout of the hub's files.
    pub(super) fn of(&self, parameter: &HubParameter) -> Result<Vec<f32>, FileError> {
        if self.matched.has(parameter) {
            return self.matched.hub_values(&self.checkpoint, parameter);
        }
        // What a parameter is before it is trained: a norm's weight is 1, everything else 0.
        let value = if parameter.key().ends_with(".weight") {
            1.0
        } else {
            0.0
        };
        Ok(vec![value; parameter.shape().iter().product()])
    }
}

/// Writes the folder and returns its files.
///
/// Nothing is written if one of them is there and may not be replaced, if another file's weights would be
/// read instead, or if a value is refused.
pub(super) fn folder(
    folder: &Path,
    settings: &Settings,
    tensors: &Tensors,
    options: &ConvertOptions,
) -> Result<Vec<PathBuf>, Error> {
    let overwrite = options.overwrite;
    let weights = match options.format {
        WeightFormat::Safetensors => "model.safetensors",
        WeightFormat::Burnpack => "model.bpk",
    };
    let names: &[&str] = match tensors.made {
        Converted::UperNet => &["config.json", "preprocessor_config.json", weights],
        Converted::Backbone => &["config.json", weights],
    };
    let files: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    let in_the_way = files.iter().find(|file| file.symlink_metadata().is_ok());
    if let (Overwrite::Refuse, Some(path)) = (overwrite, in_the_way) {
        return Err(FileError::Exists { path: path.clone() }.into());
    }
    burnpack::check(tensors.made, options)?;
    let mut read_before = Checkpoint::file_names()
        .take_while(|name| *name != weights)
        .map(|name| folder.join(name));
    if let Some(path) = read_before.find(|file| file.symlink_metadata().is_ok()) {
        return Err(Error::Shadowed {
            path,
            weights: weights.to_owned(),
        });
    }
    let texts = match tensors.made {
        Converted::UperNet => vec![
            ("preprocessor_config.json", settings.processor.to_json()),
            ("config.json", settings.network.to_json()),
        ],
        Converted::Backbone => vec![("config.json", settings.network.backbone.to_json())],
    };
    let path = &files[names.len() - 1];
    write_model_folder(folder, &texts, overwrite, || match options.format {
        WeightFormat::Safetensors => safetensors(path, tensors, options.stored, overwrite),
        WeightFormat::Burnpack => burnpack::write(path, tensors, options.stored, overwrite),
    })?;
    Ok(files)
}

fn safetensors(
    path: &Path,
    tensors: &Tensors,
    stored: StoredAs,
    overwrite: Overwrite,
) -> Result<(), Error> {
    let wrap = |problem: TensorError| FileError::Tensor {
        path: path.to_owned(),
        problem,
    };
    // Hugging Face has no prefix before the keys of a backbone on its own.
    let key_of = |parameter: &HubParameter| {
        let key = parameter.key();
        let alone = key
            .strip_prefix("backbone.")
            .filter(|_| tensors.made == Converted::Backbone);
        alone.unwrap_or(key).to_owned()
    };
    let mut infos: BTreeMap<String, TensorInfo> = BTreeMap::new();
    let mut places: BTreeMap<String, &HubParameter> = BTreeMap::new();
    for parameter in &tensors.parameters {
        let key = key_of(parameter);
        let parts = match parameter.form {
            Form::Count => info(parameter).map(|info| vec![(key, info)]),
            _ => stored.tensors(&key, parameter.shape()),
        };
        for (name, info) in parts.map_err(wrap)? {
            places.insert(name.clone(), parameter);
            infos.insert(name, info);
        }
    }
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    write_safetensors(path, &infos, &metadata, overwrite, |name| {
        let parameter = places[name];
        let values = tensors.values.of(parameter)?;
        if parameter.form == Form::Count {
            return Ok(Cow::Owned(bytes(values, parameter)));
        }
        let parts = stored.bytes(&key_of(parameter), parameter.shape(), &values);
        let own = parts.map_err(wrap)?.remove(name);
        Ok(Cow::Owned(own.expect("the parts that were listed above")))
    })?;
    Ok(())
}
