//! The zip archive around a `PyTorch` weight file.
//!
//! `torch.save` stores its entries without compression, so an entry is a range of the file and
//! nothing is ever unpacked. Only what it writes is read: one volume, stored entries, zip64.
//! Checksums are not compared, and are not by `PyTorch` either.
//!
//! # Source
//!
//! PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16
//! (its end), 4.5.3 (zip64).

use std::{collections::BTreeMap, ops::Range};

use crate::weights::PyTorchError;

const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
const DIRECTORY_HEADER: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const END_64_LOCATOR: [u8; 4] = *b"PK\x06\x07";

/// Bytes of each record before its names and comments.
const LOCAL_HEADER_BYTES: usize = 30;
const DIRECTORY_HEADER_BYTES: usize = 46;
const END_BYTES: usize = 22;
const END_64_BYTES: usize = 56;
const LOCATOR_BYTES: usize = 20;
const MAX_COMMENT_BYTES: usize = u16::MAX as usize;

/// A 32-bit field of this value says that the real one is in the zip64 record.
const IN_ZIP64: u64 = u32::MAX as u64;

/// Finds the bytes of every entry, by name.
pub(super) fn entries(file: &[u8]) -> Result<BTreeMap<&str, Range<usize>>, PyTorchError> {
    let directory = find_directory(file)?;
    let mut rest = &file[directory.clone()];
    let mut entries = BTreeMap::new();
    let mut places = Vec::new();
    while !rest.is_empty() {
        let (entry, after) = read_entry(rest)?;
        rest = after;
        let data = locate(file, &entry, directory.start)?;
        places.push((entry.header..data.end, entry.name));
        if entries.insert(entry.name, data).is_some() {
            return Err(entry.problem("is there twice"));
        }
    }
    places.sort_by_key(|(place, _)| (place.start, place.end));
    match places
        .windows(2)
        .find(|pair| pair[1].0.start < pair[0].0.end)
    {
        Some(pair) => Err(wrong_entry(pair[1].1, "overlaps another one")),
        None => Ok(entries),
    }
}

/// One entry as the directory describes it.
struct DirectoryEntry<'a> {
    name: &'a str,
    /// Offset of the local header.
    header: usize,
    /// Bytes of the data.
    length: usize,
}

impl DirectoryEntry<'_> {
    fn problem(&self, problem: &'static str) -> PyTorchError {
        wrong_entry(self.name, problem)
    }
}

/// Finds the directory by the record at the end of the file.
fn find_directory(file: &[u8]) -> Result<Range<usize>, PyTorchError> {
    let end = find_end(file).ok_or(PyTorchError::Truncated)?;
    let locator = end
        .checked_sub(LOCATOR_BYTES)
        .filter(|&at| signed(file, at, END_64_LOCATOR));
    let (size, start, limit) = match locator {
        None => (u32_at(file, end + 12), u32_at(file, end + 16), end),
        Some(at) => {
            let record = usize::try_from(u64_at(file, at + 8).unwrap_or(u64::MAX)).ok();
            let fits = |&record: &usize| {
                record
                    .checked_add(END_64_BYTES)
                    .is_some_and(|after| after <= at)
            };
            let record = record
                .filter(fits)
                .filter(|&record| signed(file, record, END_64));
            let record = record.ok_or_else(|| wrong("its zip64 record is missing"))?;
            (u64_at(file, record + 40), u64_at(file, record + 48), record)
        }
    };
    let start = start.and_then(|start| usize::try_from(start).ok());
    let size = size.and_then(|size| usize::try_from(size).ok());
    let stop = start
        .zip(size)
        .and_then(|(start, size)| start.checked_add(size));
    match start.zip(stop) {
        Some((start, stop)) if stop <= limit => Ok(start..stop),
        _ => Err(wrong("its directory reaches past its end")),
    }
}

/// Finds the end record: the last one whose comment reaches exactly to the end of the file.
fn find_end(file: &[u8]) -> Option<usize> {
    let last = file.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(MAX_COMMENT_BYTES);
    (first..=last)
        .rev()
        .find(|&at| signed(file, at, END) && u16_at(file, at + 20) == Some((last - at) as u64))
}

