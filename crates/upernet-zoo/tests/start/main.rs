//! Weights to start training from.

mod backbone;
mod bands;
mod checkpoint;
mod fixtures;
mod pyramid;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use support::values;
use upernet_zoo::{Model, hf::config::HfConfig, hub_parameters};

/// The values of every parameter by its key on the hub, in the module's layout.
fn by_key(model: &Model, config: &HfConfig) -> BTreeMap<String, Vec<f32>> {
    let parameters = hub_parameters(model, config).into_iter();
    let keys = parameters.map(|parameter| parameter.key().to_owned());
    keys.zip(values(model)).collect()
}
