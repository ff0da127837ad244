//! Weight files: safetensors, `PyTorch`'s and burn's, whole or in shards, read as hostile and written whole.
//!
//! [`Checkpoint::open`] takes what a model folder holds. Nothing here runs code from a file, trusts
//! a length before comparing it with the file's, or holds more than the file (mapped, not read) and
//! the tensor that was asked for. NaN and infinity are values like any other, but for
//! [`Checkpoint::read_finite_f32`], through which networks get their weights.

mod backing;
#[cfg(feature = "burnpack")]
mod burnpack;
mod burnpack_problem;
mod checkpoint;
mod decode;
mod dtype;
mod encode;
mod index;
mod int8;
mod pytorch;
mod safetensors;
mod shard;
mod write;

#[cfg(feature = "burnpack")]
pub use burnpack::BurnpackFile;
pub use burnpack_problem::BurnpackError;
pub use checkpoint::Checkpoint;
pub use dtype::{Dtype, TensorError, TensorInfo};
pub use encode::StoredAs;
pub use index::IndexError;
pub use pytorch::{PickleError, PyTorchError, PyTorchFile};
pub use safetensors::{SafetensorsError, SafetensorsFile};
pub use write::{safetensors_header, write_safetensors};

/// What a repository cloned without git-lfs holds in a weight file's place.
const GIT_LFS_POINTER: &[u8] = b"version https://git-lfs";
