//! Hand-made `PyTorch` archives that lie, each with the line that says how.

mod pytorch_archive;

use pytorch_archive::{Archive, Entry, Pickle};
use upernet_hf::{ErrorKind, weights::PyTorchFile};

fn refusal(archive: &Archive) -> String {
    let error = PyTorchFile::from_bytes(archive.bytes()).expect_err("the archive is to be refused");
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

/// An archive of one tensor `w` with this offset, shape and strides, over four f32 elements.
fn one_tensor(offset: i64, shape: &[i64], strides: &[i64]) -> Archive {
    let pickle = Pickle::dict().tensor("w", 4, offset, shape, strides).end();
    Archive::new(pickle, vec![0; 16])
}

#[test]
fn the_archive_that_the_others_vary_is_read() {
    let mut archive = one_tensor(1, &[3], &[1]);
    archive.entries[1].data[4..8].copy_from_slice(&2.5_f32.to_le_bytes());
    let file = PyTorchFile::from_bytes(archive.bytes()).expect("it is well formed");
    assert_eq!(file.read_f32("w").expect("it is a float"), [2.5, 0.0, 0.0]);
    for zip64 in [false, true] {
        let file = PyTorchFile::from_bytes(
            Archive {
                zip64,
                ..archive.clone()
            }
            .bytes(),
        );
        assert!(file.is_ok(), "zip64 {zip64}: {file:?}");
    }
}

#[test]
fn tensors_that_leave_their_storage_are_refused() {
    let max = i64::MAX;
    for (archive, expected) in [
        (
            one_tensor(2, &[3], &[1]),
            "tensor \"w\": its shape [3] with strides [1] from element 2 reaches past the 4 \
             elements of its storage",
        ),
        (
            one_tensor(0, &[2, 2], &[3, 1]),
            "tensor \"w\": its shape [2, 2] with strides [3, 1] from element 0 reaches past the 4 \
             elements of its storage",
        ),
        (
            one_tensor(max, &[1], &[1]),
            "tensor \"w\": its shape [1] with strides [1] from element 9223372036854775807 reaches \
             past the 4 elements of its storage",
        ),
        (
            one_tensor(0, &[2], &[max]),
            "tensor \"w\": its shape [2] with strides [9223372036854775807] from element 0 reaches \
             past the 4 elements of its storage",
        ),
        (
            one_tensor(1, &[3, 1], &[max, max]),
            "tensor \"w\": its shape [3, 1] with strides [9223372036854775807, \
             9223372036854775807] from element 1 reaches past the 4 elements of its storage",
        ),
        (
            one_tensor(0, &[max, max], &[1, 1]),
            "tensor \"w\": its shape [9223372036854775807, 9223372036854775807] does not fit in \
             memory",
        ),
        (
            one_tensor(0, &[1 << 40], &[0]),
            "tensor \"w\": its shape [1099511627776] repeats the 4 elements of its storage; save a \
             contiguous copy",
        ),
    ] {
        assert_eq!(refusal(&archive), expected);
    }
}

#[test]
fn negative_numbers_and_too_many_axes_are_refused() {
    for (archive, expected) in [
        (
            one_tensor(-1, &[1], &[1]),
            "a tensor's offset needs an integer that is not negative",
        ),
        (
            one_tensor(0, &[-1], &[1]),
            "a tensor's shape needs an integer that is not negative",
        ),
        (
            one_tensor(3, &[2], &[-1]),
            "a tensor's strides needs an integer that is not negative",
        ),
        (
            one_tensor(0, &[1; 9], &[1; 9]),
            "a tensor has 9 axes, allowed are 8",
        ),
        (
            one_tensor(0, &[1, 1], &[1]),
            "a tensor needs as many strides as axes",
        ),
    ] {
        let line = refusal(&archive);
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn an_empty_tensor_may_have_any_offset_and_strides() {
    let archive = one_tensor(i64::MAX, &[0, 3], &[i64::MAX, i64::MAX]);
    let file = PyTorchFile::from_bytes(archive.bytes()).expect("it touches nothing");
    assert_eq!(file.read_f32("w").expect("it is a float"), [0.0_f32; 0]);
}

#[test]
fn storages_that_lie_about_their_size_are_refused() {
    let pickle = |elements| Pickle::dict().tensor("w", elements, 0, &[1], &[1]).end();
    for elements in [3, 5, i64::MAX] {
        let expected = format!(
            "tensor \"w\": its storage claims {elements} elements of type F32, the archive holds \
             16 bytes"
        );
        assert_eq!(
            refusal(&Archive::new(pickle(elements), vec![0; 16])),
            expected
        );
    }
    let mut missing = Archive::new(pickle(4), vec![0; 16]);
    missing.entries[1].name = "archive/data/1".into();
    assert_eq!(
        refusal(&missing),
        "tensor \"w\": its storage \"0\" is not in the archive"
    );
}

#[test]
fn a_storage_key_cannot_leave_the_archive() {
    let pickle = Pickle {
        key: "../../etc/passwd",
        ..Pickle::dict()
    };
    let pickle = pickle.tensor("w", 4, 0, &[4], &[1]).end();
    let line = refusal(&Archive::new(pickle, vec![0; 16]));
    assert_eq!(
        line,
        "tensor \"w\": its storage \"../../etc/passwd\" is not in the archive"
    );
}

#[test]
fn one_storage_claimed_many_times_is_refused() {
    let mut pickle = Pickle::dict();
    for index in 0..10_000 {
        pickle = pickle.tensor(&format!("w{index}"), 1 << 18, 0, &[1 << 18], &[1]);
    }
    let line = refusal(&Archive::new(pickle.end(), vec![0; 1 << 20]));
    assert!(
        line.starts_with("claims 10485760000 bytes of tensors in a file of "),
        "{line}"
    );
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let pickle = Pickle::dict()
        .tensor("w", 4, 0, &[4], &[1])
        .tensor("w", 4, 0, &[4], &[1]);
    assert_eq!(
        refusal(&Archive::new(pickle.end(), vec![0; 16])),
        "holds two tensors named \"w\""
    );
}

#[test]
fn every_other_callable_is_refused_by_name() {
    for (module, name) in [
        ("os", "system"),
        ("builtins", "eval"),
        ("torch", "QInt8Storage"),
        ("torch._utils", "_rebuild_tensor"),
        ("torch", "load"),
        ("collections", "defaultdict"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("argparse", "FileType"),
    ] {
        let pickle = format!("c{module}\n{name}\n.").into_bytes();
        let error = PyTorchFile::from_bytes(Archive::new(pickle, Vec::new()).bytes());
        let error = error.expect_err("it is no part of a tensor");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let expected = format!("byte 0 of its data.pkl: it asks Python for \"{module}.{name}\"");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[test]
fn objects_are_made_of_classes_beside_the_weights_alone_and_are_no_tensors() {
    let cases: [(&[u8], &str); 4] = [
        (
            b"N)\x81.",
            "byte 2 of its data.pkl: a new object needs a class beside the weights, found None",
        ),
        (
            b"ccollections\nOrderedDict\n)\x81.",
            "byte 26 of its data.pkl: a new object needs a class beside the weights, found a class",
        ),
        (
            b"cargparse\nNamespace\n)\x81.",
            "holds no dictionary of tensors but an object",
        ),
        (
            b"}X\x01\0\0\0wcargparse\nNamespace\n)\x81}bs.",
            "holds an object under the name \"w\", not a tensor",
        ),
    ];
    for (pickle, expected) in cases {
        let line = refusal(&Archive::new(pickle.to_vec(), Vec::new()));
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn malformed_pickles_are_refused_with_their_place() {
    for (pickle, expected) in [
        (&b""[..], "byte 0 of its data.pkl: it is cut short"),
        (b"N", "byte 1 of its data.pkl: it is cut short"),
        (
            b"X\xff\xff\xff\xffabc",
            "byte 0 of its data.pkl: it is cut short",
        ),
        (b"cos\nsystem", "byte 0 of its data.pkl: it is cut short"),
        (
            b"X\x01\0\0\0\xff.",
            "byte 0 of its data.pkl: a string is not UTF-8",
        ),
        (
            b".",
            "byte 0 of its data.pkl: an operation needs a value on the stack, found none",
        ),
        (
            b"}(.",
            "byte 2 of its data.pkl: an operation needs a value on the stack, found none",
        ),
        (
            b"t.",
            "byte 0 of its data.pkl: the end of a container needs a mark on the stack",
        ),
        (
            b"h\x05.",
            "byte 0 of its data.pkl: recalling a value needs one that was memoized",
        ),
        (
            b"}NN\x86s.",
            "byte 4 of its data.pkl: an operation needs a value on the stack",
        ),
        (
            b"NNNs.",
            "byte 3 of its data.pkl: setting items needs a dictionary, found None",
        ),
        (
            b"}(Nu.",
            "byte 3 of its data.pkl: setting items needs a value for each key",
        ),
        (
            b"NNa.",
            "byte 2 of its data.pkl: appending needs a list, found None",
        ),
        (
            b"N)R.",
            "byte 2 of its data.pkl: a call needs a function, found None",
        ),
        (
            b"NNR.",
            "byte 2 of its data.pkl: a call needs a tuple of arguments, found None",
        ),
        (
            b"NNb.",
            "byte 2 of its data.pkl: setting an object's state needs a dictionary",
        ),
        (
            b"NQ.",
            "byte 1 of its data.pkl: a storage needs a tuple, found None",
        ),
        (
            b")Q.",
            "byte 1 of its data.pkl: a storage needs a tuple of five",
        ),
        (
            b"ccollections\nOrderedDict\nN\x85R.",
            "byte 27 of its data.pkl: making an OrderedDict",
        ),
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
            "byte 34 of its data.pkl: a tensor needs at",
        ),
        (
            b"ctorch._utils\n_rebuild_parameter\n)R.",
            "byte 34 of its data.pkl: a parameter needs",
        ),
        (
            b"i",
            "byte 0 of its data.pkl: operation 0x69 is not one that describes weights",
        ),
        (b"N.", "holds no dictionary of tensors but None"),
        (b"}NNs.", "has a tensor whose name is None, not a string"),
        (
            b"}X\x01\0\0\0wNs.",
            "holds None under the name \"w\", not a tensor",
        ),
    ] {
        let line = refusal(&Archive::new(pickle.to_vec(), Vec::new()));
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn a_pickle_of_endless_objects_is_refused() {
    let line = refusal(&Archive::new(vec![b'N'; 2_000_000], Vec::new()));
    assert!(
        line.ends_with("it makes more than 262144 objects"),
        "{line}"
    );
    let marks = refusal(&Archive::new(vec![b'('; 2_000_000], Vec::new()));
    assert!(
        marks.ends_with("it makes more than 262144 objects"),
        "{marks}"
    );
    let huge = refusal(&Archive::new(vec![b'N'; (16 << 20) + 1], Vec::new()));
    assert_eq!(
        huge,
        "describes its tensors in 16777217 bytes, allowed are 16777216"
    );
}

#[test]
fn archives_that_contradict_themselves_are_refused() {
    let good = one_tensor(0, &[4], &[1]);
    let edit = |change: &dyn Fn(&mut Archive)| {
        let mut archive = good.clone();
        change(&mut archive);
        refusal(&archive)
    };
    for (line, expected) in [
        (
            edit(&|archive| archive.entries.push(archive.entries[1].clone())),
            "is a damaged archive: entry \"archive/data/0\" is there twice",
        ),
        (
            edit(&|archive| archive.entries[1].header_offset = Some(0)),
            "is a damaged archive: entry \"archive/data/0\" does not match its own header",
        ),
        (
            edit(&|archive| archive.entries[1].header_offset = Some(5)),
            "is a damaged archive: entry \"archive/data/0\" is not where the directory says",
        ),
        (
            edit(&|archive| archive.entries[1].claimed_length = Some(1 << 20)),
            "is a damaged archive: entry \"archive/data/0\" does not match its own header",
        ),
        (
            edit(&|archive| archive.entries[0].claimed_length = Some(200)),
            "is a damaged archive: entry \"archive/data/0\" overlaps another one",
        ),
        (
            edit(&|archive| archive.entries[0].name = "archive/other.pkl".into()),
            "is an archive with 0 entries named data.pkl, a PyTorch weight file has one",
        ),
        (
            edit(&|archive| {
                let entry = Entry::new("second/data.pkl", b"N.".to_vec());
                archive.entries.push(entry);
            }),
            "is an archive with 2 entries named data.pkl, a PyTorch weight file has one",
        ),
        (
            edit(&|archive| archive.entries[1].flags = 1),
            "holds entry \"archive/data/0\" encrypted, which is not supported; save it again with \
             `torch.save`",
        ),
        (
            edit(&|archive| {
                archive
                    .entries
                    .push(Entry::new("archive/byteorder", b"big".to_vec()));
            }),
            "is big-endian, which is not supported; save it again on a little-endian machine",
        ),
        (
            edit(&|archive| archive.directory_shift = -1),
            "is a damaged archive: its directory is malformed",
        ),
        (
            edit(&|archive| archive.directory_shift = 1 << 20),
            "is a damaged archive: its directory reaches past its end",
        ),
    ] {
        assert_eq!(line, expected);
    }
}
