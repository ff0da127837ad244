//! Writing a converted folder, one tensor in memory at a time.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use upernet_hf::{
    Error as FileError, Overwrite,
    weights::{TensorError, TensorInfo, write_safetensors},
};

use super::{Converted, config::Settings};
use crate::{
    Error,
    parameters::HubParameter,
    save::{bytes, info},
};

/// The tensors of a folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tensors<'a> {
    pub(super) made: Converted,
    /// Those that the source has.
    pub(super) present: &'a [HubParameter],
    /// Those that begin at a known value.
    pub(super) absent: &'a [HubParameter],
}

/// Writes the folder, the weights last, and returns the files.
///
/// Nothing is written if one of them is there and may not be replaced.
pub(super) fn folder(
    folder: &Path,
    settings: &Settings,
    tensors: &Tensors<'_>,
    values_of: impl Fn(&HubParameter) -> Result<Vec<f32>, FileError>,
    overwrite: Overwrite,
) -> Result<Vec<PathBuf>, Error> {
    let names: &[&str] = match tensors.made {
        Converted::UperNet => &[
            "config.json",
            "preprocessor_config.json",
            "model.safetensors",
        ],
        Converted::Backbone => &["config.json", "model.safetensors"],
    };
    let files: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    let in_the_way = files.iter().find(|file| file.symlink_metadata().is_ok());
    if let (Overwrite::Refuse, Some(path)) = (overwrite, in_the_way) {
        return Err(FileError::Exists { path: path.clone() }.into());
    }
    std::fs::create_dir_all(folder).map_err(|cause| FileError::Io {
        path: folder.to_owned(),
        action: "make the folder",
        cause,
    })?;
    match tensors.made {
        Converted::UperNet => {
            settings.network.write(&files[0], overwrite)?;
            settings.processor.write(&files[1], overwrite)?;
        }
        Converted::Backbone => settings.network.backbone.write(&files[0], overwrite)?,
    }
    weights(&files[names.len() - 1], tensors, values_of, overwrite)?;
    Ok(files)
}

fn weights(
    path: &Path,
    tensors: &Tensors<'_>,
    values_of: impl Fn(&HubParameter) -> Result<Vec<f32>, FileError>,
    overwrite: Overwrite,
) -> Result<(), Error> {
    // Hugging Face has no prefix before the keys of a backbone on its own.
    let key_of = |parameter: &HubParameter| {
        let key = parameter.key();
        let alone = key
            .strip_prefix("backbone.")
            .filter(|_| tensors.made == Converted::Backbone);
        alone.unwrap_or(key).to_owned()
    };
    let mut infos: BTreeMap<String, TensorInfo> = BTreeMap::new();
    let mut places: BTreeMap<String, (&HubParameter, bool)> = BTreeMap::new();
    for (parameters, is_present) in [(tensors.present, true), (tensors.absent, false)] {
        for parameter in parameters {
            let info = info(parameter).map_err(|problem: TensorError| FileError::Tensor {
                path: path.to_owned(),
                problem,
            })?;
            infos.insert(key_of(parameter), info);
            places.insert(key_of(parameter), (parameter, is_present));
        }
    }
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    write_safetensors(path, &infos, &metadata, overwrite, |key| {
        let (parameter, is_present) = places[key];
        let values = if is_present {
            values_of(parameter)?
        } else {
            beginning(parameter)
        };
        Ok(Cow::Owned(bytes(values, parameter)))
    })?;
    Ok(())
}

/// What a parameter is before it is trained: a norm's weight is 1, everything else 0.
fn beginning(parameter: &HubParameter) -> Vec<f32> {
    let value = if parameter.key().ends_with(".weight") {
        1.0
    } else {
        0.0
    };
    vec![value; parameter.shape().iter().product()]
}
