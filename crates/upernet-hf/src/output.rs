//! Files that appear whole or not at all.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::error::Error;

/// What to do when an output file is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it as it is and fail.
    Refuse,
    /// Replace it, once the new content is complete.
    Replace,
}

/// A file under construction, beside its final place; dropped unfinished, it leaves nothing.
///
/// ```
/// use upernet_hf::{OutputFile, Overwrite};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// let mut file = OutputFile::create(&path, Overwrite::Refuse)?;
/// file.append(b"one ")?;
/// file.append(b"two")?;
/// assert!(!path.exists());
/// file.finish()?;
/// assert_eq!(std::fs::read(&path)?, b"one two");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    overwrite: Overwrite,
    writer: BufWriter<NamedTempFile>,
}

impl OutputFile {
    /// Starts the file that will become `path`, in the same folder so that a rename suffices.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it exists and may not be replaced, or its folder takes
    /// no new file.
    pub fn create(path: &Path, overwrite: Overwrite) -> Result<Self, Error> {
        if overwrite == Overwrite::Refuse && path.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: path.into() });
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.tmp-");
        builder.prefix(&prefix);
        readable_by_others(&mut builder);
        let file = builder
            .tempfile_in(folder)
            .map_err(|cause| Error::writing(path, cause))?;
        Ok(Self {
            path: path.into(),
            overwrite,
            writer: BufWriter::new(file),
        })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.writer
            .write_all(bytes)
            .map_err(|cause| Error::writing(&self.path, cause))
    }

    /// Brings what was appended so far to the disk's cache, so that only a rename is left to fail.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it cannot be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.writer
            .flush()
            .map_err(|cause| Error::writing(&self.path, cause))
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it cannot be written, or has appeared meanwhile and may
    /// not be replaced.
    pub fn finish(self) -> Result<(), Error> {
        let Self {
            path,
            overwrite,
            writer,
        } = self;
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| File::sync_all(file.as_file()).map(|()| file))
            .map_err(|cause| Error::writing(&path, cause))?;
        let placed = match overwrite {
            Overwrite::Refuse => file.persist_noclobber(&path),
            Overwrite::Replace => file.persist(&path),
        };
        placed
            .map(drop)
            .map_err(|failure| match failure.error.kind() {
                io::ErrorKind::AlreadyExists => Error::Exists { path: path.clone() },
                _ => Error::writing(&path, failure.error),
            })
    }
}

/// Writes a whole small file.
pub(crate) fn write_file(path: &Path, bytes: &[u8], overwrite: Overwrite) -> Result<(), Error> {
    let mut output = OutputFile::create(path, overwrite)?;
    output.append(bytes)?;
    output.finish()
}

/// Gives the file the mode that any new file has, where a temporary one is private.
#[cfg(unix)]
fn readable_by_others(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt as _;

    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable_by_others(_builder: &mut tempfile::Builder<'_, '_>) {}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{OutputFile, Overwrite, write_file};
    use crate::error::ErrorKind;

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut output =
            OutputFile::create(&folder.path().join("a"), Overwrite::Refuse).expect("new");
        output.append(b"half").expect("it is writable");
        drop(output);
        assert_eq!(
            fs::read_dir(folder.path()).expect("it exists").count(),
            0,
            "files left"
        );
    }

    #[test]
    fn an_existing_file_is_kept_unless_it_may_be_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a");
        write_file(&path, b"old", Overwrite::Refuse).expect("nothing is there yet");
        let error = write_file(&path, b"new", Overwrite::Refuse).expect_err("it is there");
        assert_eq!(error.kind(), ErrorKind::Exists);
        assert_eq!(fs::read(&path).expect("it exists"), b"old");
        write_file(&path, b"new", Overwrite::Replace).expect("it may be replaced");
        assert_eq!(fs::read(&path).expect("it exists"), b"new");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a");
        let output = OutputFile::create(&path, Overwrite::Refuse).expect("nothing is there yet");
        fs::write(&path, b"other").expect("it is writable");
        assert_eq!(
            output.finish().expect_err("it is there now").kind(),
            ErrorKind::Exists
        );
        assert_eq!(fs::read(&path).expect("it exists"), b"other");
        assert_eq!(
            fs::read_dir(folder.path()).expect("it exists").count(),
            1,
            "files left"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("missing/a");
        let error = write_file(&path, b"", Overwrite::Refuse).expect_err("no such folder");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(
            error.to_string().contains("missing/a: cannot write"),
            "{error}"
        );
    }
}
