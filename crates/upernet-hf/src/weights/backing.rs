//! A weight file's bytes: mapped from disk, part of the program, or held.

use std::{fs::File, io, ops::Deref, path::Path};

use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;

use crate::{config::json_file::open_regular, error::Error};

/// The bytes of a weight file.
#[derive(Debug)]
pub(crate) enum Backing {
    /// Mapped: pages come and go as they are read, and never count twice.
    Mapped(Mmap),
    /// Part of the program itself.
    Embedded(&'static [u8]),
    /// Held, for tests, fuzzing and files of no bytes (which cannot be mapped).
    Held(Vec<u8>),
}

impl Backing {
    /// Maps a regular file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let (file, length) = open_regular(path)?;
        if length == 0 {
            return Ok(Self::Held(Vec::new()));
        }
        map(&file)
            .map(Self::Mapped)
            .map_err(|cause| Error::reading(path, cause))
    }

    /// Gives back the memory of pages that were read; the next read of them fetches them again.
    pub(crate) fn release_pages(&self) {
        match self {
            Self::Mapped(map) => release(map),
            Self::Embedded(_) | Self::Held(_) => {}
        }
    }
}

impl Deref for Backing {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
            Self::Held(bytes) => bytes,
        }
    }
}

#[expect(
    unsafe_code,
    reason = "mapping is what keeps loading from holding the file and a copy of it"
)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is private and only read. Another process that changes the file meanwhile can
    // change values or, by cutting it, end this process with SIGBUS; it cannot break memory safety
    // beyond the bytes, of which every pattern is a valid u8 and which are checked before each use.
    unsafe { Mmap::map(file) }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "the hint would lose what was written to a map")]
fn release(map: &Mmap) {
    // SAFETY: nothing is written to the map, so a page that is dropped comes back from the file with
    // the same bytes.
    let result = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
    // A system that does not take the hint keeps the pages, which is no harm.
    drop(result);
}

#[cfg(not(unix))]
fn release(_: &Mmap) {}
