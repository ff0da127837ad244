//! Scenes as a dataset on disk.

#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde_json::{Map, Value, json};
use upernet_image::{
    Overwrite, Palette,
    image::{RgbImage, codecs::jpeg::JpegEncoder},
    write_atomically, write_label_png, write_png,
};

use super::{SceneOptions, class::class_names, render};
use crate::Error;

/// By this file a folder is known as one of [`write_dataset`].
const RECORD: &str = "synth.json";

/// JPEG's quality: at 95 its artefacts lie below the noise of the scenes.
const QUALITY: u8 = 95;

/// How photos are stored; masks are PNG always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PhotoFormat {
    /// Bit for bit what [`render`] gives.
    #[default]
    Png,
    /// Smaller by far, at quality 95.
    Jpeg,
}

/// Which scenes [`write_dataset`] writes, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DatasetOptions {
    /// What the scenes are like.
    pub scenes: SceneOptions,
    /// Number of scenes, training and validation together.
    pub count: usize,
    /// The seed of the scenes.
    pub seed: u64,
    /// Share of the scenes that is for validation, 0 to 1: the last ones.
    pub validation_share: f64,
    /// How photos are stored.
    pub photos: PhotoFormat,
    /// Whether a folder that this function has written before may be replaced.
    pub overwrite: Overwrite,
}

/// What [`write_dataset`] has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenDataset {
    /// Scenes in the split `training`.
    pub training: usize,
    /// Scenes in the split `validation`.
    pub validation: usize,
}

/// Writes scenes as a dataset laid out as ADE20K is: `images/<split>/*.png` (or `.jpg`),
/// `annotations/<split>/*.png` with the class id in each pixel, names in `id2label.json`, and what they
/// were made from in `synth.json`.
///
/// The splits are `training` and, if any scene is for it, `validation`. The dataset is made beside its
/// place and renamed at the end: at `out` there is all of it or nothing new. Scenes are drawn on all
/// threads of rayon's pool, and `written` is called after each.
///
/// # Errors
///
/// - [`Error::Setting`] if there are no scenes to write or the share is not within 0 to 1.
/// - [`Error::Invalid`] if there is something at `out` that may not be replaced: anything but an empty
///   folder with [`Overwrite::Refuse`], anything but an earlier dataset of this function otherwise.
/// - [`Error::Io`] or [`Error::Image`] if the file system refuses.
///
/// ```
/// use upernet_data::synth::{DatasetOptions, PhotoFormat, SceneOptions, write_dataset};
///
/// let folder = tempfile::tempdir()?;
/// let options = DatasetOptions {
///     scenes: SceneOptions::new([64, 80])?,
///     count: 3,
///     seed: 7,
///     validation_share: 0.3,
///     photos: PhotoFormat::Jpeg,
///     overwrite: Default::default(),
/// };
/// let written = write_dataset(folder.path().join("scenes"), &options, || {})?;
/// assert_eq!((written.training, written.validation), (2, 1));
/// assert!(folder.path().join("scenes/images/training/scene_000001.jpg").is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_dataset(
    out: impl AsRef<Path>,
    options: &DatasetOptions,
    written: impl Fn() + Sync,
) -> Result<WrittenDataset, Error> {
    let out = out.as_ref();
    let counts = options.counts()?;
    check_target(out, options.overwrite)?;
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(failed(&parent, "create"))?;
    let work = tempfile::Builder::new()
        .prefix(".upernet-synth-")
        .tempdir_in(&parent)
        .map_err(failed(&parent, "write to"))?;
    let made = work.path().join("new");
    fill(&made, options, counts, &written)?;
    if out.exists() {
        // Goes away with the folder for work.
        fs::rename(out, work.path().join("old")).map_err(failed(out, "replace"))?;
    }
    fs::rename(&made, out).map_err(failed(out, "create"))?;
    Ok(counts)
}

impl DatasetOptions {
    fn counts(&self) -> Result<WrittenDataset, Error> {
        if self.count == 0 {
            return Err(Error::Setting {
                name: "count",
                problem: "no scenes to write, use 1 or more".to_owned(),
            });
        }
        if !(0.0..=1.0).contains(&self.validation_share) {
            return Err(Error::Setting {
                name: "validation_share",
                problem: format!("{} is no share, use 0 to 1", self.validation_share),
            });
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count is a count"
        )]
        let validation = (self.count as f64 * self.validation_share).round() as usize;
        Ok(WrittenDataset {
            training: self.count - validation.min(self.count),
            validation: validation.min(self.count),
        })
    }
}

