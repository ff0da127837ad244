//! Safetensors files that lie, each with the line that says how, and files that do not.
//!
//! The format's own crate is asked too: it must refuse what ours refuses, or the difference is
//! stated.

use std::{borrow::Cow, collections::BTreeMap};

use safetensors::SafeTensors;
use upernet_hf::{
    Error, ErrorKind, Overwrite,
    weights::{
        Dtype, SafetensorsError, SafetensorsFile, TensorError, TensorInfo, write_safetensors,
    },
};

/// A file of this header text and this many zero bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn entry(name: &str, dtype: &str, shape: &str, start: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

fn refusal(bytes: &[u8]) -> SafetensorsError {
    SafetensorsFile::from_bytes(bytes.to_vec()).expect_err("the file is to be refused")
}

/// Refused by us with this line, and by the format's own crate as well.
fn assert_refused(bytes: &[u8], expected: &str) {
    assert_eq!(refusal(bytes).to_string(), expected);
    assert!(
        SafeTensors::deserialize(bytes).is_err(),
        "the format's own crate accepts it"
    );
}

#[test]
fn headers_that_do_not_fit_the_file_are_refused() {
    for (bytes, expected) in [
        (vec![], "is not a safetensors file: it has 0 bytes"),
        (vec![1; 7], "is not a safetensors file: it has 7 bytes"),
        (
            (1_u64 << 60).to_le_bytes().to_vec(),
            "its header claims 1152921504606846976 bytes, the file has 8; it is cut short, \
             or not a safetensors file",
        ),
        (
            u64::MAX.to_le_bytes().to_vec(),
            "its header claims 18446744073709551615 bytes, the file has 8; it is cut short, \
             or not a safetensors file",
        ),
        (
            file("{}", 0)[..9].to_vec(),
            "its header claims 2 bytes, the file has 9; it is cut short, or not a safetensors file",
        ),
    ] {
        assert_refused(&bytes, expected);
    }
    let mut long = 100_000_001_u64.to_le_bytes().to_vec();
    long.resize(100_000_009, b' ');
    assert!(
        matches!(refusal(&long), SafetensorsError::HeaderLength { .. }),
        "100 MB of header"
    );
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    assert_eq!(refusal(pointer), SafetensorsError::GitLfsPointer);
}

#[test]
fn headers_that_are_not_tensors_are_refused() {
    for (header, expected) in [
        (
            "",
            "its header is malformed: EOF while parsing a value at line 1 column 0",
        ),
        (
            "[]",
            "its header is malformed: invalid type: sequence, expected an object of tensors",
        ),
        (
            "\u{0}",
            "its header is malformed: expected value at line 1 column 1",
        ),
        (
            r#"{"a":1}"#,
            "its header is malformed: \"a\": invalid type: integer `1`",
        ),
        (
            r#"{"a":{}}"#,
            "its header is malformed: \"a\": missing field `dtype`",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
            "its header is malformed: \"a\": invalid value: integer `-1`, expected u64",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#,
            "its header is malformed: \"a\": invalid type: floating point `1.5`, expected u64",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#,
            "its header is malformed: \"a\": invalid length 1, expected an array of length 2",
        ),
        (
            r#"{"__metadata__":{"x":1}}"#,
            "its header is malformed: \"__metadata__\": invalid type",
        ),
        (
            r#"{"a\nb":{"dtype":"F32"}}"#,
            "its header is malformed: \"a\\nb\": missing field `shape`",
        ),
    ] {
        let bytes = file(header, 4);
        let line = refusal(&bytes).to_string();
        assert!(line.starts_with(expected), "{line}");
        assert!(!line.contains('\n'), "{line}");
        assert!(SafeTensors::deserialize(&bytes).is_err(), "{header}");
    }
    let not_utf8 = [1_u64.to_le_bytes().as_slice(), b"\xff"].concat();
    assert!(
        matches!(refusal(&not_utf8), SafetensorsError::Header { .. }),
        "it is not UTF-8"
    );
    let deep = format!(r#"{{"a":{}"#, "[".repeat(10_000));
    assert!(
        matches!(refusal(&file(&deep, 0)), SafetensorsError::Header { .. }),
        "it is deep"
    );
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000));
    assert!(
        refusal(&file(&long, 0)).to_string().len() < 400,
        "the message is cut"
    );
}

