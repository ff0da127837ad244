//! Which files each photo gives, checked before any work is done.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
};

use crate::{cli::SegmentArgs, failure::Failure};

/// A photo and the files it gives.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) input: &'a Path,
    pub(super) mask: PathBuf,
    pub(super) overlay: PathBuf,
    /// Only if the logits were asked for.
    pub(super) logits: Option<PathBuf>,
}

/// All photos that are to be segmented.
#[derive(Debug)]
pub(super) struct Plan {
    /// Their paths alone, since there may be millions.
    pub(super) photos: Vec<PathBuf>,
    /// Photos passed over because their results are there.
    pub(super) done: usize,
}

impl Plan {
    /// Checks that no result would replace another, a photo, or, unasked, a file that is there.
    pub(super) fn new(args: &SegmentArgs, mut photos: Vec<PathBuf>) -> Result<Self, Failure> {
        check_distinct(&photos, &args.out)?;
        check_photos_survive(&photos, &args.out)?;
        check_folder(&args.out)?;
        let total = photos.len();
        if args.skip_existing {
            photos.retain(|photo| !Work::new(photo, args).files().all(is_there));
        } else if !args.force {
            check_nothing_there(&photos, args)?;
        }
        Ok(Self {
            done: total - photos.len(),
            photos,
        })
    }

    /// Fails if not one photo is there: no model need be loaded to say so.
    pub(super) fn check_any_exists(&self) -> Result<(), Failure> {
        match self.photos.first() {
            Some(first) if !self.photos.iter().any(is_there) => {
                let more = and_more(self.photos.len());
                let first = first.display();
                Err(Failure::NotFound(format!("{first}: no such file{more}")))
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(input: &'a Path, args: &SegmentArgs) -> Self {
        let path = |suffix: &str| args.out.join(file_name(input, suffix));
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
    // Hashes stand for names, of which there may be millions; names that share one are compared.
    let hasher = RandomState::new();
    let mut owners: HashMap<u64, usize> = HashMap::with_capacity(2 * photos.len());
    for (index, photo) in photos.iter().enumerate() {
        for name in mask_and_overlay(photo) {
            let Some(other) = owners.insert(hasher.hash_one(&name), index) else {
                continue;
            };
            let other = &photos[other];
            if mask_and_overlay(other).contains(&name) {
                let (other, photo) = (other.display(), photo.display());
                let file = out.join(name);
                return Err(Failure::Usage(format!(
                    "{other} and {photo} would both be written to {}; segment them into different \
                     folders",
                    file.display()
                )));
            }
        }
    }
    Ok(())
}

fn mask_and_overlay(photo: &Path) -> [OsString; 2] {
    [".png", "_overlay.png"].map(|suffix| file_name(photo, suffix))
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
    if inside.is_empty() {
        return Ok(());
    }
    let mut results = photos.iter().flat_map(|photo| mask_and_overlay(photo));
    match results.find_map(|name| inside.get(name.as_os_str())) {
        None => Ok(()),
        Some(photo) => Err(Failure::Usage(format!(
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

fn check_nothing_there(photos: &[PathBuf], args: &SegmentArgs) -> Result<(), Failure> {
    let (mut first, mut count) = (None, 0);
    for photo in photos {
        let work = Work::new(photo, args);
        for file in work.files().filter(|file| is_there(file)) {
            count += 1;
            first.get_or_insert_with(|| file.clone());
        }
    }
    let Some(first) = first else {
        return Ok(());
    };
    let (first, more) = (first.display(), and_more(count));
    Err(Failure::Failed(format!(
        "{first}: already exists{more}; use --force to replace results, --skip-existing to keep them"
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
