//! Folders of weights: which files are taken, and what an index may say.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use upernet_hf::{
    Error, ErrorKind, ModelFolder, Overwrite,
    processor::HfProcessorConfig,
    weights::{Checkpoint, Dtype, TensorInfo, write_safetensors},
};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata")
        .join(path)
}

/// Writes a safetensors file of these scalars.
fn scalars(path: &Path, values: &[(&str, f32)]) {
    let info = || TensorInfo::new(Dtype::F32, Vec::new()).expect("a scalar is small");
    let tensors = values
        .iter()
        .map(|(name, _)| ((*name).to_owned(), info()))
        .collect();
    let value = |name: &str| {
        values
            .iter()
            .find(|row| row.0 == name)
            .expect("it is listed")
            .1
    };
    write_safetensors(
        path,
        &tensors,
        &BTreeMap::new(),
        Overwrite::Replace,
        |name| Ok(Cow::Owned(value(name).to_le_bytes().to_vec())),
    )
    .expect("the folder is writable");
}

/// A folder of two shards with this index text.
fn sharded(index: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    scalars(
        &folder.path().join("model-1.safetensors"),
        &[("a", 1.0), ("b", 2.0)],
    );
    scalars(&folder.path().join("model-2.safetensors"), &[("c", 3.0)]);
    fs::write(folder.path().join("model.safetensors.index.json"), index).expect("it is writable");
    folder
}

const INDEX: &str = r#"{"metadata": {"total_size": 12}, "weight_map": {
    "a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"}}"#;

fn names(checkpoint: &Checkpoint) -> Vec<&str> {
    checkpoint
        .files()
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect()
}

#[test]
fn shards_are_one_checkpoint() {
    let folder = sharded(INDEX);
    for path in [
        folder.path().to_owned(),
        folder.path().join("model.safetensors.index.json"),
    ] {
        let checkpoint = Checkpoint::open(&path).expect("index and shards agree");
        let files = [
            "model.safetensors.index.json",
            "model-1.safetensors",
            "model-2.safetensors",
        ];
        assert_eq!(names(&checkpoint), files);
        assert_eq!(checkpoint.len(), 3);
        for (name, value) in [("a", 1.0), ("b", 2.0), ("c", 3.0)] {
            assert_eq!(checkpoint.read_f32(name).expect("it is there"), [value]);
        }
        let tensors: Vec<&str> = checkpoint.tensors().map(|(name, _)| name).collect();
        assert_eq!(tensors, ["a", "b", "c"]);
    }
}

#[test]
fn the_preferred_file_is_taken_and_said() {
    let folder = sharded(INDEX);
    fs::copy(
        repository("weights/module.bin"),
        folder.path().join("pytorch_model.bin"),
    )
    .expect("it is writable");
    let taken = |folder: &TempDir| {
        let checkpoint = Checkpoint::open(folder.path()).expect("every one of them is well formed");
        names(&checkpoint)[0].to_owned()
    };
    assert_eq!(taken(&folder), "model.safetensors.index.json");
    scalars(&folder.path().join("model.safetensors"), &[("whole", 0.0)]);
    assert_eq!(taken(&folder), "model.safetensors");
    for name in ["model.safetensors", "model.safetensors.index.json"] {
        fs::remove_file(folder.path().join(name)).expect("it is there");
    }
    assert_eq!(taken(&folder), "pytorch_model.bin");
    let index = r#"{"weight_map": {"weight": "part.bin"}}"#;
    fs::write(folder.path().join("pytorch_model.bin.index.json"), index).expect("it is writable");
    fs::copy(
        repository("weights/parameter.bin"),
        folder.path().join("part.bin"),
    )
    .expect("it is writable");
    fs::remove_file(folder.path().join("pytorch_model.bin")).expect("it is there");
    assert_eq!(taken(&folder), "pytorch_model.bin.index.json");
}

#[test]
fn a_file_is_read_by_what_it_is_not_by_its_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    fs::copy(repository("weights/module.bin"), &path).expect("it is writable");
    assert_eq!(Checkpoint::open(&path).expect("it is PyTorch's").len(), 7);
    let plain = Checkpoint::open(&repository("weights/plain_pickle.bin"));
    let plain = plain.expect_err("torch.save did not write it");
    assert!(matches!(plain, Error::PyTorch { .. }), "{plain}");
}

