//! Where a run stands, and the list of a checkpoint's files.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use upernet::pixels::{Overwrite, write_atomically};

use super::{Counts, STATE};
use crate::{
    Error,
    folder::{self, failed},
};

/// Bytes that a state may have.
const LARGEST: u64 = 16 << 20;
/// What the folder's layout is called; another number is another layout.
const FORMAT: u32 = 1;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Steps done.
    pub step: u64,
    /// The best validation so far.
    pub best: Option<BestScore>,
    /// Validations since then.
    pub validations_since_best: u64,
    /// Seconds that steps took, over all processes of the run.
    pub seconds: f64,
    /// What a pixel of each class counts, if that was computed from the data.
    pub class_weights: Option<Vec<f32>>,
    /// Steps that the optimiser counts, by parameter.
    #[serde(default)]
    pub optimizer_counts: BTreeMap<String, u64>,
}

/// The best validation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestScore {
    /// Steps done before it.
    pub step: u64,
    /// Mean intersection over union, 0 to 1.
    pub mean_iou: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct StateFile {
    format: u32,
    state: RunState,
    files: BTreeMap<String, FileSum>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileSum {
    bytes: u64,
    sha256: String,
}

impl RunState {
    /// Writes the state, and the list of all other files, into `folder`.
    pub(super) fn write(&self, folder: &Path, counts: &Counts) -> Result<(), Error> {
        let mut files = BTreeMap::new();
        for file in folder::files(folder)? {
            files.insert(
                file.to_string_lossy().into_owned(),
                FileSum::of(&folder.join(file))?,
            );
        }
        let mut state = self.clone();
        state.optimizer_counts.clone_from(counts);
        let content = StateFile {
            format: FORMAT,
            state,
            files,
        };
        let path = folder.join(STATE);
        write_atomically(&path, Overwrite::Replace, |file| {
            serde_json::to_writer_pretty(file, &content).map_err(io::Error::from)
        })?;
        Ok(())
    }

    /// Reads the state and checks that every file is there, whole.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(STATE);
        let wrong = |path: &Path, problem: String| Error::Checkpoint {
            path: path.to_owned(),
            problem,
        };
        let file = File::open(&path).map_err(failed(&path, "open"))?;
        let bytes = file.metadata().map_err(failed(&path, "read"))?.len();
        if bytes > LARGEST {
            return Err(wrong(
                &path,
                format!("{bytes} bytes are no checkpoint's state"),
            ));
        }
        let content: StateFile = serde_json::from_reader(io::BufReader::new(file))
            .map_err(|error| wrong(&path, format!("not a checkpoint's state: {error}")))?;
        if content.format != FORMAT {
            let problem = format!("layout {} is not the one of this version", content.format);
            return Err(wrong(&path, problem));
        }
        for (name, expected) in &content.files {
            let path = folder.join(name);
            let found = FileSum::of(&path)?;
            if found.bytes != expected.bytes {
                let problem = format!("{} of {} bytes", found.bytes, expected.bytes);
                return Err(wrong(&path, problem));
            }
            if found != *expected {
                return Err(wrong(
                    &path,
                    "the bytes are not those that were written".to_owned(),
                ));
            }
        }
        Ok(content.state)
    }
}

impl FileSum {
    fn of(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(failed(path, "open"))?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = file.read(&mut buffer).map_err(failed(path, "read"))?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            bytes += count as u64;
        }
        let mut sha256 = String::with_capacity(64);
        for byte in hash.finalize() {
            write!(sha256, "{byte:02x}").expect("a string takes all text");
        }
        Ok(Self { bytes, sha256 })
    }
}
