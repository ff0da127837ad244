//! Both of `PyTorch`'s formats around one description, and what their refusal costs.

use upernet_hf::weights::PyTorchFile;

use crate::{counting_allocator::peak_during, pytorch_archive::Archive};

/// Bytes that may be held beyond a file's own, for messages and tables of small files.
const ALLOWANCE: usize = 64 << 10;

/// Both formats around the same description.
pub(crate) fn both(pickle: &[u8]) -> [Vec<u8>; 2] {
    let archive = Archive::new(pickle.to_vec(), vec![0; 16]);
    let has_storage = pickle.windows(7).any(|word| word == b"Storage");
    let old = if has_storage {
        legacy(pickle, &["0"], &[(4, 16)])
    } else {
        legacy(pickle, &[], &[])
    };
    [archive.bytes(), old]
}

/// A file of the format before `PyTorch` 1.6: its storages' keys, and of each the number of elements it
/// claims and the bytes it has.
pub(crate) fn legacy(pickle: &[u8], keys: &[&str], storages: &[(u64, usize)]) -> Vec<u8> {
    const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let mut file = MAGIC.to_vec();
    file.extend(b"\x80\x02M\xe9\x03.");
    file.extend(b"\x80\x02}X\x0d\0\0\0little_endian\x88s.");
    file.extend(pickle);
    file.extend(b"\x80\x02]");
    for key in keys {
        file.push(b'X');
        file.extend(u32::try_from(key.len()).expect("small").to_le_bytes());
        file.extend(key.as_bytes());
        file.push(b'a');
    }
    file.push(b'.');
    for &(elements, bytes) in storages {
        file.extend(elements.to_le_bytes());
        file.resize(file.len() + bytes, 0);
    }
    file
}

/// The line with which a file is refused, and the bytes that were held beyond its own.
pub(crate) fn refused(file: Vec<u8>) -> (String, usize) {
    let mut line = String::new();
    let peak = peak_during(|| {
        let error = PyTorchFile::from_bytes(file).expect_err("it is to be refused");
        line = error.to_string();
    });
    assert!(!line.contains(['\n', '\x1b']), "{line:?}");
    assert!(line.len() < 500, "{} bytes: {line}", line.len());
    (line, peak)
}

/// The same of a small file.
pub(crate) fn refusal(file: Vec<u8>) -> String {
    let length = file.len();
    let (line, peak) = refused(file);
    let limit = 32 * length + ALLOWANCE;
    assert!(peak <= limit, "{peak} bytes for a file of {length}: {line}");
    line
}