#[test]
fn tensors_that_do_not_tile_the_data_are_named() {
    let two = |b_start: u64, b_end: u64| {
        let a = entry("a", "F32", "[2]", 0, 8);
        format!("{{{a},{}}}", entry("b", "F32", "[2]", b_start, b_end))
    };
    assert!(
        SafetensorsFile::from_bytes(file(&two(8, 16), 16)).is_ok(),
        "it is well formed"
    );
    for (bytes, expected) in [
        (file(&two(4, 12), 16), "tensors \"a\" and \"b\" overlap"),
        (file(&two(0, 8), 8), "tensors \"a\" and \"b\" overlap"),
        (
            file(&two(12, 20), 20),
            "has a hole of 4 bytes before tensor \"b\"",
        ),
        (
            file(&two(8, 16), 20),
            "has 4 bytes at its end that belong to no tensor",
        ),
        (
            file(&two(8, 16), 12),
            "is cut short: tensor \"b\" ends at byte 16 of the data, the file has 12",
        ),
        (
            file(&two(8, 12), 12),
            "tensor \"b\" of shape [2] and type F32 needs 8 bytes, the header gives it 4",
        ),
        (
            file(&two(16, 8), 16),
            "tensor \"b\" starts at byte 16 and ends at 8",
        ),
        (
            file(&two(u64::MAX - 8, u64::MAX), 16),
            "is cut short: tensor \"b\" ends at byte 18446744073709551615 of the data, \
             the file has 16",
        ),
    ] {
        assert_refused(&bytes, expected);
    }
}

#[test]
fn shapes_that_overflow_are_named() {
    for (shape, expected) in [
        (
            "[4294967296,4294967296]",
            "tensor \"a\" of shape [4294967296, 4294967296] does not fit in memory",
        ),
        (
            "[4611686018427387904]",
            "tensor \"a\" of shape [4611686018427387904] does not fit in memory",
        ),
    ] {
        assert_refused(
            &file(&format!("{{{}}}", entry("a", "F32", shape, 0, 4)), 4),
            expected,
        );
    }
}

