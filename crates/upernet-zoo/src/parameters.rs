//! The parameters of a model, by hub key.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};
use upernet_hf::config::{HfBackboneConfig, HfConfig};

use crate::{
    Model,
    families::family,
    keys::{head_key, is_backbone},
};

/// How a hub file stores a parameter or buffer of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubParameter {
    pub(crate) key: String,
    /// Its path in the module, as burn's own files have it.
    pub(crate) path: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) form: Form,
}

impl HubParameter {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its shape in the file.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its shape in the module.
    pub(crate) fn module_shape(&self) -> Vec<usize> {
        match self.form {
            Form::Same => self.shape.clone(),
            Form::Transposed => self.shape.iter().rev().copied().collect(),
            Form::Count => vec![1],
        }
    }

    /// Brings values, or gradients, from the module's layout to the file's.
    #[must_use]
    pub fn to_hub_layout(&self, values: Vec<f32>) -> Vec<f32> {
        match self.form {
            Form::Same | Form::Count => values,
            Form::Transposed => transposed(&values, self.shape[0]),
        }
    }

    /// Brings values from the file's layout to the module's.
    pub(crate) fn to_module_layout(&self, values: Vec<f32>) -> Vec<f32> {
        match self.form {
            Form::Same | Form::Count => values,
            Form::Transposed => transposed(&values, self.shape[1]),
        }
    }
}

/// Transposes a matrix of `columns` columns.
fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns.max(1);
    let mut output = Vec::with_capacity(matrix.len());
    for column in 0..columns {
        output.extend((0..rows).map(|row| matrix[row * columns + column]));
    }
    output
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
    backbone: HfBackboneConfig,
    path: Vec<String>,
    containers: Vec<String>,
}

impl Walk {
    pub(crate) fn new(config: &HfConfig) -> Self {
        Self {
            backbone: config.backbone.clone(),
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
    pub(crate) fn stored(&self, shape: &[usize]) -> HubParameter {
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
        HubParameter {
            key: self.key(&names.join(".")),
            path: self.path.join("."),
            shape,
            form,
        }
    }

    fn key(&self, path: &str) -> String {
        match family(&self.backbone) {
            Ok(family) if is_backbone(path) => family.hub_key(path),
            _ => head_key(path),
        }
    }
}

/// Every parameter and buffer of a model as a hub file stores it, in the order in which
/// [`Module::visit`] meets them.
///
/// Reads shapes alone: a parameter that has no value yet stays without.
#[must_use]
pub fn hub_parameters(model: &Model, config: &HfConfig) -> Vec<HubParameter> {
    struct Collect {
        walk: Walk,
        found: Vec<HubParameter>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.walk.enter(name, container_type);
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.walk.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let shape: [usize; D] = param.lazy_shape().dims();
            self.found.push(self.walk.stored(&shape));
        }
    }
    let mut collect = Collect {
        walk: Walk::new(config),
        found: Vec::new(),
    };
    model.visit(&mut collect);
    collect.found
}

/// Replaces the value of every parameter and buffer by what `value_of` gives for it.
///
/// `value_of` returns the values in the module's own layout; for `None` the parameter keeps what it
/// has, or is drawn now if it was not yet.
pub(crate) fn replace_values<E>(
    model: Model,
    config: &HfConfig,
    value_of: impl FnMut(&HubParameter) -> Result<Option<Vec<f32>>, E>,
) -> Result<Model, E> {
    struct Replace<F, E> {
        walk: Walk,
        value_of: F,
        error: Option<E>,
    }
    impl<E, F: FnMut(&HubParameter) -> Result<Option<Vec<f32>>, E>> ModuleMapper for Replace<F, E> {
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
                Ok(None) => {
                    // burn draws when a value is first asked for: here, so that the order is fixed.
                    let _ = param.val();
                    param
                }
                Ok(Some(values)) => {
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
    let mut replace = Replace {
        walk: Walk::new(config),
        value_of,
        error: None,
    };
    let model = model.map(&mut replace);
    replace.error.map_or(Ok(model), Err)
}

#[cfg(test)]
mod tests {
    use super::transposed;

    #[test]
    fn transposes_a_wide_matrix() {
        assert_eq!(
            transposed(&[1., 2., 3., 4., 5., 6.], 3),
            [1., 4., 2., 5., 3., 6.]
        );
        assert!(transposed(&[], 0).is_empty());
    }
}
