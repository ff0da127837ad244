//! The log of a run, as CSV for spreadsheets and JSON lines for programs.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use upernet::pixels::{Overwrite, write_atomically};

use crate::{Error, folder::failed};

/// Bytes of a log that are read back.
const LARGEST: u64 = 1 << 30;
const CSV: &str = "metrics.csv";
const JSON_LINES: &str = "metrics.jsonl";

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// Means over the steps since the line before.
    Train(TrainEntry),
    /// Scores of a validation.
    Validation(ValidationEntry),
}

/// Means over some steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainEntry {
    /// Steps done.
    pub step: u64,
    /// Passes over the data so far.
    pub epoch: f64,
    /// The loss.
    pub loss: f64,
    /// Named parts of it.
    pub parts: Vec<(String, f64)>,
    /// The base learning rate of the last step.
    pub learning_rate: f64,
    /// Norm of all gradients together, before it is clipped.
    pub gradient_norm: f64,
    /// Images a second.
    pub images_per_second: f64,
    /// Seconds of a step that the model waited for data.
    pub data_seconds: f64,
    /// Seconds of a step for the loss.
    pub forward_seconds: f64,
    /// Seconds of a step for the gradients.
    pub backward_seconds: f64,
    /// Seconds of a step for the update.
    pub update_seconds: f64,
}

/// Scores of a validation; those of mmsegmentation's convention, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidationEntry {
    /// Steps done.
    pub step: u64,
    /// Mean intersection over union.
    pub mean_iou: f64,
    /// Mean accuracy over classes.
    pub mean_accuracy: f64,
    /// Share of pixels that are right.
    pub pixel_accuracy: f64,
    /// Images scored.
    pub images: usize,
    /// Seconds it took.
    pub seconds: f64,
}

impl Entry {
    /// Steps done.
    #[must_use]
    pub fn step(&self) -> u64 {
        match self {
            Self::Train(entry) => entry.step,
            Self::Validation(entry) => entry.step,
        }
    }
}

/// The log of a run folder.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    entries: Vec<Entry>,
}

impl Journal {
    /// Takes up the log of `folder`, of which what comes after `step` is forgotten.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] names the file.
    pub fn open(folder: &Path, step: u64) -> Result<Self, Error> {
        let path = folder.join(JSON_LINES);
        let text = match fs::metadata(&path) {
            Ok(metadata) if metadata.len() <= LARGEST => {
                fs::read_to_string(&path).map_err(failed(&path, "read"))?
            }
            _ => String::new(),
        };
        // A process that is killed may leave half a line.
        let entries = text
            .lines()
            .map_while(|line| serde_json::from_str(line).ok());
        let entries = entries.filter(|entry: &Entry| entry.step() <= step);
        let journal = Self {
            folder: folder.to_owned(),
            entries: entries.collect(),
        };
        journal.rewrite()?;
        Ok(journal)
    }

    /// Adds a line.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] names the file.
    pub fn add(&mut self, entry: Entry) -> Result<(), Error> {
        self.append(CSV, &csv_line(&entry))?;
        self.append(JSON_LINES, &json_line(&entry))?;
        self.entries.push(entry);
        Ok(())
    }

    /// All lines.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn append(&self, name: &str, line: &str) -> Result<(), Error> {
        let path = self.folder.join(name);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let mut file = file.map_err(failed(&path, "open"))?;
        file.write_all(line.as_bytes())
            .map_err(failed(&path, "write"))
    }

    fn rewrite(&self) -> Result<(), Error> {
        let write = |name: &str, head: &str, line: fn(&Entry) -> String| {
            let path = self.folder.join(name);
            write_atomically(&path, Overwrite::Replace, |file| {
                file.write_all(head.as_bytes())?;
                self.entries
                    .iter()
                    .try_for_each(|entry| file.write_all(line(entry).as_bytes()))
            })
        };
        write(CSV, HEAD, csv_line)?;
        write(JSON_LINES, "", json_line)?;
        Ok(())
    }
}

const HEAD: &str = "kind,step,epoch,loss,learning_rate,gradient_norm,images_per_second,data_seconds,\
    forward_seconds,backward_seconds,update_seconds,mean_iou,mean_accuracy,pixel_accuracy,images,seconds\n";

fn csv_line(entry: &Entry) -> String {
    let mut line = String::new();
    let written: Result<(), std::fmt::Error> = match entry {
        Entry::Train(entry) => writeln!(
            line,
            "train,{},{},{},{},{},{},{},{},{},{},,,,,",
            entry.step,
            entry.epoch,
            entry.loss,
            entry.learning_rate,
            entry.gradient_norm,
            entry.images_per_second,
            entry.data_seconds,
            entry.forward_seconds,
            entry.backward_seconds,
            entry.update_seconds
        ),
        Entry::Validation(entry) => writeln!(
            line,
            "validation,{},,,,,,,,,,{},{},{},{},{}",
            entry.step,
            entry.mean_iou,
            entry.mean_accuracy,
            entry.pixel_accuracy,
            entry.images,
            entry.seconds
        ),
    };
    written.expect("a string takes all text");
    line
}

fn json_line(entry: &Entry) -> String {
    let text = serde_json::to_string(entry).map_err(io::Error::from);
    let mut line = text.expect("numbers and names are JSON");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(step: u64) -> Entry {
        Entry::Train(TrainEntry {
            step,
            loss: 0.5,
            ..TrainEntry::default()
        })
    }

    #[test]
    fn what_comes_after_the_checkpoint_is_forgotten() {
        let work = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(work.path(), 0).unwrap();
        for step in [10, 20, 30] {
            journal.add(entry(step)).unwrap();
        }
        // Killed in the middle of a line.
        journal.append(JSON_LINES, "{\"kind\":\"tr").unwrap();
        let mut journal = Journal::open(work.path(), 20).unwrap();
        assert_eq!(journal.entries(), [entry(10), entry(20)]);
        journal
            .add(Entry::Validation(ValidationEntry::default()))
            .unwrap();
        let csv = fs::read_to_string(work.path().join(CSV)).unwrap();
        assert_eq!(csv.lines().count(), 4);
        let columns = |line: &str| line.split(',').count();
        assert!(
            csv.lines().all(|line| columns(line) == columns(HEAD)),
            "{csv}"
        );
    }
}
