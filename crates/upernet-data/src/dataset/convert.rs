//! Any dataset as `images/<split>/` and `annotations/<split>/` with indexed masks: the layout that every
//! tool reads.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use upernet_image::{
    Overwrite, Palette, palette_for, write_atomically, write_label_png, write_png,
};

use super::{Dataset, Split};
use crate::{Error, Sample, SampleSource};

const IMAGES: &str = "images";
const ANNOTATIONS: &str = "annotations";
const NAMES: &str = "id2label.json";

/// Writes all splits of a dataset in ADE20K's layout: photos as they are, byte for byte, masks as indexed
/// PNG of class ids with a palette, names in `id2label.json`. Returns the number of samples in each split.
///
/// The folder is there whole or not at all. With [`Overwrite::Replace`] it takes the place of one that was
/// written by this function, never of another.
///
/// # Errors
///
/// Returns the error of the first sample that cannot be read, and an error if the folder is there already
/// or cannot be written.
pub fn convert(
    dataset: &Dataset,
    out: impl AsRef<Path>,
    overwrite: Overwrite,
) -> Result<Vec<(String, usize)>, Error> {
    let splits = dataset
        .splits()
        .into_iter()
        .map(|name| dataset.split(name))
        .collect::<Result<Vec<Split>, Error>>()?;
    write_folder(out.as_ref(), overwrite, dataset.class_names(), |folder| {
        for split in &splits {
            let copy = |index: usize, _: &Sample, target: &Path| {
                let source = split.image_path(index);
                let target =
                    with_extension(target, source.extension().unwrap_or_default().as_ref());
                let copied = fs::copy(source, &target).map(drop);
                copied.map_err(|cause| Error::Io {
                    path: source.to_path_buf(),
                    action: "copy",
                    cause,
                })
            };
            write_split(folder, split.split_name(), split, copy)?;
        }
        Ok(splits
            .iter()
            .map(|split| (split.split_name().to_owned(), split.len()))
            .collect())
    })
}

/// Writes samples of any origin in the same layout, photos as PNG; all must have the same classes.
///
/// # Errors
///
/// As [`convert`], and an error if the classes differ.
///
/// ```
/// use upernet_data::{Error, Sample, SampleSource, dataset};
/// use upernet_image::{LabelMap, Overwrite, image::RgbImage};
///
/// struct Plain([String; 1]);
/// impl SampleSource for Plain {
///     fn len(&self) -> usize { 2 }
///     fn class_names(&self) -> &[String] { &self.0 }
///     fn name(&self, index: usize) -> String { format!("scene_{index}") }
///     fn read(&self, _: usize) -> Result<Sample, Error> {
///         Ok(Sample { image: RgbImage::new(3, 2), labels: LabelMap::new([2, 3], vec![0; 6])? })
///     }
/// }
/// let folder = tempfile::tempdir()?;
/// let out = folder.path().join("scenes");
/// dataset::write_samples(&[("train", &Plain(["road".to_owned()]))], &out, Overwrite::Refuse)?;
/// let written = dataset::open(&out, &dataset::DatasetOptions::default())?;
/// assert_eq!((written.class_names(), written.split("train")?.len()), (&["road".to_owned()][..], 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_samples(
    splits: &[(&str, &dyn SampleSource)],
    out: impl AsRef<Path>,
    overwrite: Overwrite,
) -> Result<Vec<(String, usize)>, Error> {
    let classes = splits
        .first()
        .map(|(_, source)| source.class_names())
        .unwrap_or_default();
    if splits
        .iter()
        .any(|(_, source)| source.class_names() != classes)
    {
        let problem =
            "the splits have different classes; write each to a folder of its own".to_owned();
        return Err(Error::Setting {
            name: "splits",
            problem,
        });
    }
    write_folder(out.as_ref(), overwrite, classes, |folder| {
        for (name, source) in splits {
            let encode = |_: usize, sample: &Sample, target: &Path| {
                Ok(write_png(
                    with_extension(target, Path::new("png")),
                    &sample.image,
                    Overwrite::Refuse,
                )?)
            };
            write_split(folder, name, *source, encode)?;
        }
        Ok(splits
            .iter()
            .map(|(name, source)| ((*name).to_owned(), source.len()))
            .collect())
    })
}