#[test]
fn a_folder_without_weights_says_what_it_looked_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = Checkpoint::open(folder.path()).expect_err("it is empty");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let expected = format!(
        "{}: not found; looked in that folder for model.safetensors, \
         model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json, \
         model.bpk",
        folder.path().join("model.safetensors").display()
    );
    assert_eq!(error.to_string(), expected);
    let missing = Checkpoint::open(&folder.path().join("nowhere")).expect_err("it is missing");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn an_index_that_disagrees_with_its_shards_is_refused() {
    for (change, kind, expected) in [
        (
            ("\"c\": \"model-2", "\"d\": \"model-2"),
            ErrorKind::BadData,
            "places tensor \"d\" in \"model-2.safetensors\", which does not hold it",
        ),
        (
            ("\"b\": \"model-1.safetensors\", ", ""),
            ErrorKind::BadData,
            "does not place tensor \"b\" in \"model-1.safetensors\", which holds it",
        ),
        (
            ("model-2.safetensors", "../secret.safetensors"),
            ErrorKind::BadData,
            "places tensor \"c\" in \"../secret.safetensors\", \
             which is not a file name in the same folder",
        ),
        (
            ("model-2.safetensors", "/etc/passwd"),
            ErrorKind::BadData,
            "places tensor \"c\" in \"/etc/passwd\", which is not a file name in the same folder",
        ),
        (
            ("{", "["),
            ErrorKind::BadData,
            "is not valid JSON: expected `,` or `]`",
        ),
        (
            ("weight_map", "other"),
            ErrorKind::BadData,
            "has no `weight_map`",
        ),
        (
            ("model-2.safetensors", "model-3.safetensors"),
            ErrorKind::NotFound,
            "not found; ",
        ),
    ] {
        let folder = sharded(&INDEX.replacen(change.0, change.1, 1));
        let error = Checkpoint::open(folder.path()).expect_err("they disagree");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn a_missing_shard_is_named_with_its_index() {
    let folder = sharded(INDEX);
    fs::remove_file(folder.path().join("model-2.safetensors")).expect("it is there");
    let error = Checkpoint::open(folder.path()).expect_err("a shard is missing");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let expected = format!(
        "{}: not found; {} names it as a part of the weights",
        at("model-2.safetensors"),
        at("model.safetensors.index.json")
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let folder = sharded(INDEX);
    scalars(
        &folder.path().join("model-2.safetensors"),
        &[("b", 5.0), ("c", 3.0)],
    );
    let error = Checkpoint::open(folder.path()).expect_err("b is there twice");
    let expected = "does not place tensor \"b\" in \"model-2.safetensors\", which holds it";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn tensors_are_asked_for_by_name_and_type() {
    let folder = sharded(INDEX);
    let checkpoint = Checkpoint::open(folder.path()).expect("index and shards agree");
    let missing = checkpoint.read_f32("d").expect_err("there is no d");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(
        missing
            .to_string()
            .ends_with("index.json: holds no tensor \"d\""),
        "{missing}"
    );
    let wrong = checkpoint.read_i64("c").expect_err("c is a float");
    let expected = "model-2.safetensors: tensor \"c\" has elements of type F32, \
                    expected an integer type";
    assert!(wrong.to_string().ends_with(expected), "{wrong}");
}

#[test]
fn folders_devices_and_empty_files_are_not_weights() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("model.safetensors")).expect("it is writable");
    let directory = Checkpoint::open(folder.path()).expect_err("it is a folder");
    assert_eq!(directory.kind(), ErrorKind::BadData);
    assert!(
        directory.to_string().ends_with(": is a folder, not a file"),
        "{directory}"
    );
    let empty = folder.path().join("empty.safetensors");
    fs::write(&empty, b"").expect("it is writable");
    let error = Checkpoint::open(&empty).expect_err("it is empty");
    assert!(error.to_string().ends_with("it has 0 bytes"), "{error}");
    #[cfg(unix)]
    {
        let device = Checkpoint::open(Path::new("/dev/zero")).expect_err("it never ends");
        assert_eq!(device.kind(), ErrorKind::BadData);
        assert!(
            device
                .to_string()
                .ends_with(": is a pipe, a device or the like, not a file"),
            "{device}"
        );
    }
}

#[test]
fn a_golden_folder_is_opened_whole() {
    for path in ["goldens/convnext", "goldens/convnext/model.safetensors"] {
        let model = ModelFolder::open(&repository(path)).expect("it is a model folder");
        assert_eq!(model.processor, Some(HfProcessorConfig::default()));
        assert_eq!(names(&model.checkpoint), ["model.safetensors"]);
        let classifier = model.checkpoint.info("decode_head.classifier.bias");
        let labels = model.config.num_labels();
        assert_eq!(classifier.expect("every UPerNet has one").shape(), [labels]);
    }
}

#[test]
fn a_folder_that_lacks_a_part_names_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let error = ModelFolder::open(folder.path()).expect_err("it is empty");
    let expected = format!(
        "{}: not found; a model folder holds one beside its weights",
        at("config.json").display()
    );
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::NotFound, expected)
    );

    fs::copy(
        repository("goldens/convnext/config.json"),
        at("config.json"),
    )
    .expect("writable");
    let error = ModelFolder::open(folder.path()).expect_err("there are no weights");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("pytorch_model.bin"), "{error}");

    scalars(&at("model.safetensors"), &[("a", 1.0)]);
    let model = ModelFolder::open(folder.path()).expect("nothing that it must have is missing");
    assert_eq!(model.processor, None);

    fs::write(at("preprocessor_config.json"), "{").expect("writable");
    let error = ModelFolder::open(folder.path()).expect_err("the processor is malformed");
    assert!(
        error
            .to_string()
            .contains("preprocessor_config.json: is not valid JSON"),
        "{error}"
    );

    let missing = ModelFolder::open(&at("nowhere")).expect_err("there is no such folder");
    assert_eq!(
        missing.to_string(),
        format!("{}: not found; check the path", at("nowhere").display())
    );
}

#[test]
fn pages_that_were_given_back_are_read_again() {
    for path in ["tiny", "weights/module.bin"] {
        let checkpoint = Checkpoint::open(&repository(path)).expect("a good file");
        let (name, _) = checkpoint
            .tensors()
            .find(|(_, info)| info.dtype() == Dtype::F32)
            .expect("weights are f32");
        let before = checkpoint.read_f32(name).expect("there");
        checkpoint.release_pages();
        assert_eq!(checkpoint.read_f32(name).expect("still there"), before);
    }
}
