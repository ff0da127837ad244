//! Whole files or none: every output of this project is written beside its place and then renamed.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::Error;

/// What to do when the output file is already there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it alone and fail with [`Error::AlreadyExists`].
    #[default]
    Refuse,
    /// Put the new file in its place.
    Replace,
}

/// Writes a file through `fill` so that at `path` there is either all of it or nothing new.
///
/// The bytes go to a temporary file in the same folder, which is renamed at the end; if `fill` or the
/// system fails, the temporary file is removed. With [`Overwrite::Refuse`] a file that appears while
/// `fill` runs is not replaced either. A symbolic link at `path` is itself replaced, not what it points
/// to. The file gets the permissions of any newly created one.
///
/// # Errors
///
/// - [`Error::AlreadyExists`]: see [`Overwrite`].
/// - [`Error::NotAFile`]: a folder or a device is at `path`.
/// - [`Error::Write`]: the folder is missing, the disk is full, `fill` returned an error, ...
///
/// ```
/// use upernet_image::{ErrorKind, Overwrite, write_atomically};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("report.json");
/// write_atomically(&path, Overwrite::Refuse, |file| file.write_all(b"{}\n"))?;
/// assert_eq!(std::fs::read(&path)?, b"{}\n");
///
/// let again = write_atomically(&path, Overwrite::Refuse, |file| file.write_all(b"[]\n"));
/// assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomically<T>(
    path: impl AsRef<Path>,
    overwrite: Overwrite,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<T, Error> {
    let path = path.as_ref();
    check_target(path, overwrite)?;
    let write_error = |source| Error::Write {
        path: path.to_path_buf(),
        source,
    };
    let (temporary, result) = fill_temporary(path, fill).map_err(write_error)?;
    let persisted = match overwrite {
        Overwrite::Refuse => temporary.persist_noclobber(path),
        Overwrite::Replace => temporary.persist(path),
    };
    match persisted {
        Ok(_) => Ok(result),
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::AlreadyExists {
                path: path.to_path_buf(),
            })
        }
        Err(failed) => Err(write_error(failed.error)),
    }
}

/// Refuses before any work is done, and never lets a rename replace a device such as `/dev/null`.
fn check_target(path: &Path, overwrite: Overwrite) -> Result<(), Error> {
    let Ok(existing) = fs::metadata(path) else {
        return Ok(());
    };
    if !existing.is_file() {
        return Err(Error::NotAFile {
            path: path.to_path_buf(),
        });
    }
    match overwrite {
        Overwrite::Refuse => Err(Error::AlreadyExists {
            path: path.to_path_buf(),
        }),
        Overwrite::Replace => Ok(()),
    }
}

fn fill_temporary<T>(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> io::Result<(NamedTempFile, T)> {
    // Same folder, so that the rename never crosses a file system.
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".upernet.tmp-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; this one becomes an ordinary file, under the umask.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder)?;
    let mut buffered = BufWriter::new(temporary.as_file_mut());
    let result = fill(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    Ok((temporary, result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn failing_half_way_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        let error = write_atomically(&path, Overwrite::Refuse, |file| {
            file.write_all(&vec![7; 100_000])?;
            Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(
            error.to_string().contains("out.bin: cannot be written"),
            "{error}"
        );
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn failing_to_replace_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        fs::write(&path, "old").unwrap();
        let fail = |_: &mut dyn Write| Err::<(), _>(io::Error::other("no"));
        assert!(write_atomically(&path, Overwrite::Replace, fail).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        write_atomically(&path, Overwrite::Replace, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["out.bin"]);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        let error = write_atomically(&path, Overwrite::Refuse, |file| {
            fs::write(&path, "someone else's")?;
            file.write_all(b"ours")
        })
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "someone else's");
        assert_eq!(names(folder.path()), ["out.bin"]);
    }

    #[test]
    fn folders_and_missing_folders_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &Path| {
            write_atomically(path, Overwrite::Replace, |file| file.write_all(b"x")).unwrap_err()
        };
        assert!(matches!(write(folder.path()), Error::NotAFile { .. }));
        let error = write(&folder.path().join("missing/out.bin"));
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("missing/out.bin"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_an_ordinary_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, ordinary] = ["ours", "ordinary"].map(|name| folder.path().join(name));
        write_atomically(&ours, Overwrite::Refuse, |file| file.write_all(b"x")).unwrap();
        fs::write(&ordinary, "x").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