/// Reads the directory's next entry, and returns what comes after it.
fn read_entry(directory: &[u8]) -> Result<(DirectoryEntry<'_>, &[u8]), PyTorchError> {
    let damaged = || wrong("its directory is malformed");
    if !signed(directory, 0, DIRECTORY_HEADER) || directory.len() < DIRECTORY_HEADER_BYTES {
        return Err(damaged());
    }
    let length_at = |at| u16_at(directory, at).and_then(|length| usize::try_from(length).ok());
    let length_at = |at| length_at(at).ok_or_else(damaged);
    let rest = &directory[DIRECTORY_HEADER_BYTES..];
    let (name, rest) = rest.split_at_checked(length_at(28)?).ok_or_else(damaged)?;
    let (extra, rest) = rest.split_at_checked(length_at(30)?).ok_or_else(damaged)?;
    let (_comment, rest) = rest.split_at_checked(length_at(32)?).ok_or_else(damaged)?;
    let name = str::from_utf8(name).map_err(|_| wrong("an entry's name is not UTF-8"))?;
    if u16_at(directory, 8).is_none_or(|flags| flags & 1 != 0) {
        return Err(PyTorchError::NotStored {
            entry: name.into(),
            how: "encrypted",
        });
    }
    if u16_at(directory, 10) != Some(0) {
        return Err(PyTorchError::NotStored {
            entry: name.into(),
            how: "compressed",
        });
    }
    let fields = [24, 20, 42].map(|at| u32_at(directory, at).unwrap_or(IN_ZIP64));
    let entry = zip64(fields, extra).and_then(|[length, stored, header]| {
        let (length, header) = (usize::try_from(length).ok()?, usize::try_from(header).ok()?);
        (stored == length as u64).then_some(DirectoryEntry {
            name,
            header,
            length,
        })
    });
    let entry = entry.ok_or_else(|| wrong_entry(name, "has contradicting sizes"))?;
    Ok((entry, rest))
}

/// Replaces the fields that do not fit in 32 bits by those of the zip64 extra field.
fn zip64(mut fields: [u64; 3], mut extra: &[u8]) -> Option<[u64; 3]> {
    if !fields.contains(&IN_ZIP64) {
        return Some(fields);
    }
    loop {
        let length = usize::try_from(u16_at(extra, 2)?).ok()?;
        let (field, rest) = extra.get(4..)?.split_at_checked(length)?;
        if u16_at(extra, 0)? == 1 {
            let saturated = fields.iter_mut().filter(|field| **field == IN_ZIP64);
            for (index, wide) in saturated.enumerate() {
                *wide = u64_at(field, 8 * index)?;
            }
            return Some(fields);
        }
        extra = rest;
    }
}

/// Finds an entry's data behind its local header, which must agree with the directory.
fn locate(
    file: &[u8],
    entry: &DirectoryEntry<'_>,
    directory: usize,
) -> Result<Range<usize>, PyTorchError> {
    let header = file[..directory].get(entry.header..);
    let header = header.filter(|header| signed(header, 0, LOCAL_HEADER));
    let header = header.ok_or_else(|| entry.problem("is not where the directory says"))?;
    let length_at = |at| u16_at(header, at).and_then(|length| usize::try_from(length).ok());
    let data = length_at(26).zip(length_at(28)).and_then(|(name, extra)| {
        let same = header.get(LOCAL_HEADER_BYTES..LOCAL_HEADER_BYTES + name)?;
        let start = LOCAL_HEADER_BYTES + name + extra;
        let stop = start.checked_add(entry.length)?;
        (same == entry.name.as_bytes() && stop <= header.len())
            .then_some(entry.header + start..entry.header + stop)
    });
    data.ok_or_else(|| entry.problem("does not match its own header"))
}

fn signed(bytes: &[u8], at: usize, signature: [u8; 4]) -> bool {
    bytes
        .get(at..)
        .is_some_and(|bytes| bytes.starts_with(&signature))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u16::from_le_bytes(*bytes).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_le_bytes(*bytes).into())
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u64::from_le_bytes(*bytes))
}

fn wrong(problem: &'static str) -> PyTorchError {
    PyTorchError::Archive { problem }
}

fn wrong_entry(entry: &str, problem: &'static str) -> PyTorchError {
    PyTorchError::Entry {
        entry: entry.into(),
        problem,
    }
}
