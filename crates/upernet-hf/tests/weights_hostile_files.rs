//! Weight files that were made to harm, or that harm by what they hold: each is refused in one line, and
//! none is given memory beyond a small multiple of its own bytes.
//!
//! What a single field can lie about is in `weights_pytorch_hostile.rs`; here are whole attacks, on both
//! of `PyTorch`'s formats. Those on the description of the tensors are in `weights_hostile.rs`.

mod counting_allocator;
mod hostile;
mod pytorch_archive;

use std::{fs, path::Path};

use hostile::{both, legacy, refusal};
use pytorch_archive::{Archive, Entry, Pickle};
use upernet_hf::weights::{Checkpoint, PyTorchFile};

#[test]
fn claims_beyond_the_file_are_refused_before_memory_is_taken() {
    let max = u64::MAX;
    let tensor = |elements, shape: &[i64], strides: &[i64]| {
        Pickle::dict()
            .tensor("w", elements, 0, shape, strides)
            .end()
    };
    let good = tensor(4, &[4], &[1]);
    let huge = i64::MAX;
    for (file, expected) in [
        (
            legacy(&good, &["0"], &[(max, 16)]),
            "a damaged file of the format before PyTorch 1.6: it is cut short",
        ),
        (
            legacy(&good, &["0"], &[(max / 4 + 5, 16)]),
            "a damaged file of the format before PyTorch 1.6: it is cut short",
        ),
        (
            legacy(&good, &["0"], &[(1 << 40, 16)]),
            "a damaged file of the format before PyTorch 1.6: it is cut short",
        ),
        (
            legacy(&good, &["0", "0"], &[(4, 16), (0, 0)]),
            "a damaged file of the format before PyTorch 1.6: a storage is there twice",
        ),
        (
            legacy(&good, &["1"], &[(4, 16)]),
            "a damaged file of the format before PyTorch 1.6: a storage belongs to no tensor",
        ),
        (
            legacy(&good, &[], &[]),
            "tensor \"w\": its storage \"0\" is not in the archive",
        ),
        (
            legacy(&good, &["0"], &[(3, 12)]),
            "tensor \"w\": its storage claims 4 elements of type F32, the archive holds 12 bytes",
        ),
        (
            legacy(&tensor(4, &[1 << 40], &[0]), &["0"], &[(4, 16)]),
            "tensor \"w\": its shape [1099511627776] repeats the 4 elements of its storage",
        ),
        (
            legacy(&tensor(4, &[huge, huge, 4], &[0, 0, 1]), &["0"], &[(4, 16)]),
            "4] does not fit in memory",
        ),
        (
            legacy(&tensor(4, &[2], &[huge]), &["0"], &[(4, 16)]),
            "reaches past the 4 elements of its storage",
        ),
        (
            legacy(&tensor(huge, &[1], &[1]), &["0"], &[(4, 16)]),
            "its storage claims 9223372036854775807 elements of type F32",
        ),
    ] {
        let line = refusal(file);
        assert!(line.contains(expected), "{line}");
    }
    for text in [&b"X\xff\xff\xff\xff"[..], b"\x8c\xff", b"\x8a\xffab"] {
        let line = refusal(Archive::new(text.to_vec(), Vec::new()).bytes());
        assert_eq!(line, "byte 0 of its data.pkl: it is cut short");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let pickle = Pickle::dict().tensor("w", 4, 0, &[4], &[1]).end();
    for file in both(&pickle) {
        for length in 0..file.len() {
            refusal(file[..length].to_vec());
        }
    }
}

#[test]
fn nothing_is_unpacked() {
    let pickle = Pickle::dict().tensor("w", 4, 0, &[4], &[1]).end();
    let good = Archive::new(pickle, vec![0; 16]);
    let edit = |change: &dyn Fn(&mut Archive)| {
        let mut archive = good.clone();
        change(&mut archive);
        refusal(archive.bytes())
    };
    // Deflate, Deflate64, bzip2, LZMA, Zstandard, and what no one has defined.
    for method in [8, 9, 12, 14, 93, 0xffff] {
        for entry in [0, 1] {
            let line = edit(&|archive| {
                archive.entries[entry].method = method;
                archive.entries[entry].claimed_length = Some(u32::MAX - 1);
            });
            assert!(
                line.ends_with(
                    "compressed, which is not supported; save it again with `torch.save`"
                ),
                "{line}"
            );
        }
    }
    // A bomb of one body under many names: thousands of entries claim the same bytes.
    let line = edit(&|archive| {
        for index in 1..5000 {
            let mut entry = Entry::new(&format!("archive/data/{index}"), Vec::new());
            entry.header_offset = Some(0);
            entry.claimed_length = Some(1 << 30);
            archive.entries.push(entry);
        }
    });
    assert!(line.ends_with("does not match its own header"), "{line}");
    // The same with headers of their own, nested like quines: each body holds the next header.
    let line = edit(&|archive| {
        for index in 1..1000 {
            let mut entry = Entry::new(&format!("archive/data/{index}"), Vec::new());
            entry.claimed_length = Some(40);
            archive.entries.push(entry);
        }
    });
    assert!(line.contains("is a damaged archive: entry "), "{line}");
    for zip64 in [false, true] {
        let line = edit(&|archive| {
            archive.zip64 = zip64;
            archive.entries[1].claimed_length = Some(u32::MAX - 1);
        });
        assert!(line.ends_with("does not match its own header"), "{line}");
    }
}

#[test]
fn other_byte_orders_are_refused_by_name() {
    let pickle = Pickle::dict().tensor("w", 4, 0, &[4], &[1]).end();
    let with_order = |order: &[u8]| {
        let mut archive = Archive::new(pickle.clone(), vec![0; 16]);
        let entry = Entry::new("archive/byteorder", order.to_vec());
        archive.entries.push(entry);
        archive.bytes()
    };
    assert!(
        PyTorchFile::from_bytes(with_order(b"little")).is_ok(),
        "this machine's"
    );
    for (order, expected) in [
        (
            &b"big"[..],
            "is big-endian, which is not supported; save it again on a little-endian machine",
        ),
        (
            b"BIG",
            "names a byte order \"BIG\", which is neither \"little\" nor \"big\"",
        ),
        (
            b"",
            "names a byte order \"\", which is neither \"little\" nor \"big\"",
        ),
        (
            b"\x1b\xff\n",
            "names a byte order \"\\u{1b}\u{fffd}\\n\", which is neither \"little\" nor \"big\"",
        ),
        (
            &[b'a'; 5000],
            &format!(
                "names a byte order \"{}\"..., which is neither \"little\" nor \"big\"",
                "a".repeat(80)
            ),
        ),
    ] {
        assert_eq!(refusal(with_order(order)), expected);
    }
    // Before 1.6 it was a fact of the machine.
    let mut old = legacy(&pickle, &["0"], &[(4, 16)]);
    let place = old
        .windows(2)
        .position(|pair| pair == b"\x88s")
        .expect("it says so");
    old[place] = 0x89;
    assert_eq!(
        refusal(old),
        "is big-endian, which is not supported; save it again on a little-endian machine"
    );
}

/// Names are part of messages, lists and other files: none may break a line or move a terminal's cursor.
#[test]
fn a_name_stays_on_its_line() {
    let named = |name: &str| {
        let header = serde_json::json!({
            name: {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]},
        });
        let header = header.to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        Checkpoint::from_bytes("w.safetensors", file).map_err(|error| error.to_string())
    };
    let longest = "n".repeat(512);
    for name in ["w", "", "größe.weight", "a b", &longest] {
        let checkpoint = named(name).expect("a name");
        assert!(checkpoint.info(name).is_some(), "{name}");
    }
    let long = "n".repeat(513);
    let cut = format!("\"{}\"...", "n".repeat(80));
    for (name, shown) in [
        ("a\nb", "\"a\\nb\""),
        ("\u{1b}[2J", "\"\\u{1b}[2J\""),
        ("a\u{85}", "\"a\\u{85}\""),
        (&long, &cut),
    ] {
        let line = named(name).expect_err("it is to be refused");
        let expected = format!(
            "w.safetensors: names a tensor {shown}; a name has at most 512 bytes and no control characters"
        );
        assert_eq!(line, expected);
    }
    // The same check stands behind the other formats.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("w.bin");
    let pickle = Pickle::dict().tensor("a\tb", 4, 0, &[4], &[1]).end();
    fs::write(&path, Archive::new(pickle, vec![0; 16]).bytes()).expect("written");
    let line = open_refused(&path);
    assert!(line.contains("names a tensor \"a\\tb\""), "{line}");
}

