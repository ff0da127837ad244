//! From models to folders that `transformers` loads to the same network.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::Tensor,
};
use upernet_hf::{
    Overwrite,
    config::HfConfig,
    processor::HfProcessorConfig,
    weights::{Dtype, TensorInfo, write_safetensors},
};

use crate::{
    Error, Model,
    model_folder::write_model_folder,
    parameters::{Form, HubParameter, Walk, hub_parameters},
};

/// Writes `config.json`, `preprocessor_config.json` and `model.safetensors` (f32, hub names) to
/// `folder`, which is made if it is not there.
///
/// Each file appears whole or not at all, the weights first and `config.json` last: a folder that has it is
/// complete, and one whose weights could not be written is as it was.
///
/// # Errors
///
/// Returns an error that names the file if one exists and may not be replaced, or cannot be written.
pub fn save(
    model: &Model,
    config: &HfConfig,
    processor: &HfProcessorConfig,
    folder: &Path,
    overwrite: Overwrite,
) -> Result<(), Error> {
    let stored = hub_parameters(model, config);
    let tensors = stored
        .iter()
        .map(|stored| Ok((stored.key.clone(), info(stored)?)));
    let tensors = tensors.collect::<Result<BTreeMap<_, _>, upernet_hf::weights::TensorError>>();
    let path = folder.join("model.safetensors");
    let tensors = tensors.map_err(|problem| upernet_hf::Error::Tensor {
        path: path.clone(),
        problem,
    })?;
    let values = values(model, config)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let texts = [
        ("preprocessor_config.json", processor.to_json()),
        ("config.json", config.to_json()),
    ];
    write_model_folder(folder, &texts, overwrite, || {
        Ok(write_safetensors(
            &path,
            &tensors,
            &metadata,
            overwrite,
            |key| Ok(Cow::Borrowed(values[key].as_slice())),
        )?)
    })
}

/// Type and shape of a parameter in a file.
pub(crate) fn info(stored: &HubParameter) -> Result<TensorInfo, upernet_hf::weights::TensorError> {
    let dtype = if stored.form == Form::Count {
        Dtype::I64
    } else {
        Dtype::F32
    };
    TensorInfo::new(dtype, stored.shape.clone())
}

/// The little-endian bytes of every tensor, by hub key.
fn values(model: &Model, config: &HfConfig) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    struct Collect {
        walk: Walk,
        found: Result<BTreeMap<String, Vec<u8>>, Error>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.walk.enter(name, container_type);
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.walk.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Ok(found) = &mut self.found else { return };
            let value = param.val();
            let stored = self.walk.stored(&value.dims());
            let values = value.into_data().convert::<f32>().try_into_vec::<f32>();
            match values {
                Ok(values) => {
                    let values = stored.to_hub_layout(values);
                    found.insert(stored.key.clone(), bytes(values, &stored));
                }
                Err(error) => {
                    self.found = Err(Error::Device {
                        key: stored.key,
                        message: error.to_string(),
                    });
                }
            }
        }
    }
    let mut collect = Collect {
        walk: Walk::new(config),
        found: Ok(BTreeMap::new()),
    };
    // `valid` brings running statistics up to date with the last forward pass.
    model.valid().visit(&mut collect);
    collect.found
}

/// The little-endian bytes of a parameter whose values are in the layout of the hub's files.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a count is a whole number below 2^24"
)]
pub(crate) fn bytes(values: Vec<f32>, stored: &HubParameter) -> Vec<u8> {
    let values = values.into_iter();
    match stored.form {
        Form::Same | Form::Transposed => values.flat_map(f32::to_le_bytes).collect(),
        Form::Count => values
            .flat_map(|count| (count as i64).to_le_bytes())
            .collect(),
    }
}
