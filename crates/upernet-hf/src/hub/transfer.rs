//! Brings one file from the hub to disk, whole and checked, or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
};

use super::{
    Error, HubOptions, Progress,
    checksum::Checksum,
    error::innermost,
    remote::{Remote, RemoteFile},
    selection::LONGEST_JSON,
};

/// Bytes read at a time.
const PIECE: usize = 128 * 1024;
/// Bytes that earn a download all its retries back.
const GOOD_PROGRESS: u64 = 1 << 20;

/// Calls `attempt` again after faults that may pass, as often as the options say.
pub(super) fn with_retries<T>(
    options: &HubOptions,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut retry = 0;
    loop {
        match attempt() {
            Err(error) if error.is_transient() && retry < options.retry_limit() => {
                thread::sleep(options.pause_before(retry));
                retry += 1;
            }
            result => return result,
        }
    }
}

/// Fills `path` with the file, going on from what is there already.
///
/// On success the content has the stated length and hash and is on the disk. After a cut the part
/// that arrived stays for the next call; after a wrong length or hash nothing stays.
pub(super) fn fetch(
    remote: &Remote<'_>,
    file: &RemoteFile,
    path: &Path,
    options: &HubOptions,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    if let Some(size) = file.size.filter(|&size| size > limit(file)) {
        return Err(Error::TooLarge {
            file: file.name.clone(),
            size,
            limit: limit(file),
        });
    }
    let result = fetch_in_parts(remote, file, path, options, progress);
    if let Err(Error::WrongSize { .. } | Error::WrongHash { .. } | Error::TooLarge { .. }) = result
    {
        fs::remove_file(path).map_err(Error::cache(path))?;
    }
    result
}

fn fetch_in_parts(
    remote: &Remote<'_>,
    file: &RemoteFile,
    path: &Path,
    options: &HubOptions,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let mut part = Part::open(path, file)?;
    let (mut retry, mut fresh_start_left) = (0, true);
    loop {
        let before = part.done;
        match receive(remote, file, &mut part, progress) {
            Ok(()) => {}
            Err(error) if error.is_transient() => {
                if part.done >= before.saturating_add(GOOD_PROGRESS) {
                    retry = 0;
                }
                if retry == options.retry_limit() {
                    return Err(error);
                }
                thread::sleep(options.pause_before(retry));
                retry += 1;
                continue;
            }
            Err(error) => return Err(error),
        }
        match part.check(file) {
            // Perhaps only the old part was bad: an earlier process died while it wrote.
            Err(Error::WrongHash { .. }) if part.pieced && fresh_start_left => {
                fresh_start_left = false;
                part.clear(file)?;
            }
            result => return result,
        }
    }
}

/// Reads one answer of the server to its end.
fn receive(
    remote: &Remote<'_>,
    file: &RemoteFile,
    part: &mut Part,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    if part.done > 0 && file.size == Some(part.done) {
        progress.advanced(&file.name, part.done, file.size);
        return Ok(());
    }
    let mut body = remote.open(file, part.done)?;
    if body.start == 0 {
        part.clear(file)?;
    } else {
        part.pieced = true;
    }
    progress.advanced(&file.name, part.done, body.size);
    let longest = body.size.unwrap_or(u64::MAX).min(limit(file));
    let broken = |done, reason| Error::Interrupted {
        file: file.name.clone(),
        done,
        reason,
    };
    let mut piece = vec![0; PIECE];
    loop {
        let read = body.response.read(&mut piece);
        let read = read.map_err(|error| broken(part.done, innermost(&error)))?;
        if read == 0 {
            break;
        }
        let found = part.done + read as u64;
        if found > longest {
            return Err(match body.size {
                Some(expected) => Error::WrongSize {
                    file: file.name.clone(),
                    expected,
                    found,
                },
                None => Error::TooLarge {
                    file: file.name.clone(),
                    size: found,
                    limit: limit(file),
                },
            });
        }
        part.append(&piece[..read])?;
        progress.advanced(&file.name, part.done, body.size);
    }
    match body.size {
        Some(size) if size != part.done => Err(broken(
            part.done,
            "the server closed the connection".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Longest acceptable content, bytes.
fn limit(file: &RemoteFile) -> u64 {
    let json = Path::new(&file.name)
        .extension()
        .is_some_and(|extension| extension == "json");
    if json { LONGEST_JSON } else { u64::MAX }
}

/// The beginning of a file, on disk, with its running hash.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    handle: File,
    done: u64,
    checksum: Checksum,
    /// Whether it came in more than one answer of the server.
    pieced: bool,
}

impl Part {
    fn open(path: &Path, file: &RemoteFile) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        let handle = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let handle = handle.map_err(Error::cache(path))?;
        let checksum = Checksum::new(&file.tag, file.size);
        let mut part = Self {
            path: path.to_owned(),
            handle,
            done: 0,
            checksum,
            pieced: false,
        };
        part.take_in_old(file)?;
        Ok(part)
    }

    /// Hashes what an earlier download left, and leaves the handle at its end.
    fn take_in_old(&mut self, file: &RemoteFile) -> Result<(), Error> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = self
                .handle
                .read(&mut piece)
                .map_err(Error::cache(&self.path))?;
            if read == 0 {
                self.pieced = self.done > 0;
                return Ok(());
            }
            self.checksum.update(&piece[..read]);
            self.done += read as u64;
            if file.size.is_some_and(|size| self.done > size) {
                return self.clear(file);
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.handle
            .write_all(bytes)
            .map_err(Error::cache(&self.path))?;
        self.checksum.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    fn clear(&mut self, file: &RemoteFile) -> Result<(), Error> {
        let emptied = self
            .handle
            .set_len(0)
            .and_then(|()| self.handle.seek(SeekFrom::Start(0)));
        emptied.map_err(Error::cache(&self.path))?;
        self.done = 0;
        self.pieced = false;
        self.checksum = Checksum::new(&file.tag, file.size);
        Ok(())
    }

    /// Checks the hash, and sees to it that the content outlives a power cut.
    fn check(&self, file: &RemoteFile) -> Result<(), Error> {
        self.checksum
            .clone()
            .check()
            .map_err(|(expected, found)| Error::WrongHash {
                file: file.name.clone(),
                expected,
                found,
            })?;
        self.handle.sync_all().map_err(Error::cache(&self.path))
    }
}
