//! Model folders from the Hugging Face hub, in the cache that Python shares.
//!
//! [`pull`] turns a [`ModelId`] such as `openmmlab/upernet-swin-tiny` into a folder on disk:
//!
//! - [`HubOptions::from_env`] reads the variables of Python's `huggingface_hub`: cache, mirror,
//!   token, offline mode;
//! - [`Progress`] hears about every piece; nothing is printed;
//! - [`Error`] says in one line what failed and what to do.
//!
//! What is in the cache is whole: each file is checked against the length and the hash that the hub
//! states before it gets its name there, so a cut connection, a full disk or a bad mirror leaves
//! nothing that a later run would take for a model.
//!
//! ```
//! use upernet_hf::hub::{HubOptions, ModelId, Silent, pull};
//!
//! let model = ModelId::parse("openmmlab/upernet-swin-tiny")?;
//! let options = HubOptions::new("no/such/cache").offline(true);
//! let error = pull(&model, &options, &mut Silent).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "config.json of openmmlab/upernet-swin-tiny at revision main is not in the cache \
//!      no/such/cache and offline mode is on: unset HF_HUB_OFFLINE, or pull the model once with a \
//!      connection"
//! );
//! # Ok::<(), upernet_hf::hub::Error>(())
//! ```

mod cache;
mod checksum;
mod environment;
mod error;
mod lookup;
mod model_id;
mod options;
mod progress;
mod pull;
mod remote;
mod selection;
mod transfer;

pub use error::Error;
pub use model_id::ModelId;
pub use options::HubOptions;
pub use progress::{Progress, Silent};
pub use pull::{Origin, PulledModel, pull};
