//! Writing the files of a model so that its folder is whole, or as it was.

use std::{fs, io, path::Path};

use upernet_hf::{Error as FileError, OutputFile, Overwrite};

use crate::Error;

/// Writes `texts`, by file name, and what `weights` writes, to `folder`, which is made if it is not there.
///
/// The weights are nearly all that can fail: values that are refused, a full disk. So the texts wait,
/// complete, until the weights are in their place; if these fail, nothing has changed.
pub(crate) fn write_model_folder(
    folder: &Path,
    texts: &[(&str, String)],
    overwrite: Overwrite,
    weights: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let is_new = folder.symlink_metadata().is_err();
    fs::create_dir_all(folder).map_err(|cause| FileError::Io {
        path: folder.to_owned(),
        action: "make the folder",
        cause,
    })?;
    let written = write(folder, texts, overwrite, weights);
    if written.is_err() && is_new {
        // Fails, as it should, if somebody has put a file there meanwhile.
        let _: io::Result<()> = fs::remove_dir(folder);
    }
    written
}

fn write(
    folder: &Path,
    texts: &[(&str, String)],
    overwrite: Overwrite,
    weights: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let mut waiting = Vec::with_capacity(texts.len());
    for (name, text) in texts {
        let mut file = OutputFile::create(&folder.join(name), overwrite)?;
        file.append(text.as_bytes())?;
        file.flush()?;
        waiting.push(file);
    }
    weights()?;
    for file in waiting {
        file.finish()?;
    }
    Ok(())
}