fn failed<'path>(
    path: &'path Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> Error + 'path {
    move |cause| Error::Io {
        path: path.to_path_buf(),
        action,
        cause,
    }
}

/// Whether `out` may become the dataset.
fn check_target(out: &Path, overwrite: Overwrite) -> Result<(), Error> {
    let Ok(mut entries) = fs::read_dir(out) else {
        return if out.symlink_metadata().is_ok() {
            Err(invalid(out, "is not a folder, name another place"))
        } else {
            Ok(())
        };
    };
    match overwrite {
        _ if entries.next().is_none() => Ok(()),
        Overwrite::Refuse => Err(invalid(
            out,
            "is not empty, name another folder or allow to replace it",
        )),
        Overwrite::Replace if out.join(RECORD).is_file() => Ok(()),
        Overwrite::Replace => Err(invalid(
            out,
            "holds something else than synthetic scenes and is not replaced, name another folder",
        )),
    }
}

fn invalid(path: &Path, problem: &str) -> Error {
    Error::Invalid {
        path: path.to_path_buf(),
        problem: problem.to_owned(),
    }
}

/// Writes everything into a folder that is not there yet.
fn fill(
    folder: &Path,
    options: &DatasetOptions,
    counts: WrittenDataset,
    written: &(impl Fn() + Sync),
) -> Result<(), Error> {
    let splits = [
        ("training", counts.training),
        ("validation", counts.validation),
    ];
    for (split, _) in splits.iter().filter(|(_, count)| *count > 0) {
        for kind in ["images", "annotations"] {
            let path = folder.join(kind).join(split);
            fs::create_dir_all(&path).map_err(failed(&path, "create"))?;
        }
    }
    (0..options.count).into_par_iter().try_for_each(|index| {
        let split = if index < counts.training {
            "training"
        } else {
            "validation"
        };
        write_scene(folder, split, options, index)?;
        written();
        Ok::<(), Error>(())
    })?;
    let names = class_names().into_iter().enumerate();
    let id2label: Map<String, Value> = names
        .map(|(id, name)| (id.to_string(), name.into()))
        .collect();
    write_json(&folder.join("id2label.json"), &Value::Object(id2label))?;
    let [height, width] = options.scenes.size();
    let record = json!({
        "generator": concat!("upernet-data ", env!("CARGO_PKG_VERSION")),
        "size": [height, width],
        "least_width": options.scenes.least_width(),
        "count": options.count,
        "seed": options.seed,
        "validation_share": options.validation_share,
    });
    write_json(&folder.join(RECORD), &record)
}

fn write_scene(
    folder: &Path,
    split: &str,
    options: &DatasetOptions,
    index: usize,
) -> Result<(), Error> {
    let scene = render(&options.scenes, options.seed, index as u64);
    let name = super::scenes::scene_name(index);
    let photos = folder.join("images").join(split);
    match options.photos {
        PhotoFormat::Png => write_png(
            photos.join(format!("{name}.png")),
            &scene.image,
            Overwrite::Refuse,
        )?,
        PhotoFormat::Jpeg => write_jpeg(&photos.join(format!("{name}.jpg")), &scene.image)?,
    }
    let mask = folder
        .join("annotations")
        .join(split)
        .join(format!("{name}.png"));
    write_label_png(mask, &scene.labels, &Palette::camvid(), Overwrite::Refuse)?;
    Ok(())
}

fn write_jpeg(path: &Path, photo: &RgbImage) -> Result<(), Error> {
    Ok(write_atomically(path, Overwrite::Refuse, |file| {
        let encoder = JpegEncoder::new_with_quality(file, QUALITY);
        photo
            .write_with_encoder(encoder)
            .map_err(std::io::Error::other)
    })?)
}

fn write_json(path: &Path, value: &Value) -> Result<(), Error> {
    Ok(write_atomically(path, Overwrite::Refuse, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })?)
}
