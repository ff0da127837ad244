//! Folders that are there whole or not at all, and files of which there are several.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::Error;

/// The file by which a process holds a run's folder.
pub(crate) const LOCK: &str = "lock";

/// Fills a new folder beside `target` and puts it in the place of what is there.
///
/// A process that is killed on the way leaves the old folder, or the new one; [`recover`] puts right the
/// moment in between.
pub(crate) fn replace(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let fresh = beside(target, "new");
    let old = beside(target, "old");
    remove(&fresh)?;
    fs::create_dir_all(&fresh).map_err(failed(&fresh, "make the folder"))?;
    fill(&fresh)?;
    synchronise(&fresh)?;
    remove(&old)?;
    if target.exists() {
        fs::rename(target, &old).map_err(failed(target, "move the folder"))?;
    }
    fs::rename(&fresh, target).map_err(failed(&fresh, "move the folder"))?;
    synchronise_entry(target);
    remove(&old)
}

/// Puts right what a killed [`replace`] left.
pub(crate) fn recover(target: &Path) -> Result<(), Error> {
    let old = beside(target, "old");
    if old.exists() && !target.exists() {
        fs::rename(&old, target).map_err(failed(&old, "move the folder"))?;
    }
    remove(&old)?;
    remove(&beside(target, "new"))
}

/// Removes a folder if it is there.
pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(folder, "remove the folder")(error))
        }
        _ => Ok(()),
    }
}

/// Names of what is in a folder, sorted; none if it is not there.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, "list the folder")(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed(folder, "list the folder"))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// All files below a folder, relative to it, sorted.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        if path.is_dir() {
            let below = files(&path)?;
            found.extend(below.into_iter().map(|file| Path::new(&name).join(file)));
        } else {
            found.push(name.into());
        }
    }
    Ok(found)
}

/// An error of the file system about `path`.
pub(crate) fn failed(path: &Path, action: &'static str) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |cause| Error::Io {
        path: path.clone(),
        action,
        cause,
    }
}

fn beside(target: &Path, role: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{role}"))
}

/// Waits until the files are on the disk: a rename must not overtake what it names.
fn synchronise(folder: &Path) -> Result<(), Error> {
    for file in files(folder)? {
        let path = folder.join(file);
        let file = File::open(&path).map_err(failed(&path, "open"))?;
        file.sync_all().map_err(failed(&path, "write"))?;
    }
    Ok(())
}

/// The same for a rename. Not every file system can; the data is safe either way.
fn synchronise_entry(target: &Path) {
    if let Some(parent) = target.parent()
        && let Ok(folder) = File::open(parent)
    {
        let _ = folder.sync_all();
    }
}

/// Takes a run's folder for this process, as long as the file lives.
pub(crate) fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(failed(&path, "make the file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Run {
            path: folder.to_owned(),
            problem: "another process is training in this folder".to_owned(),
        }),
        Err(TryLockError::Error(cause)) => Err(failed(&path, "lock the file")(cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, text: &str) -> Result<(), Error> {
        let path = folder.join("text");
        fs::write(&path, text).map_err(failed(&path, "write"))
    }

    fn text(folder: &Path) -> String {
        fs::read_to_string(folder.join("text")).unwrap()
    }

    #[test]
    fn the_old_folder_stays_if_the_new_one_fails() {
        let work = tempfile::tempdir().unwrap();
        let target = work.path().join("best");
        replace(&target, |folder| write(folder, "one")).unwrap();
        let failure = replace(&target, |folder| {
            write(folder, "two")?;
            Err(Error::NoCheckpoint {
                path: folder.to_owned(),
            })
        });
        assert!(failure.is_err());
        assert_eq!(text(&target), "one");
        replace(&target, |folder| write(folder, "three")).unwrap();
        assert_eq!(text(&target), "three");
        assert_eq!(names(work.path()).unwrap(), ["best"]);
    }

    #[test]
    fn a_killed_exchange_is_put_right() {
        let work = tempfile::tempdir().unwrap();
        let target = work.path().join("best");
        replace(&target, |folder| write(folder, "one")).unwrap();
        // Killed after the old one was moved away.
        fs::rename(&target, beside(&target, "old")).unwrap();
        fs::create_dir(beside(&target, "new")).unwrap();
        recover(&target).unwrap();
        assert_eq!(text(&target), "one");
        assert_eq!(names(work.path()).unwrap(), ["best"]);
    }
}
