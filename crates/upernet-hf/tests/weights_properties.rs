//! Weight files at random: what is accepted can be read whole, and nothing panics.
//!
//! The allocator counts: opening and reading a file may hold a small multiple of its bytes.

mod counting_allocator;
mod pytorch_archive;

use std::path::Path;

use counting_allocator::peak_during;
use proptest::{collection::vec, prelude::*, sample::select};
use pytorch_archive::{Archive, Pickle};
use safetensors::SafeTensors;
use upernet_hf::weights::{PyTorchFile, SafetensorsError, SafetensorsFile};

/// Bytes that may be held beyond the multiple, for messages and small files.
const ALLOWANCE: usize = 64 << 10;
/// How many times a file's bytes may be held; its own bytes are one of them.
const MULTIPLE: usize = 64;

fn read_safetensors(bytes: &[u8]) -> bool {
    let Ok(file) = SafetensorsFile::from_bytes(bytes.to_vec()) else {
        return false;
    };
    for (name, info) in file.tensors() {
        let floats = file.read_f32(name).map(|values| values.len());
        let integers = file.read_i64(name).map(|values| values.len());
        for count in [floats, integers].into_iter().flatten() {
            assert_eq!(count, info.elements(), "{name}");
        }
    }
    true
}

fn read_pytorch(bytes: &[u8]) -> bool {
    let Ok(file) = PyTorchFile::from_bytes(bytes.to_vec()) else {
        return false;
    };
    for (name, info) in file.tensors() {
        let floats = file.read_f32(name).map(|values| values.len());
        let integers = file.read_i64(name).map(|values| values.len());
        for count in [floats, integers].into_iter().flatten() {
            assert_eq!(count, info.elements(), "{name}");
        }
    }
    true
}

fn fixture() -> impl Strategy<Value = Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/weights");
    let names = [
        "dtypes.bin",
        "views.bin",
        "module.bin",
        "protocol4.bin",
        "nested.bin",
    ];
    let files =
        names.map(|name| std::fs::read(folder.join(name)).expect("it is in the repository"));
    select(files.to_vec())
}

fn safetensors() -> impl Strategy<Value = Vec<u8>> {
    let dtypes = vec![
        ("F32", 4),
        ("F16", 2),
        ("BF16", 2),
        ("I64", 8),
        ("U8", 1),
        ("BOOL", 1),
    ];
    let tensor = (select(dtypes), vec(0_usize..4, 0..4));
    (vec(tensor, 0..6), any::<bool>()).prop_map(|(tensors, metadata)| {
        let mut entries = Vec::new();
        let mut end = 0;
        for (index, ((dtype, size), shape)) in tensors.into_iter().enumerate() {
            let start = end;
            end += shape.iter().product::<usize>() * size;
            entries.push(format!(
                r#""t{index}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
            ));
        }
        if metadata {
            entries.push(r#""__metadata__":{"format":"pt"}"#.into());
        }
        let header = format!("{{{}}}", entries.join(","));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + end, 1);
        bytes
    })
}

/// Some bytes of a file replaced, and perhaps its end cut off or something appended.
fn mutated(files: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edits = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let end = prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    (files, edits, end, vec(any::<u8>(), 0..3)).prop_map(|(mut bytes, edits, end, appended)| {
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len() + 1));
        }
        bytes.extend(appended);
        bytes
    })
}

/// Pickles of operations that the machine knows, in any order.
fn operations() -> impl Strategy<Value = Vec<u8>> {
    let simple: Vec<Vec<u8>> = b"(N)]}tesuaQRb.\x88\x85\x86\x87\x93\x94"
        .iter()
        .map(|&operation| vec![operation])
        .chain([
            b"K\x03".to_vec(),
            b"\x8a\x01\xff".to_vec(),
            b"q\0".to_vec(),
            b"h\0".to_vec(),
            b"X\x01\0\0\0w".to_vec(),
            b"ccollections\nOrderedDict\n".to_vec(),
            b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(),
            b"ctorch._utils\n_rebuild_parameter\n".to_vec(),
            b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"
                .to_vec(),
        ])
        .collect();
    vec(select(simple), 0..40).prop_map(|operations| {
        let mut pickle = operations.concat();
        pickle.push(b'.');
        pickle
    })
}

