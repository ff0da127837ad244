//! `PyTorch` weight files: what `torch.save` writes is read, anything else is refused by name.
//!
//! The files come from `scripts/make_weight_fixtures.py`; each tensor counts 0, 1, 2, ... in its own
//! row-major order unless said otherwise.

use std::path::{Path, PathBuf};

use upernet_hf::{
    ErrorKind,
    weights::{Checkpoint, Dtype, PyTorchError, PyTorchFile},
};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/weights")
        .join(name)
}

fn open(name: &str) -> PyTorchFile {
    PyTorchFile::open(&path(name)).expect("the file holds tensors alone")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("the fixture is in the repository")
}

fn refusal(name: &str) -> (ErrorKind, String) {
    let error = PyTorchFile::open(&path(name)).expect_err("the file is to be refused");
    let line = error.to_string();
    let prefix = format!("{}: ", path(name).display());
    let message = line
        .strip_prefix(&prefix)
        .expect("the line starts with the file");
    (error.kind(), message.to_owned())
}

#[test]
fn every_type_is_read_exactly() {
    for name in ["dtypes.bin", "protocol4.bin"] {
        let file = open(name);
        let counting = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        for (tensor, dtype) in [
            ("double", Dtype::F64),
            ("float", Dtype::F32),
            ("half", Dtype::F16),
            ("bfloat16", Dtype::BF16),
        ] {
            let info = file.info(tensor).expect("it is there");
            assert_eq!(
                (info.dtype(), info.shape()),
                (dtype, &[2, 3][..]),
                "{tensor}"
            );
            assert_eq!(
                file.read_f32(tensor).expect("it is a float"),
                counting,
                "{tensor}"
            );
        }
        for (tensor, dtype) in [
            ("long", Dtype::I64),
            ("int", Dtype::I32),
            ("short", Dtype::I16),
            ("char", Dtype::I8),
            ("byte", Dtype::U8),
        ] {
            let info = file.info(tensor).expect("it is there");
            assert_eq!(
                (info.dtype(), info.shape()),
                (dtype, &[2, 3][..]),
                "{tensor}"
            );
            let read = file.read_i64(tensor).expect("it is an integer");
            assert_eq!(read, [0, 1, 2, 3, 4, 5], "{tensor}");
        }
        assert_eq!(file.read_i64("bool").expect("it is there"), [1, 0]);
        assert_eq!(file.read_i64("scalar").expect("it is there"), [7]);
        assert_eq!(
            file.info("scalar").expect("it is there").shape(),
            [0_usize; 0]
        );
        assert_eq!(file.info("empty").expect("it is there").shape(), [0, 4]);
        assert_eq!(file.read_f32("empty").expect("it is there"), [0.0_f32; 0]);
        let not_finite = file.read_f32("not_finite").expect("it is there");
        assert!(
            not_finite[0].is_nan() && not_finite[1] == f32::INFINITY,
            "{not_finite:?}"
        );
        assert!(
            not_finite[2].to_bits() == (-0.0_f32).to_bits(),
            "the sign of zero is kept"
        );
    }
}

#[test]
fn views_of_a_shared_storage_are_gathered() {
    let file = open("views.bin");
    // base[row, column] = 6 row + column
    let expect = |name: &str, shape: &[usize], value: &dyn Fn(usize, usize) -> usize| {
        assert_eq!(
            file.info(name).expect("it is there").shape(),
            shape,
            "{name}"
        );
        let expected: Vec<f32> = (0..shape[0])
            .flat_map(|i| (0..shape[1]).map(move |j| (i, j)))
            .map(|(i, j)| value(i, j) as f32)
            .collect();
        assert_eq!(
            file.read_f32(name).expect("it is a float"),
            expected,
            "{name}"
        );
    };
    expect("base", &[4, 6], &|i, j| 6 * i + j);
    expect("transposed", &[6, 4], &|i, j| 6 * j + i);
    expect("columns", &[4, 3], &|i, j| 6 * i + 2 * j + 1);
    expect("tail", &[2, 6], &|i, j| 6 * (i + 2) + j);
    assert_eq!(file.read_f32("element").expect("it is a float"), [23.0]);

    // permuted[i, j, k] = x[j, k, i] with x = 12 j + 4 k + i
    assert_eq!(
        file.info("permuted").expect("it is there").shape(),
        [4, 2, 3]
    );
    let mut expected = Vec::new();
    for i in 0..4_u8 {
        for j in 0..2_u8 {
            for k in 0..3_u8 {
                expected.push(f32::from(12 * j + 4 * k + i));
            }
        }
    }
    assert_eq!(file.read_f32("permuted").expect("it is a float"), expected);
}

#[test]
fn a_modules_state_dictionary_is_read() {
    let file = open("module.bin");
    let names: Vec<&str> = file.tensors().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "0.bias",
            "0.weight",
            "1.bias",
            "1.num_batches_tracked",
            "1.running_mean",
            "1.running_var",
            "1.weight"
        ]
    );
    assert_eq!(
        file.info("0.weight").expect("it is there").shape(),
        [2, 1, 1, 1]
    );
    assert_eq!(
        file.read_f32("1.running_var").expect("it is a float"),
        [0.0, 1.0]
    );
    assert_eq!(
        file.read_i64("1.num_batches_tracked")
            .expect("it is an integer"),
        [0]
    );
}

