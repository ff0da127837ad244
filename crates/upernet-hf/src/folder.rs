//! A model folder as a whole.

use std::path::{Path, PathBuf};

use crate::{config::HfConfig, error::Error, processor::HfProcessorConfig, weights::Checkpoint};

/// The file that says what the network is made of.
pub(crate) const CONFIG: &str = "config.json";
/// The file that says how an image becomes its input.
const PROCESSOR: &str = "preprocessor_config.json";

/// A folder in Hugging Face's layout: configuration, weights and, perhaps, an image processor.
#[derive(Debug)]
#[non_exhaustive]
pub struct ModelFolder {
    /// What the network is made of.
    pub config: HfConfig,
    /// Its weights, mapped and not yet read.
    pub checkpoint: Checkpoint,
    /// How an image becomes its input; `None` if the folder does not say.
    pub processor: Option<HfProcessorConfig>,
}

impl ModelFolder {
    /// Opens a folder, or the folder around a weight or index file, whose weights are then taken
    /// from that file.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), upernet_hf::Error> {
    /// let model = upernet_hf::ModelFolder::open("upernet-swin-tiny".as_ref())?;
    /// println!("{} classes, {} tensors", model.config.num_labels(), model.checkpoint.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if one is missing, malformed or not supported.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let config = HfConfig::read(&beside(path, CONFIG)?).map_err(say_what_belongs_there)?;
        let processor = beside(path, PROCESSOR)?;
        // A link to nothing is named: the defaults would be another processor's.
        let processor = processor
            .symlink_metadata()
            .is_ok()
            .then(|| HfProcessorConfig::read(&processor))
            .transpose()?;
        let checkpoint = Checkpoint::open(path)?;
        Ok(Self {
            config,
            checkpoint,
            processor,
        })
    }

    /// Puts together what did not come from a folder, such as a model that is part of the program.
    #[must_use]
    pub fn from_parts(
        config: HfConfig,
        processor: Option<HfProcessorConfig>,
        checkpoint: Checkpoint,
    ) -> Self {
        Self {
            config,
            checkpoint,
            processor,
        }
    }
}

/// The file `name` in the folder at `path`, or in the one around the file at `path`.
pub(crate) fn beside(path: &Path, name: &str) -> Result<PathBuf, Error> {
    let metadata = path
        .metadata()
        .map_err(|cause| Error::reading(path, cause))?;
    Ok(if metadata.is_dir() {
        path.join(name)
    } else {
        path.with_file_name(name)
    })
}

/// Says of a configuration that is not there why it is needed.
pub(crate) fn say_what_belongs_there(error: Error) -> Error {
    match error {
        Error::NotFound { path, .. } => Error::NotFound {
            path,
            hint: "a model folder holds one beside its weights".into(),
        },
        other => other,
    }
}
