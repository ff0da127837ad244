//! The parameters of a model, by hub key.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};
use upernet_hf::config::{HfBackboneConfig, HfConfig};

use crate::{Model, keys::hub_key};

/// How a parameter is stored in a hub file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its key.
    pub(crate) key: String,
    /// Its shape in the file.
    pub(crate) shape: Vec<usize>,
    /// What has to be done to its values.
    pub(crate) form: Form,
}

/// How values in the file differ from values in the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Not at all.
    Same,
    /// A linear layer's weight, stored `[out, in]` and held `[in, out]`.
    Transposed,
    /// A count, stored as one integer and held as a float.
    Count,
}

/// Walks a model and knows, at each parameter, how a hub file stores it.
#[derive(Debug)]
pub(crate) struct Walk {
    out_stages: Vec<usize>,
    is_swin: bool,
    path: Vec<String>,
    containers: Vec<String>,
}

impl Walk {
    pub(crate) fn new(config: &HfConfig) -> Self {
        Self {
            out_stages: config.backbone.out_stages().to_vec(),
            is_swin: matches!(config.backbone, HfBackboneConfig::Swin(_)),
            path: Vec::new(),
            containers: Vec::new(),
        }
    }

    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.path.pop();
        self.containers.pop();
    }

    /// How the parameter at the current place, held in `shape`, is stored.
    pub(crate) fn stored(&self, shape: &[usize]) -> Stored {
        let names = self.path.iter().zip(&self.containers);
        // Which variant an enum has is no part of a key.
        let mut names: Vec<&str> = names
            .filter(|(_, container)| !container.starts_with("Enum:"))
            .map(|(name, _)| name.as_str())
            .collect();
        let container = self.containers.last().map_or("", String::as_str);
        if container == "Struct:LayerNorm"
            && let Some(last) = names.last_mut()
        {
            *last = if *last == "gamma" { "weight" } else { "bias" };
        }
        let form = match (container, names.last().copied()) {
            ("Struct:Linear", Some("weight")) => Form::Transposed,
            (_, Some("num_batches_tracked")) => Form::Count,
            _ => Form::Same,
        };
        let mut shape = shape.to_vec();
        match form {
            Form::Same => {}
            Form::Transposed => shape.reverse(),
            Form::Count => shape.clear(),
        }
        Stored { key: hub_key(&names.join("."), &self.out_stages, self.is_swin), shape, form }
    }
}

/// Every parameter and buffer of a model as a hub file stores it, in the order of the modules.
pub(crate) fn stored_parameters(model: &Model, config: &HfConfig) -> Vec<Stored> {
    struct Collect {
        walk: Walk,
        found: Vec<Stored>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.walk.enter(name, container_type);
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.walk.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            // The shape alone: a parameter without a value yet stays without.
            let shape: [usize; D] = param.lazy_shape().dims();
            self.found.push(self.walk.stored(&shape));
        }
    }
    let mut collect = Collect { walk: Walk::new(config), found: Vec::new() };
    model.visit(&mut collect);
    collect.found
}

/// Replaces the value of every parameter and buffer by what `value_of` gives for it.
///
/// `value_of` returns the values in the module's own layout.
pub(crate) fn replace_values<E>(
    model: Model,
    config: &HfConfig,
    value_of: impl FnMut(&Stored) -> Result<Vec<f32>, E>,
) -> Result<Model, E> {
    struct Replace<F, E> {
        walk: Walk,
        value_of: F,
        error: Option<E>,
    }
    impl<E, F: FnMut(&Stored) -> Result<Vec<f32>, E>> ModuleMapper for Replace<F, E> {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.walk.enter(name, container_type);
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.walk.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape: [usize; D] = param.lazy_shape().dims();
            if self.error.is_some() {
                return param;
            }
            match (self.value_of)(&self.walk.stored(&shape)) {
                Ok(values) => {
                    let data = burn::tensor::TensorData::new(values, shape);
                    let device = param.lazy_device().without_autodiff();
                    let value = Tensor::from_data(data, &device);
                    let id = param.id;
                    param.transform_for_load(value, id)
                }
                Err(error) => {
                    self.error = Some(error);
                    param
                }
            }
        }
    }
    let mut replace = Replace { walk: Walk::new(config), value_of, error: None };
    let model = model.map(&mut replace);
    replace.error.map_or(Ok(model), Err)
}
