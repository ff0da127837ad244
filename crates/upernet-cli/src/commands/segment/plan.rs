//! Which files each photo gives, checked before any work is done.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use crate::{cli::SegmentArgs, failure::Failure};

/// A photo and the files it gives.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) input: PathBuf,
    pub(super) mask: PathBuf,
    pub(super) overlay: PathBuf,
    /// Only if the logits were asked for.
    pub(super) logits: Option<PathBuf>,
}

/// All photos that are to be segmented.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) work: Vec<Work>,
    /// Photos passed over because their results are there.
    pub(super) done: usize,
}

impl Plan {
    /// Checks that no result would replace another, a photo, or, unasked, a file that is there.
    pub(super) fn new(args: &SegmentArgs, photos: Vec<PathBuf>) -> Result<Self, Failure> {
        check_distinct(&photos, &args.out)?;
        check_photos_survive(&photos, &args.out)?;
        check_folder(&args.out)?;
        let total = photos.len();
        let mut work: Vec<Work> = photos
            .into_iter()
            .map(|input| Work::new(input, args))
            .collect();
        if args.skip_existing {
            work.retain(|work| !work.files().all(is_there));
        } else if !args.force {
            check_nothing_there(&work)?;
        }
        Ok(Self {
            done: total - work.len(),
            work,
        })
    }

    /// Fails if not one photo is there: no model need be loaded to say so.
    pub(super) fn check_any_exists(&self) -> Result<(), Failure> {
        match self.work.first() {
            Some(first) if !self.work.iter().any(|work| is_there(&work.input)) => {
                let more = and_more(self.work.len());
                Err(Failure::NotFound(format!(
                    "{}: no such file{more}",
                    first.input.display()
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Work {
    fn new(input: PathBuf, args: &SegmentArgs) -> Self {
        let path = |suffix: &str| args.out.join(file_name(&input, suffix));
        Self {
            mask: path(".png"),
            overlay: path("_overlay.png"),
            logits: args.save.map(|_| path(".safetensors")),
            input,
        }
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.mask, &self.overlay].into_iter().chain(&self.logits)
    }
}

fn stem(input: &Path) -> &OsStr {
    input.file_stem().unwrap_or(input.as_os_str())
}

fn file_name(input: &Path, suffix: &str) -> OsString {
    let mut name = stem(input).to_owned();
    name.push(suffix);
    name
}

/// Two photos with one name would write one file; so would `a_overlay.jpg` and the overlay of `a.jpg`.
fn check_distinct(photos: &[PathBuf], out: &Path) -> Result<(), Failure> {
    let mut owners: HashMap<OsString, &Path> = HashMap::with_capacity(2 * photos.len());
    for photo in photos {
        for suffix in [".png", "_overlay.png"] {
            let name = file_name(photo, suffix);
            let file = out.join(&name);
            if let Some(other) = owners.insert(name, photo) {
                return Err(Failure::Usage(format!(
                    "{} and {} would both be written to {}; segment them into different folders",
                    other.display(),
                    photo.display(),
                    file.display()
                )));
            }
        }
    }
    Ok(())
}

/// With `--force`, a mask could replace the very photo it is made from.
fn check_photos_survive(photos: &[PathBuf], out: &Path) -> Result<(), Failure> {
    let Ok(out_folder) = out.canonicalize() else {
        return Ok(());
    };
    let mut folders: HashMap<&Path, bool> = HashMap::new();
    let mut inside: HashMap<&OsStr, &Path> = HashMap::new();
    for photo in photos {
        let folder = match photo.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let is_out = *folders.entry(folder).or_insert_with(|| {
            folder
                .canonicalize()
                .is_ok_and(|folder| folder == out_folder)
        });
        if is_out && let Some(name) = photo.file_name() {
            inside.insert(name, photo);
        }
    }
    let results = photos.iter().flat_map(|photo| {
        [".png", "_overlay.png", ".safetensors"].map(|suffix| file_name(photo, suffix))
    });
    let replaced: HashSet<OsString> = results.collect();
    match inside.iter().find(|(name, _)| replaced.contains(**name)) {
        None => Ok(()),
        Some((_, photo)) => Err(Failure::Usage(format!(
            "{}: a result would replace this photo; choose another folder than {}",
            photo.display(),
            out.display()
        ))),
    }
}

/// The folder must be one, or something that can be made, and writable.
fn check_folder(out: &Path) -> Result<(), Failure> {
    let refuse = |path: &Path, problem: &str| {
        Err(Failure::Failed(format!(
            "{}: {problem}; choose another --out",
            path.display()
        )))
    };
    let there = out
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok());
    let there = there.unwrap_or(Path::new("."));
    if !there.is_dir() {
        return refuse(there, "is not a folder");
    }
    match tempfile::tempfile_in(there) {
        Ok(_) => Ok(()),
        Err(error) => refuse(there, &format!("cannot be written to: {error}")),
    }
}

fn check_nothing_there(work: &[Work]) -> Result<(), Failure> {
    let mut there = work
        .iter()
        .flat_map(Work::files)
        .filter(|file| is_there(file));
    let Some(first) = there.next() else {
        return Ok(());
    };
    let more = and_more(1 + there.count());
    Err(Failure::Failed(format!(
        "{}: already exists{more}; use --force to replace results, --skip-existing to keep them",
        first.display()
    )))
}

fn and_more(count: usize) -> String {
    if count > 1 {
        format!(", and {} more", count - 1)
    } else {
        String::new()
    }
}

fn is_there(path: &PathBuf) -> bool {
    fs::symlink_metadata(path).is_ok()
}