/// Fills a folder beside its place and then moves it there.
fn write_folder<T>(
    out: &Path,
    overwrite: Overwrite,
    classes: &[String],
    fill: impl FnOnce(&Path) -> Result<T, Error>,
) -> Result<T, Error> {
    check_place(out, overwrite)?;
    let parent = out
        .parent()
        .filter(|parent| *parent != Path::new(""))
        .unwrap_or(Path::new("."));
    let failed = |cause| Error::Io {
        path: out.to_path_buf(),
        action: "write",
        cause,
    };
    fs::create_dir_all(parent).map_err(failed)?;
    let temporary = folder_beside(parent).map_err(failed)?;
    let new = temporary.path().join("new");
    fs::create_dir(&new).map_err(failed)?;
    let result = fill(&new)?;
    let names = id2label(classes);
    write_atomically(new.join(NAMES), Overwrite::Refuse, |file| {
        file.write_all(names.as_bytes())
    })?;
    check_place(out, overwrite)?;
    if out.exists() {
        fs::rename(out, temporary.path().join("old")).map_err(failed)?;
    }
    fs::rename(&new, out).map_err(failed)?;
    Ok(result)
}

/// A folder that is removed with all that is still in it.
fn folder_beside(parent: &Path) -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(".upernet.tmp-")
        .tempdir_in(parent)
}

/// Refuses a place that is taken, and ever to remove what was not written here.
fn check_place(out: &Path, overwrite: Overwrite) -> Result<(), Error> {
    if !out.exists() {
        return Ok(());
    }
    if overwrite == Overwrite::Refuse {
        return Err(upernet_image::Error::AlreadyExists {
            path: out.to_path_buf(),
        }
        .into());
    }
    let failed = |cause| Error::Io {
        path: out.to_path_buf(),
        action: "list",
        cause,
    };
    let own = [IMAGES, ANNOTATIONS, NAMES];
    for entry in fs::read_dir(out).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !own.iter().any(|name| entry.file_name() == *name) {
            let problem =
                "is not of a converted dataset, so its folder is not replaced; choose another one"
                    .to_owned();
            return Err(Error::Invalid {
                path: entry.path(),
                problem,
            });
        }
    }
    Ok(())
}

/// Writes photos and masks of a split, several at a time.
fn write_split(
    folder: &Path,
    split: &str,
    source: &dyn SampleSource,
    write_photo: impl Fn(usize, &Sample, &Path) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let palette = palette_for(source.class_names());
    let split = relative(split)?;
    let targets = targets(source)?;
    let roots = [IMAGES, ANNOTATIONS].map(|kind| folder.join(kind).join(&split));
    for root in &roots {
        let folders: HashSet<&Path> = targets
            .iter()
            .filter_map(|target| target.parent())
            .collect();
        for folder in folders
            .into_iter()
            .map(|folder| root.join(folder))
            .chain([root.clone()])
        {
            fs::create_dir_all(&folder).map_err(|cause| Error::Io {
                path: folder,
                action: "make",
                cause,
            })?;
        }
    }
    let [images, annotations] = roots;
    targets
        .par_iter()
        .enumerate()
        .try_for_each(|(index, target)| {
            let sample = source.read(index)?;
            write_photo(index, &sample, &images.join(target))?;
            write_mask(&sample, &annotations.join(target), &palette)
        })
}

fn write_mask(sample: &Sample, target: &Path, palette: &Palette) -> Result<(), Error> {
    Ok(write_label_png(
        with_extension(target, Path::new("png")),
        &sample.labels,
        palette,
        Overwrite::Refuse,
    )?)
}

/// Where each sample goes, relative to its split.
fn targets(source: &dyn SampleSource) -> Result<Vec<PathBuf>, Error> {
    let targets = (0..source.len())
        .map(|index| relative(&source.name(index)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::new();
    match targets.iter().find(|target| !seen.insert(*target)) {
        None => Ok(targets),
        Some(twice) => Err(Error::Invalid {
            path: twice.clone(),
            problem: "two samples of a split are called so; rename one".to_owned(),
        }),
    }
}

/// Accepts names that stay below the folder they are put in.
fn relative(name: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(name);
    let is_inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if is_inside && !name.is_empty() {
        return Ok(path);
    }
    Err(Error::Invalid {
        path,
        problem: "cannot be a file in the new folder; rename it".to_owned(),
    })
}

/// Adds an extension; names may have dots of their own, which stay.
fn with_extension(target: &Path, extension: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// The names as Hugging Face writes them, in the order of the ids.
fn id2label(classes: &[String]) -> String {
    let lines: Vec<String> = classes
        .iter()
        .enumerate()
        .map(|(id, name)| format!(" \"{id}\": {}", serde_json::Value::from(name.as_str())))
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}
