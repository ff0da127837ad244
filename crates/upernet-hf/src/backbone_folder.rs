//! A folder with a backbone on its own, or with more around it.

use std::path::Path;

use crate::{config::HfBackboneConfig, error::Error, folder, weights::Checkpoint};

/// The backbone of a folder in Hugging Face's layout: an ImageNet classifier's, a bare one's, or a
/// `UPerNet`'s.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackboneFolder {
    /// What the backbone is made of; a classifier returns its last stage's map alone.
    pub config: HfBackboneConfig,
    /// Its weights and, perhaps, others; mapped and not yet read.
    pub checkpoint: Checkpoint,
}

impl BackboneFolder {
    /// Opens a folder, or the folder around a weight or index file, whose weights are then taken
    /// from that file.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), upernet_hf::Error> {
    /// let backbone = upernet_hf::BackboneFolder::open("swin-tiny-patch4-window7-224".as_ref())?;
    /// println!("{}, {} tensors", backbone.config.model_type(), backbone.checkpoint.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if one is missing, malformed or not supported.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let config = folder::beside(path, folder::CONFIG)?;
        Ok(Self {
            config: HfBackboneConfig::read(&config).map_err(folder::say_what_belongs_there)?,
            checkpoint: Checkpoint::open(path)?,
        })
    }
}