/// A safetensors file of one tensor `w`.
fn safetensors(dtype: &str, elements: usize, data: &[u8]) -> Vec<u8> {
    let header = format!(
        r#"{{"w":{{"dtype":"{dtype}","shape":[{elements}],"data_offsets":[0,{}]}}}}"#,
        data.len()
    );
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let read = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        let checkpoint = Checkpoint::open(&path).expect("it is well formed");
        let plain = checkpoint.read_f32("w").map(|values| values.len());
        assert!(plain.is_ok(), "as values they can be had: {plain:?}");
        let error = checkpoint.read_finite_f32("w").err()?;
        let line = error.to_string();
        let file = format!("{}: ", path.display());
        Some(
            line.strip_prefix(&file)
                .expect("the file comes first")
                .to_owned(),
        )
    };
    let expected = |found: &str, index: usize| {
        Some(format!(
            "tensor \"w\" holds {found} at element {index}, so the network would find nothing anywhere; \
             its training diverged, or its file is damaged"
        ))
    };
    let floats = |values: &[f32]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    for (dtype, data, line) in [
        ("F32", floats(&[0.0, f32::MAX, -1e-45]), None),
        (
            "F32",
            floats(&[0.0, 1.0, nan, infinity]),
            expected("NaN", 2),
        ),
        ("F32", floats(&[-infinity, nan]), expected("infinity", 0)),
        ("F16", vec![0, 0x3c, 0, 0x7c], expected("infinity", 1)),
        ("BF16", vec![0xc0, 0xff], expected("NaN", 0)),
        (
            "F64",
            1e300_f64.to_le_bytes().to_vec(),
            expected("infinity", 0),
        ),
    ] {
        let size = match dtype {
            "F64" => 8,
            "F32" => 4,
            _ => 2,
        };
        let file = safetensors(dtype, data.len() / size, &data);
        assert_eq!(read("w.safetensors", &file), line, "{dtype}");
    }
    let pickle = Pickle::dict().tensor("w", 4, 0, &[4], &[1]).end();
    let storage = floats(&[0.0, 1.0, 2.0, nan]);
    let file = Archive::new(pickle, storage).bytes();
    assert_eq!(read("w.bin", &file), expected("NaN", 3));
}

#[test]
fn a_file_on_disk_is_refused_by_its_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("pytorch_model.bin");
    let [archive, old] = both(b"cos\nsystem\nX\x02\0\0\0id\x85R.");
    for file in [archive, old] {
        fs::write(&path, file).expect("written");
        let line = open_refused(folder.path());
        let start = format!("{}: byte ", path.display());
        assert!(
            line.starts_with(&start) && line.contains("\"os.system\""),
            "{line}"
        );
    }
}

fn open_refused(folder: &Path) -> String {
    let line = Checkpoint::open(folder)
        .expect_err("it is to be refused")
        .to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}
