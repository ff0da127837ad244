//! Files and folders of a dataset: bounded reads and sorted listings.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::Error;

/// Folders deeper than this are not entered: links may form a ring.
const DEEPEST: usize = 8;

/// More files than any dataset has; a listing beyond it is of a disk, not of a dataset.
const MOST_FILES: usize = 10_000_000;

/// Most bytes of a text file about the dataset: split files, label maps.
pub(crate) const TEXT_BYTES: u64 = 64 << 20;

const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "gif"];

/// All files below a folder.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// The folder.
    pub(crate) root: PathBuf,
    /// Paths relative to it, sorted.
    pub(crate) files: Vec<PathBuf>,
}

impl Listing {
    /// Lists the pictures below a folder, at any depth; hidden files are left out.
    pub(crate) fn pictures(root: &Path) -> Result<Self, Error> {
        Self::of(root, is_picture)
    }

    /// Lists the files below a folder that are `wanted`, at any depth; hidden files are left out.
    pub(crate) fn of(root: &Path, wanted: fn(&Path) -> bool) -> Result<Self, Error> {
        let mut files = Vec::new();
        let mut folders = vec![(PathBuf::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for (name, is_folder) in entries(&root.join(&folder))? {
                let path = folder.join(name);
                if is_folder && depth < DEEPEST {
                    folders.push((path, depth + 1));
                } else if !is_folder && wanted(&path) {
                    files.push(path);
                }
            }
            if files.len() > MOST_FILES {
                return Err(Error::Invalid {
                    path: root.to_path_buf(),
                    problem: format!("more than {MOST_FILES} files; give the dataset's own folder"),
                });
            }
        }
        files.sort_unstable();
        let root = root.to_path_buf();
        Ok(Self { root, files })
    }
}

/// Whether a file is called like a picture.
pub(crate) fn is_picture(path: &Path) -> bool {
    has_extension(path, &PICTURES)
}

/// Whether a file name ends with one of the extensions, in capitals or not.
pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|found| {
            extensions
                .iter()
                .any(|wanted| found.eq_ignore_ascii_case(wanted))
        })
}

/// Whether there is a picture somewhere below a folder, which may itself be missing.
pub(crate) fn has_pictures(folder: &Path) -> Result<bool, Error> {
    if !folder.is_dir() {
        return Ok(false);
    }
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for (name, is_folder) in entries(&folder)? {
            let path = folder.join(name);
            if is_folder && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if !is_folder && is_picture(&path) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Names of the folders directly in a folder, sorted; hidden ones are left out.
pub(crate) fn subfolders(folder: &Path) -> Result<Vec<String>, Error> {
    Ok(names(folder, |is_folder| is_folder)?.into_iter().collect())
}

/// Names of the files directly in a folder, sorted; hidden ones are left out.
pub(crate) fn direct_files(folder: &Path) -> Result<Vec<String>, Error> {
    Ok(names(folder, |is_folder| !is_folder)?.into_iter().collect())
}

/// Reads a text file of at most [`TEXT_BYTES`].
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = read_bounded(path, TEXT_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::Invalid {
        path: path.to_path_buf(),
        problem: "is not UTF-8 text; save it as UTF-8".to_owned(),
    })?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map_or_else(|| text.clone(), str::to_owned))
}

/// Returns how a file begins, for a look at what it is.
pub(crate) fn peek(path: &Path) -> Result<String, Error> {
    const BYTES: u64 = 4096;
    let mut bytes = Vec::new();
    let read = open_regular(path)?.take(BYTES).read_to_end(&mut bytes);
    read.map_err(|cause| read_error(path, cause))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file whole, but never more than `most` bytes.
pub(crate) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = open_regular(path)?;
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|cause| read_error(path, cause))?;
    if bytes.len() as u64 > most {
        return Err(Error::Invalid {
            path: path.to_path_buf(),
            problem: format!("is over the limit of {most} bytes"),
        });
    }
    Ok(bytes)
}

/// Opens a regular file; anything else is refused first, as opening a pipe waits for its writer.
fn open_regular(path: &Path) -> Result<File, Error> {
    let failed = |cause: io::Error| read_error(path, cause);
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::Invalid {
            path: path.to_path_buf(),
            problem: "is not a regular file; give the path of one".to_owned(),
        });
    }
    File::open(path).map_err(failed)
}

fn read_error(path: &Path, cause: io::Error) -> Error {
    if cause.kind() == io::ErrorKind::NotFound {
        let problem = "no such file or folder".to_owned();
        return Error::NotFound {
            path: path.to_path_buf(),
            problem,
        };
    }
    Error::Io {
        path: path.to_path_buf(),
        action: "read",
        cause,
    }
}

fn names(folder: &Path, wanted: fn(bool) -> bool) -> Result<BTreeSet<String>, Error> {
    let found = entries(folder)?;
    Ok(found
        .into_iter()
        .filter(|&(_, is_folder)| wanted(is_folder))
        .map(|(name, _)| name)
        .collect())
}

/// Names in a folder, and whether each is a folder itself; links are followed, hidden names left out.
fn entries(folder: &Path) -> Result<Vec<(String, bool)>, Error> {
    let failed = |cause: io::Error| read_error(folder, cause);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Error::Invalid {
                path: entry.path(),
                problem: "the name is not UTF-8; rename it".to_owned(),
            });
        };
        let kind = match entry.file_type().map_err(failed)? {
            // A link to nothing is no photo and no mask; its partner is then reported as alone.
            kind if kind.is_symlink() => match fs::metadata(entry.path()) {
                Ok(target) => target.file_type(),
                Err(_) => continue,
            },
            kind => kind,
        };
        if !name.starts_with('.') && (kind.is_dir() || kind.is_file()) {
            found.push((name, kind.is_dir()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn pipes_devices_and_folders_are_refused_unopened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("mask.png");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [&*pipe, Path::new("/dev/zero"), folder.path()] {
            let line = format!(
                "{}: is not a regular file; give the path of one",
                path.display()
            );
            assert_eq!(read_bounded(path, 10).unwrap_err().to_string(), line);
            assert_eq!(peek(path).unwrap_err().to_string(), line);
        }
    }

    #[test]
    fn a_file_may_have_the_limit_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        assert!(
            read_bounded(&path, 4)
                .unwrap_err()
                .to_string()
                .ends_with("limit of 4 bytes")
        );
    }
}
