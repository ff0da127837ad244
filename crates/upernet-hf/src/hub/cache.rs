//! The folder layout that Python's `huggingface_hub` and this crate share.
//!
//! ```text
//! models--owner--name/
//!   blobs/<tag>                      a file's content, named by its entity tag
//!   blobs/<tag>.incomplete           what a broken download left; the next one goes on from it
//!   refs/<revision>                  the commit that a branch or tag stood for
//!   snapshots/<commit>/<file>        a link to the blob
//!   .no_exist/<commit>/<file>        the hub said that there is no such file
//! .locks/models--owner--name/<tag>.lock
//! ```
//!
//! Source: <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{Error, ModelId, model_id::is_commit};

/// Pause between two looks at a lock that another process holds.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The part of the cache that belongs to one repository.
#[derive(Debug)]
pub(super) struct RepoCache {
    folder: PathBuf,
    locks: PathBuf,
}

/// The right to bring a blob, until it is dropped; other processes wait for it.
#[derive(Debug)]
pub(super) struct BlobLock {
    _file: Option<File>,
    /// Where the content grows.
    pub(super) incomplete: PathBuf,
}

impl RepoCache {
    pub(super) fn new(cache: &Path, model: &ModelId) -> Self {
        let name = format!("models--{}--{}", model.owner(), model.name());
        Self {
            folder: cache.join(&name),
            locks: cache.join(".locks").join(name),
        }
    }

    /// Folder with the files of one commit.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Where the content with this tag belongs.
    pub(super) fn blob(&self, tag: &str) -> PathBuf {
        self.folder.join("blobs").join(tag)
    }

    /// Whether the snapshot has the file, with content behind it.
    pub(super) fn holds(&self, commit: &str, file: &str) -> bool {
        self.snapshot(commit).join(file).is_file()
    }

    /// Whether the content is there in full.
    pub(super) fn has_blob(&self, tag: &str, size: Option<u64>) -> bool {
        let blob = fs::metadata(self.blob(tag));
        blob.is_ok_and(|blob| blob.is_file() && size.is_none_or(|size| size == blob.len()))
    }

    /// The commit that the revision stood for when it was last pulled.
    pub(super) fn commit_of(&self, model: &ModelId) -> Option<String> {
        if let Some(commit) = model.pinned_commit() {
            return Some(commit.to_owned());
        }
        let mut text = String::new();
        let file = File::open(self.folder.join("refs").join(model.revision())).ok()?;
        file.take(100).read_to_string(&mut text).ok()?;
        let commit = text.trim();
        is_commit(commit).then(|| commit.to_owned())
    }

    /// Notes the commit that the revision stands for.
    pub(super) fn remember(&self, model: &ModelId, commit: &str) -> Result<(), Error> {
        if self.commit_of(model).as_deref() == Some(commit) {
            return Ok(());
        }
        let reference = self.folder.join("refs").join(model.revision());
        place(&reference, |fresh| fs::write(fresh, commit))
    }

    /// Whether the hub once said that this commit has no such file.
    pub(super) fn is_absent(&self, commit: &str, file: &str) -> bool {
        self.absence(commit, file).exists()
    }

    /// Notes that this commit has no such file.
    pub(super) fn mark_absent(&self, commit: &str, file: &str) -> Result<(), Error> {
        if self.is_absent(commit, file) {
            return Ok(());
        }
        place(&self.absence(commit, file), |fresh| fs::write(fresh, b""))
    }

    fn absence(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }

    /// Turns a finished and checked download into a blob.
    pub(super) fn publish(&self, lock: &BlobLock, tag: &str) -> Result<(), Error> {
        let blob = self.blob(tag);
        fs::rename(&lock.incomplete, &blob).map_err(Error::cache(blob))
    }

    /// Makes the file of a snapshot show the blob; never leaves one that shows nothing.
    pub(super) fn point(&self, commit: &str, file: &str, tag: &str) -> Result<(), Error> {
        let pointer = self.snapshot(commit).join(file);
        place(&pointer, |fresh| show(tag, &self.blob(tag), fresh))
    }

    /// Waits until no other process downloads this blob, as long as that one makes progress within
    /// `patience`.
    pub(super) fn lock(&self, tag: &str, patience: Duration) -> Result<BlobLock, Error> {
        let path = self.locks.join(format!("{tag}.lock"));
        create_parent(&path)?;
        create_parent(&self.blob(tag))?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(Error::cache(&path))?;
        let incomplete = |suffix: &str| self.blob(&format!("{tag}{suffix}.incomplete"));
        let shared = incomplete("");
        let length = || fs::metadata(&shared).map_or(0, |file| file.len());
        let (mut seen, mut since) = (length(), Instant::now());
        loop {
            match file.try_lock() {
                Ok(()) => {
                    return Ok(BlobLock {
                        _file: Some(file),
                        incomplete: shared,
                    });
                }
                Err(TryLockError::WouldBlock) => {}
                // Some network file systems have no locks. Two processes must not write into one
                // file then, so this one starts a file of its own.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    let own = incomplete(&format!(".{}", process::id()));
                    return Ok(BlobLock {
                        _file: None,
                        incomplete: own,
                    });
                }
                Err(TryLockError::Error(source)) => return Err(Error::Cache { path, source }),
            }
            if length() != seen {
                (seen, since) = (length(), Instant::now());
            }
            if since.elapsed() >= patience {
                return Err(Error::Locked {
                    path,
                    waited: patience,
                });
            }
            thread::sleep(LOCK_PAUSE);
        }
    }
}