#[test]
fn parameters_and_nested_dictionaries_are_read() {
    for name in [
        "parameter.bin",
        "nested.bin",
        "training.bin",
        "average.bin",
        "averages.bin",
        "legacy.bin",
    ] {
        let file = open(name);
        assert_eq!(file.tensors().count(), 1, "{name}");
        let weight = file.read_f32("weight").expect("it is a float");
        assert_eq!(weight, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{name}");
    }
}

#[test]
fn averages_beside_the_weights_are_named() {
    let others = |name: &str| open(name).other_weights().to_vec();
    assert!(others("nested.bin").is_empty() && others("average.bin").is_empty());
    assert_eq!(others("averages.bin"), ["model_ema", "teacher"]);
    let checkpoint = Checkpoint::open(&path("averages.bin")).expect("it holds tensors");
    let others: Vec<&str> = checkpoint.other_weights().collect();
    assert_eq!(others, ["model_ema", "teacher"]);
}

#[test]
fn names_of_classes_beside_the_tensors_are_read() {
    let names = |name: &str| open(name).class_names().map(<[_]>::to_vec);
    assert_eq!(names("nested.bin"), None, "they lie elsewhere");
    let classes = ["road", "sky"].map(str::to_owned);
    assert_eq!(names("training.bin"), Some(classes.to_vec()));
    let checkpoint = Checkpoint::open(&path("training.bin")).expect("it holds tensors");
    assert_eq!(checkpoint.class_names(), Some(&classes[..]));
}

#[test]
fn files_before_1_6_are_read_like_those_after() {
    let (old, new) = (open("legacy_views.bin"), open("views.bin"));
    let infos = |file: &PyTorchFile| -> Vec<(String, Vec<usize>)> {
        let tensors = file.tensors();
        tensors
            .map(|(name, info)| (name.to_owned(), info.shape().to_vec()))
            .collect()
    };
    assert_eq!(infos(&old), infos(&new));
    for (name, _) in infos(&new) {
        let read = |file: &PyTorchFile| file.read_f32(&name).expect("f32");
        assert_eq!(read(&old), read(&new), "{name}");
    }
}

#[test]
fn a_file_before_1_6_that_is_damaged_is_refused_wherever_it_is_cut() {
    let whole = bytes("legacy_views.bin");
    for length in 0..whole.len() {
        let error = PyTorchFile::from_bytes(whole[..length].to_vec());
        assert!(
            error.is_err(),
            "{length} of {} bytes were taken",
            whole.len()
        );
    }
    let mut claimed = whole.clone();
    // The count of the only storage's elements, 24 f32 before the end.
    let at = whole.len() - 24 * 4 - 8;
    assert_eq!(whole[at..at + 8], 24_u64.to_le_bytes());
    claimed[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = PyTorchFile::from_bytes(claimed).expect_err("more than there is");
    assert!(error.to_string().ends_with("it is cut short"), "{error}");
}

#[test]
fn an_object_in_a_tensors_place_is_refused() {
    let (kind, message) = refusal("object_inside.bin");
    assert_eq!(kind, ErrorKind::BadData);
    assert!(
        message.contains("\"weight\"") && message.contains("an object"),
        "{message}"
    );
}

#[test]
fn a_pickle_that_would_run_a_command_is_refused_and_not_run() {
    let (kind, message) = refusal("malicious.bin");
    assert_eq!(kind, ErrorKind::Unsupported);
    let expected = "it asks Python for \"posix.system\", which is refused and was not run; \
                    save the weights alone, with `torch.save(model.state_dict(), path)`";
    assert!(message.ends_with(expected), "{message}");
    assert!(
        !Path::new("weights_fixture_was_run").exists(),
        "the command was run"
    );
}

#[test]
fn files_of_another_kind_are_refused_by_name() {
    for (name, kind, expected) in [
        (
            "compressed.bin",
            ErrorKind::Unsupported,
            "holds entry \"archive/data.pkl\" compressed",
        ),
        (
            "whole_module.bin",
            ErrorKind::Unsupported,
            "byte 2 of its data.pkl: it asks Python for \"torch.nn.modules.linear.Linear\"",
        ),
        (
            "plain_pickle.bin",
            ErrorKind::BadData,
            "is not a PyTorch weight file",
        ),
        (
            "list.bin",
            ErrorKind::BadData,
            "holds no dictionary of tensors but a list",
        ),
        (
            "text_inside.bin",
            ErrorKind::BadData,
            "holds a string under the name \"note\"",
        ),
        (
            "expanded.bin",
            ErrorKind::BadData,
            "tensor \"weight\": its shape [1000, 3] repeats the 3 elements of its storage; \
             save a contiguous copy",
        ),
    ] {
        let (found, message) = refusal(name);
        assert!(message.starts_with(expected), "{name}: {message}");
        assert_eq!(found, kind, "{name}");
    }
    let (_, message) = refusal("negated.bin");
    assert!(
        message.contains("a tensor needs no metadata, found a dictionary"),
        "{message}"
    );
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = bytes("views.bin");
    for length in 0..whole.len() {
        let error = PyTorchFile::from_bytes(whole[..length].to_vec());
        let error = error.expect_err("the directory is at the end");
        let expected = if length < 4 {
            PyTorchError::NotPyTorch
        } else {
            PyTorchError::Truncated
        };
        assert_eq!(error, expected, "cut at {length}");
    }
}

#[test]
fn a_git_lfs_pointer_is_named() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let error = PyTorchFile::from_bytes(pointer.to_vec()).expect_err("it is a pointer");
    assert_eq!(error, PyTorchError::GitLfsPointer);
}