#[test]
fn what_the_formats_own_crate_lets_through_is_refused_too() {
    let a = entry("a", "F32", "[1]", 0, 4);
    let twice = file(&format!("{{{a},{a}}}"), 4);
    let line = refusal(&twice).to_string();
    assert!(
        line.starts_with("its header is malformed: \"a\" is there twice"),
        "{line}"
    );
    assert!(
        SafeTensors::deserialize(&twice).is_ok(),
        "it keeps the last one"
    );

    let many_axes = file(
        &format!("{{{}}}", entry("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4)),
        4,
    );
    let line = refusal(&many_axes).to_string();
    assert!(
        line.starts_with("its header is malformed: \"a\": a shape of more than 8 axes"),
        "{line}"
    );

    let eighth = file(&format!("{{{}}}", entry("a", "F8_E4M3", "[4]", 0, 4)), 4);
    let error = refusal(&eighth);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "tensor \"a\" has elements of type \"F8_E4M3\", which is not supported; \
         save it as F32, F16 or BF16"
    );
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let a = entry("a", "F32", "[2,3]", 0, 24);
    let whole = file(&format!("{{{a},{}}}", entry("b", "I64", "[]", 24, 32)), 32);
    assert!(
        SafetensorsFile::from_bytes(whole.clone()).is_ok(),
        "it is whole"
    );
    for length in 0..whole.len() {
        let error = refusal(&whole[..length]);
        assert_eq!(error.kind(), ErrorKind::BadData, "cut at {length}: {error}");
    }
}

#[test]
fn tensors_of_no_elements_and_padded_headers_are_read() {
    let header = format!(
        "  {{{}}}   ",
        entry("a", "F32", "[0,18446744073709551615]", 0, 0)
    );
    let bytes = file(&header, 0);
    let read = SafetensorsFile::from_bytes(bytes.clone()).expect("it is well formed");
    assert_eq!(read.read_f32("a").expect("it is there"), [0.0_f32; 0]);
    assert!(
        SafeTensors::deserialize(&bytes).is_ok(),
        "so says the format's own crate"
    );
    let null = file(r#"{"__metadata__":null}"#, 0);
    assert!(
        SafeTensors::deserialize(&null).is_ok(),
        "so says the format's own crate"
    );
    let null = SafetensorsFile::from_bytes(null).expect("it is as good as absent");
    assert!(null.metadata().is_empty(), "there is none");
    let empty = SafetensorsFile::from_bytes(file("{}", 0)).expect("no tensors are well formed");
    assert_eq!(empty.tensors().count(), 0);
}

#[test]
fn tensors_that_are_not_there_or_of_another_type_are_named() {
    let bytes = file(&format!("{{{}}}", entry("a", "I64", "[1]", 0, 8)), 8);
    let read = SafetensorsFile::from_bytes(bytes).expect("it is well formed");
    assert_eq!(read.read_i64("a"), Ok(vec![0]));
    assert_eq!(
        read.read_f32("a")
            .expect_err("it holds integers")
            .to_string(),
        "tensor \"a\" has elements of type I64, expected a floating-point type"
    );
    let missing = read.read_f32("b").expect_err("it is not there");
    assert_eq!(
        (missing.kind(), missing.to_string()),
        (ErrorKind::NotFound, "holds no tensor \"b\"".into())
    );
}

/// Two small tensors whose elements count from 0.
fn small() -> BTreeMap<String, TensorInfo> {
    let info = |dtype, shape: &[usize]| TensorInfo::new(dtype, shape.to_vec()).expect("small");
    BTreeMap::from([
        ("batches".into(), info(Dtype::I64, &[])),
        ("bias".into(), info(Dtype::F32, &[3])),
        ("weight".into(), info(Dtype::F32, &[3, 2])),
    ])
}

fn counting(name: &str) -> Cow<'static, [u8]> {
    let elements = small()[name].elements();
    let floats = (0..elements)
        .map(|element| element as f32)
        .flat_map(f32::to_le_bytes);
    match name {
        "batches" => Cow::Owned(5_i64.to_le_bytes().to_vec()),
        _ => Cow::Owned(floats.collect()),
    }
}

#[test]
fn what_is_written_is_read_here_and_by_the_formats_own_crate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    write_safetensors(&path, &small(), &metadata, Overwrite::Refuse, |name| {
        Ok(counting(name))
    })
    .expect("it is new");

    let read = SafetensorsFile::open(&path).expect("it was just written");
    assert_eq!(read.metadata(), &metadata);
    let tensors: Vec<_> = read
        .tensors()
        .map(|(name, info)| (name.to_owned(), info.clone()))
        .collect();
    assert_eq!(tensors, small().into_iter().collect::<Vec<_>>());
    assert_eq!(
        read.read_f32("weight"),
        Ok(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    );
    assert_eq!(read.read_i64("batches"), Ok(vec![5]));

    let bytes = std::fs::read(&path).expect("it was just written");
    assert_eq!(
        bytes.len() % 8,
        (3 + 6) * 4 % 8,
        "the data starts at a multiple of eight"
    );
    let judge = SafeTensors::deserialize(&bytes).expect("the format's own crate reads it");
    assert_eq!(judge.names().len(), 3);
    let weight = judge.tensor("weight").expect("it is there");
    assert_eq!(
        (weight.shape(), weight.data()),
        (&[3, 2][..], &*counting("weight"))
    );
}

#[test]
fn a_write_that_fails_leaves_nothing_and_replaces_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, b"precious").expect("it is writable");
    let none = BTreeMap::new();

    let refused = write_safetensors(&path, &small(), &none, Overwrite::Refuse, |name| {
        Ok(counting(name))
    });
    assert_eq!(refused.expect_err("it is there").kind(), ErrorKind::Exists);

    let failing = |name: &str| match name {
        "weight" => Err(Error::NotFound {
            path: "source".into(),
            hint: "gone".into(),
        }),
        name => Ok(counting(name)),
    };
    let failed = write_safetensors(&path, &small(), &none, Overwrite::Replace, failing);
    assert_eq!(
        failed.expect_err("the source fails").to_string(),
        "source: not found; gone"
    );

    let short = |_: &str| Ok(Cow::Borrowed(&[0_u8; 4][..]));
    let wrong = write_safetensors(&path, &small(), &none, Overwrite::Replace, short);
    let expected = format!(
        "{}: tensor \"batches\" of shape [] and type I64 needs 8 bytes, the header gives it 4",
        path.display()
    );
    assert_eq!(
        wrong.expect_err("the bytes are too few").to_string(),
        expected
    );

    let info = TensorInfo::new(Dtype::F32, vec![1]).expect("small");
    let reserved = BTreeMap::from([("__metadata__".to_owned(), info)]);
    let clash = write_safetensors(&path, &reserved, &none, Overwrite::Replace, |name| {
        Ok(counting(name))
    });
    assert_eq!(
        clash.expect_err("the name is taken").kind(),
        ErrorKind::BadData
    );

    assert_eq!(std::fs::read(&path).expect("it is there"), b"precious");
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("it exists").count(),
        1,
        "files left"
    );
    write_safetensors(&path, &small(), &none, Overwrite::Replace, |name| {
        Ok(counting(name))
    })
    .expect("it may");
    assert!(SafetensorsFile::open(&path).is_ok(), "it was replaced");
}

#[test]
fn a_tensor_larger_than_memory_cannot_be_described() {
    let error = TensorInfo::new(Dtype::F64, vec![usize::MAX]).expect_err("it is too large");
    assert_eq!(
        error,
        TensorError::TooLarge {
            shape: vec![usize::MAX]
        }
    );
}