/// Makes `at` show the blob: a relative link as Python makes it, or, where the file system has
/// none, a second name or a copy.
fn show(tag: &str, blob: &Path, at: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if std::os::unix::fs::symlink(Path::new("../../blobs").join(tag), at).is_ok() {
        return Ok(());
    }
    #[cfg(not(unix))]
    let _ = tag;
    fs::hard_link(blob, at).or_else(|_| fs::copy(blob, at).map(|_| ()))
}

/// Makes a file under another name and renames it, so that a reader sees the old state or the new
/// one, even if two threads do this at once.
fn place(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Error> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    create_parent(path)?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let fresh = path.with_file_name(format!(".{}-{count}.fresh", process::id()));
    let placed = make(&fresh).and_then(|()| fs::rename(&fresh, path));
    placed.map_err(|source| {
        let _ = fs::remove_file(&fresh);
        Error::Cache {
            path: path.to_owned(),
            source,
        }
    })
}

fn create_parent(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), |parent| {
        fs::create_dir_all(parent).map_err(Error::cache(parent))
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::{Error, ModelId, RepoCache};

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn cache(folder: &tempfile::TempDir, model: &str) -> (RepoCache, ModelId) {
        let model = ModelId::parse(model).expect("a valid id");
        (RepoCache::new(folder.path(), &model), model)
    }

    #[test]
    fn references_are_remembered_and_nonsense_in_them_is_ignored() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, model) = cache(&folder, "o/n@refs/pr/1");
        assert_eq!(cache.commit_of(&model), None);
        cache.remember(&model, COMMIT).expect("writable");
        assert_eq!(cache.commit_of(&model).as_deref(), Some(COMMIT));
        let reference = folder.path().join("models--o--n/refs/refs/pr/1");
        fs::write(reference, "../../../etc").expect("writable");
        assert_eq!(cache.commit_of(&model), None);
    }

    #[test]
    fn a_pointer_replaces_a_dangling_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, _) = cache(&folder, "o/n");
        fs::create_dir_all(cache.folder.join("blobs")).expect("writable");
        fs::write(cache.blob("tag"), "content").expect("writable");
        cache.point(COMMIT, "config.json", "gone").err();
        cache
            .point(COMMIT, "config.json", "tag")
            .expect("the blob is there");
        assert!(cache.holds(COMMIT, "config.json"));
        let shown = fs::read_to_string(cache.snapshot(COMMIT).join("config.json"));
        assert_eq!(shown.expect("readable"), "content");
        let entries = fs::read_dir(cache.snapshot(COMMIT))
            .expect("readable")
            .count();
        assert_eq!(entries, 1, "no temporary name may stay");
    }

    #[test]
    fn a_second_process_waits_only_as_long_as_there_is_progress() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, _) = cache(&folder, "o/n");
        let first = cache
            .lock("tag", Duration::ZERO)
            .expect("nobody else holds it");
        let refused = cache.lock("tag", Duration::from_millis(1));
        assert!(matches!(refused, Err(Error::Locked { .. })));
        drop(first);
        cache.lock("tag", Duration::ZERO).expect("free again");
    }

    #[test]
    fn waiting_goes_on_while_the_other_download_grows() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, _) = cache(&folder, "o/n");
        let first = cache
            .lock("tag", Duration::ZERO)
            .expect("nobody else holds it");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Twice as long as the other is ready to wait without progress, in steps that a busy
                // machine may stretch.
                for length in 1..=30 {
                    fs::write(&first.incomplete, vec![0; length]).expect("writable");
                    std::thread::sleep(Duration::from_millis(100));
                }
                drop(first);
            });
            cache
                .lock("tag", Duration::from_millis(1500))
                .expect("there is progress");
        });
    }

    #[test]
    fn a_blob_of_another_length_does_not_count() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, _) = cache(&folder, "o/n");
        fs::create_dir_all(cache.folder.join("blobs")).expect("writable");
        fs::write(cache.blob("tag"), "123").expect("writable");
        assert!(cache.has_blob("tag", Some(3)) && cache.has_blob("tag", None));
        assert!(!cache.has_blob("tag", Some(4)) && !cache.has_blob("other", None));
    }
}
