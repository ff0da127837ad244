//! Hugging Face's UPerNets as burn modules: configs to modules, checkpoints to weights, and back.
//!
//! - [`load`] turns an opened model folder into a [`Model`], with every key accounted for in a
//!   [`KeyReport`]; [`save`] writes a folder that `transformers` loads to the same network.
//! - [`load_prepared`] makes it ready for inference.
//! - [`HubTensors`] are the weights of a folder by their hub keys, for other builders of networks.
//! - [`convert`] writes such a folder of other libraries' weights.
//! - [`start`] gives a model weights to be trained from: a backbone's, or a whole checkpoint's with
//!   other classes.
//! - [`build`] makes a model with fresh weights, drawn as Hugging Face draws them.
//! - [`ZooBackbone`] is the backbone that a config file chose.
//! - [`cost`] counts parameters and multiply-adds; [`published`] is the table of known checkpoints.
//!
//! Files are parsed by [`upernet_hf`], which knows no burn; here is what maps them to modules:
//! `families` for what differs from backbone to backbone, `keys` for the hub's names and `dialects` for
//! those of other libraries, `match_up` for what fits where, `load` and `save` for the values.

mod backbone;
mod build;
mod convert;
mod cost;
mod dialects;
mod error;
mod families;
mod infer;
mod keys;
mod load;
mod match_up;
mod model_folder;
mod names;
mod parameters;
mod published;
mod report;
mod save;
pub mod start;
mod tensors;

pub use backbone::ZooBackbone;
pub use build::{BuildOptions, Model, build, build_with, check_input};
pub use convert::{
    Absent, ConfigOrigin, Conversion, ConvertOptions, Converted, WeightFormat, convert,
};
pub use cost::{Cost, cost};
pub use error::Error;
pub use keys::is_neck;
pub use load::{key_report, load, load_prepared, load_with};
pub use parameters::{HubParameter, hub_parameters};
pub use published::{Checked, PublishedModel, published};
pub use report::{Dialect, Dropped, KeyReport, Mismatch};
pub use save::save;
pub use tensors::HubTensors;
pub use upernet_hf as hf;