/// Asserts that reading holds no more than a small multiple of the file.
fn bounded(bytes: &[u8], read: impl FnOnce(&[u8]) -> bool) -> bool {
    let mut accepted = false;
    let peak = peak_during(|| accepted = read(bytes));
    let limit = MULTIPLE * bytes.len() + ALLOWANCE;
    assert!(
        peak <= limit,
        "{peak} bytes were held for a file of {}",
        bytes.len()
    );
    accepted
}

proptest! {
    #[test]
    fn a_safetensors_file_is_accepted_as_the_formats_own_crate_does(
        whole in safetensors(), bytes in mutated(safetensors()),
    ) {
        prop_assert!(bounded(&whole, read_safetensors), "it is well formed");
        bounded(&bytes, read_safetensors);
        let judge = SafeTensors::deserialize(&bytes).map(drop);
        match SafetensorsFile::from_bytes(bytes) {
            Ok(_) => prop_assert!(judge.is_ok(), "only we accept it"),
            // These the crate lets through: two tensors of one name, nine axes, exotic types.
            Err(SafetensorsError::Header { .. } | SafetensorsError::Dtype { .. }) => {}
            Err(error) => prop_assert!(judge.is_err(), "only we refuse it: {}", error),
        }
    }

    #[test]
    fn a_damaged_pytorch_file_never_panics(bytes in mutated(fixture())) {
        bounded(&bytes, read_pytorch);
    }

    #[test]
    fn any_pickle_never_panics(pickle in operations()) {
        bounded(&Archive::new(pickle, vec![0; 16]).bytes(), read_pytorch);
    }

    #[test]
    fn any_view_is_read_or_refused(
        offset in -1_i64..6, shape in vec(0_i64..4, 0..4), strides in vec(0_i64..4, 0..4),
    ) {
        let pickle = Pickle::dict().tensor("w", 6, offset, &shape, &strides).end();
        let storage: Vec<u8> = (0..6_u8).flat_map(|value| f32::from(value).to_le_bytes()).collect();
        let bytes = Archive::new(pickle, storage).bytes();
        if let Ok(file) = PyTorchFile::from_bytes(bytes) {
            let values = file.read_f32("w").expect("it is a float");
            prop_assert_eq!(values, gathered(offset, &shape, &strides));
        }
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..300)) {
        bounded(&bytes, read_safetensors);
        bytes.splice(0..0, *b"PK\x03\x04");
        bounded(&bytes, read_pytorch);
    }
}

/// The elements of a view over a storage that counts from 0, by the definition of strides.
fn gathered(offset: i64, shape: &[i64], strides: &[i64]) -> Vec<f32> {
    let elements: i64 = shape.iter().product();
    (0..elements)
        .map(|mut element| {
            let mut place = offset;
            for (&side, &stride) in shape.iter().zip(strides).rev() {
                place += element % side * stride;
                element /= side;
            }
            place as f32
        })
        .collect()
}

#[test]
fn a_header_of_many_tiny_tensors_stays_small() {
    let entries: Vec<String> = (0..20_000)
        .map(|n| {
            format!(
                r#""{n}":{{"dtype":"U8","shape":[],"data_offsets":[{n},{}]}}"#,
                n + 1
            )
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + 20_000, 0);
    let mut file = None;
    let peak = peak_during(|| file = SafetensorsFile::from_bytes(bytes.clone()).ok());
    assert_eq!(file.map(|file| file.tensors().count()), Some(20_000));
    assert!(
        peak < 12 * bytes.len(),
        "{peak} bytes were held for a file of {}",
        bytes.len()
    );
}
