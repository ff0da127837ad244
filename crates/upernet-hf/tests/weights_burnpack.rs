//! Burnpacks that were made to harm: each is refused in one line, and none is given memory beyond a small
//! multiple of its own bytes.

#![cfg(feature = "burnpack")]

mod counting_allocator;

use burn_pack::{HEADER_SIZE, Writer, aligned_data_section_start};
use counting_allocator::peak_during;
use serde_json::{Value, json};
use upernet_hf::weights::{BurnpackFile, Dtype};

/// Bytes that may be held beyond three times a file's own.
const ALLOWANCE: usize = 64 << 10;

/// A file with this description of its tensors, and so many bytes of data.
fn pack(metadata: &[u8], data: usize) -> Vec<u8> {
    let empty = Writer::new(Vec::new()).into_bytes().expect("no tensors");
    // Magic and version; the length of the description follows.
    let mut file = empty[..HEADER_SIZE - 4].to_vec();
    let length = u32::try_from(metadata.len()).expect("small");
    file.extend(length.to_le_bytes());
    file.extend(metadata);
    file.resize(aligned_data_section_start(metadata.len()), 0);
    file.resize(file.len() + data, 0);
    file
}

fn described(tensors: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let description = json!({"tensors": tensors, "metadata": {}});
    ciborium::into_writer(&description, &mut bytes).expect("plain data");
    bytes
}

fn tensor(dtype: &str, shape: &[u64], [start, end]: [u64; 2]) -> Value {
    json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]})
}

/// The line with which a file is refused.
fn refusal(file: Vec<u8>) -> String {
    let length = file.len();
    let mut line = String::new();
    let peak = peak_during(|| {
        let error = BurnpackFile::from_bytes(file).expect_err("it is to be refused");
        line = error.to_string();
    });
    assert!(!line.contains(['\n', '\x1b']), "{line:?}");
    assert!(line.len() < 500, "{} bytes: {line}", line.len());
    assert!(
        peak < 3 * length + ALLOWANCE,
        "{peak} bytes for {length}: {line}"
    );
    line
}

#[test]
fn the_file_that_the_others_vary_is_read() {
    let tensors = json!({"w": tensor("F32", &[3], [0, 12])});
    let file = BurnpackFile::from_bytes(pack(&described(&tensors), 12)).expect("well formed");
    let info = file.info("w").expect("it is there");
    assert_eq!((info.dtype(), info.shape()), (Dtype::F32, &[3][..]));
    assert_eq!(file.read_f32("w").expect("floats"), [0.0; 3]);
}

#[test]
fn what_a_header_claims_is_held_against_the_file() {
    let good = described(&json!({"w": tensor("F32", &[3], [0, 12])}));
    let mut long = pack(&good, 12);
    long[HEADER_SIZE - 4..HEADER_SIZE].fill(0xff);
    let line = refusal(long);
    assert!(
        line.contains("its header is longer than the file"),
        "{line}"
    );

    let mut newer = pack(&good, 12);
    newer[4] = 0xff;
    refusal(newer);
    refusal(b"BURN".to_vec());
    refusal(pack(&good, 11));
    refusal(pack(b"", 12));
    refusal(pack(&[0x9f; 4096], 12));
    refusal(pack(&[0xbf; 4096], 12));

    // A description of a tensor as long as a hundred networks'.
    let line = refusal(pack(&vec![0_u8; (16 << 20) + 1], 0));
    assert!(line.contains("at most 16777216 are read"), "{line}");
}

#[test]
fn tensors_lie_where_they_are_said_to_or_nowhere() {
    let max = u64::MAX;
    for (shape, offsets, part) in [
        (&[3][..], [4, 16], "File truncated"),
        (&[3], [0, 16], "'w' declares 16 bytes"),
        (&[4], [0, 12], "'w' declares 12 bytes"),
        (&[3], [12, 0], "'w' has corrupted offset"),
        (&[3], [max - 11, max], "'w' has corrupted offset"),
        (&[max, max], [0, 12], "'w' byte length"),
        (&[max / 4 + 1], [0, 0], "'w' byte length"),
        (&[1 << 40], [0, 1 << 42], "'w' size 4398046511104"),
    ] {
        let tensors = json!({"w": tensor("F32", shape, offsets)});
        let line = refusal(pack(&described(&tensors), 12));
        assert!(line.contains(part), "{line}");
    }
    let tensors = json!({"w": tensor("F31", &[3], [0, 12])});
    refusal(pack(&described(&tensors), 12));
    let truths = json!({"dtype": {"Bool": "Native"}, "shape": [12], "data_offsets": [0, 12]});
    let tensors = json!({"w": truths});
    let line = refusal(pack(&described(&tensors), 12));
    assert!(
        line.contains("\"w\" has elements of type Bool(Native)"),
        "{line}"
    );
}
