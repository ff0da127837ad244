//! Running the command, and files to run it on.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use tempfile::TempDir;

/// How a run of the command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The JSON document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that it did what it was asked for.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Asserts that it ended with `code`, nothing on stdout, and one line on stderr with `needle`.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, needle: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "nothing was done");
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(
            self.stderr.starts_with("error: ") && self.stderr.contains(needle),
            "{self:?}"
        );
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Starts the command, and leaves it running.
pub(crate) fn start(arguments: &[String]) -> Child {
    command()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The command, with no hub to go to.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upernet"));
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HUB_CACHE", "no/such/cache");
    command
}

/// Runs the command to its end.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ended {
    command().args(args).output().unwrap().into()
}

/// A file of the repository's test data.
pub(crate) fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata")
        .join(path)
}

/// The tiny model's folder, as an argument.
pub(crate) fn tiny() -> String {
    text(&testdata("tiny"))
}

/// The tiny model's photo, as an argument.
pub(crate) fn photo() -> String {
    text(&testdata("tiny/photo.jpg"))
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Everything below a folder, by name; empty if there is no folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

/// A folder to work in.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn arg(&self, name: &str) -> String {
        text(&self.path(name))
    }

    /// Writes a file and returns it as an argument.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        text(&path)
    }

    /// Copies the photo and returns the copy as an argument.
    pub(crate) fn photo(&self, name: &str) -> String {
        self.file(name, &fs::read(photo()).unwrap())
    }

    /// Copies a model folder, its config changed, and returns the copy as an argument.
    pub(crate) fn model(&self, from: &str, change: impl FnOnce(&mut Value)) -> String {
        let from = testdata(from);
        for name in ["model.safetensors", "preprocessor_config.json"] {
            self.file(
                &format!("model/{name}"),
                &fs::read(from.join(name)).unwrap(),
            );
        }
        let config = fs::read(from.join("config.json")).unwrap();
        let mut config: Value = serde_json::from_slice(&config).unwrap();
        change(&mut config);
        self.file("model/config.json", config.to_string().as_bytes());
        self.arg("model")
    }
}

/// A tensor of a safetensors file: type, shape, bytes.
pub(crate) type Stored = (Dtype, Vec<usize>, Vec<u8>);

pub(crate) fn read_tensors(path: &Path) -> BTreeMap<String, Stored> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let stored = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    file.tensors()
        .into_iter()
        .map(|(name, view)| (name, stored(view)))
        .collect()
}

pub(crate) fn write_tensors(tensors: &BTreeMap<String, Stored>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect()
}

/// Colour type and samples of a PNG, as they are in the file.
pub(crate) fn png_samples(path: &Path) -> (png::ColorType, Vec<u8>) {
    let file = std::io::BufReader::new(fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut samples = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut samples).unwrap();
    (reader.info().color_type, samples)
}

/// The class ids of a mask that the command wrote.
pub(crate) fn mask(path: &Path) -> Vec<u8> {
    let (color_type, samples) = png_samples(path);
    assert_eq!(color_type, png::ColorType::Indexed, "{}", path.display());
    samples
}

/// The class ids that PyTorch gives the photo.
pub(crate) fn pytorchs_mask() -> Vec<u8> {
    png_samples(&testdata("tiny/photo_mask.png")).1
}
