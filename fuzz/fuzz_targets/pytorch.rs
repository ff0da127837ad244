//! `PyTorch` weight files, and pickles inside a well-formed file of both formats, which random bytes seldom
//! make.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upernet_hf::weights::PyTorchFile;

/// Entries of the archive that every pickle is put into.
const STORAGES: [(&str, usize); 2] = [("a/data/0", 24), ("a/data/1", 8)];

fuzz_target!(|input: &[u8]| {
    read(input.to_vec());
    read(archive(input));
    read(legacy(input));
});

fn read(bytes: Vec<u8>) {
    let length = bytes.len();
    match PyTorchFile::from_bytes(bytes) {
        Ok(file) => {
            let mut total = 0;
            for (name, info) in file.tensors() {
                total += info.byte_len();
                if let Ok(values) = file.read_f32(name) {
                    assert_eq!(values.len(), info.elements());
                }
                if let Ok(values) = file.read_i64(name) {
                    assert_eq!(values.len(), info.elements());
                }
            }
            assert!(total <= 8 * length, "{total} bytes of tensors");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

fn archive(pickle: &[u8]) -> Vec<u8> {
    let storages = STORAGES.map(|(name, length)| (name, vec![1; length]));
    let pickle = [("a/data.pkl", pickle.to_vec())];
    let mut file = Vec::new();
    let mut directory = Vec::new();
    let mut count = 0_u16;
    for (name, data) in pickle.into_iter().chain(storages) {
        let offset = (file.len() as u32).to_le_bytes();
        let length = (data.len() as u32).to_le_bytes();
        let name_length = (name.len() as u16).to_le_bytes();
        for (target, signature, gap, tail) in [
            (&mut file, b"PK\x03\x04", 14, 2),
            (&mut directory, b"PK\x01\x02", 16, 12),
        ] {
            target.extend(signature);
            target.resize(target.len() + gap, 0);
            target.extend(length);
            target.extend(length);
            target.extend(name_length);
            target.resize(target.len() + tail, 0);
        }
        directory.extend(offset);
        directory.extend(name.as_bytes());
        file.extend(name.as_bytes());
        file.extend(data);
        count += 1;
    }
    let start = (file.len() as u32).to_le_bytes();
    let size = (directory.len() as u32).to_le_bytes();
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend(size);
    file.extend(start);
    file.extend([0, 0]);
    file
}

/// The format before `PyTorch` 1.6: a magic number, its version, facts of the machine, the description,
/// the keys of the storages, and the only one, of six elements.
fn legacy(pickle: &[u8]) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    file.extend(b"\x80\x02M\xe9\x03.");
    file.extend(b"\x80\x02}X\x0d\0\0\0little_endian\x88s.");
    file.extend(pickle);
    file.extend(b"\x80\x02]X\x01\0\0\x000a.");
    file.extend(6_u64.to_le_bytes());
    file.resize(file.len() + 24, 1);
    file
}
