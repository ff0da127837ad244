//! Divides a dataset without splits into some, by lot.

use std::fs;
use std::path::Path;

use rand::seq::SliceRandom;
use upernet_image::{Overwrite, write_atomically};

use super::split_files::{SPLITS, text_files};
use super::{DatasetOptions, Found};
use crate::{Error, random};

/// What the draw is for: no other draw under the same seed repeats it.
const STREAM: u64 = 0x0073_706c_6974;

/// Divides the photos of a dataset by lot and writes a list for each split, `splits/<name>.txt`, which
/// [`open`](super::open) then reads. Returns the number of photos in each.
///
/// `shares` are the names of the splits and how much of the whole each gets, in any unit. The same seed
/// gives the same splits. Photos without labels are in none. Pictures of one scene, such as frames of one
/// video, are not kept together; give those a split by hand.
///
/// # Errors
///
/// Returns an error if the folder has no known layout or one that is divided by folders or files of its
/// own, if a share is not positive or gives a split no photo, and, with [`Overwrite::Refuse`], if a list
/// is there already. A list in `splits/` of another name is never left beside new ones, nor removed.
///
/// ```
/// use upernet_data::dataset::{DatasetOptions, split_folder};
/// use upernet_image::{LabelMap, Overwrite, Palette, image::RgbImage, write_label_png, write_png};
///
/// let folder = tempfile::tempdir()?;
/// for name in ["images", "masks"] {
///     std::fs::create_dir(folder.path().join(name))?;
/// }
/// for name in ["a", "b", "c", "d", "e"] {
///     let [photo, mask] = ["images", "masks"].map(|kind| folder.path().join(format!("{kind}/{name}.png")));
///     write_png(photo, &RgbImage::new(2, 1), Overwrite::Refuse)?;
///     let labels = LabelMap::new([1, 2], vec![0, 1])?;
///     write_label_png(mask, &labels, &Palette::generated(2), Overwrite::Refuse)?;
/// }
/// let shares = [("train", 80.0), ("val", 20.0)];
/// let sizes = split_folder(folder.path(), &DatasetOptions::default(), &shares, 7, Overwrite::Refuse)?;
/// assert_eq!(sizes, [("train".to_owned(), 4), ("val".to_owned(), 1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn split_folder(
    path: impl AsRef<Path>,
    options: &DatasetOptions,
    shares: &[(&str, f64)],
    seed: u64,
    overwrite: Overwrite,
) -> Result<Vec<(String, usize)>, Error> {
    let found = Found::in_folder(path.as_ref(), options)?;
    let root = &found.layout.root;
    let Some(pool) = &found.contents.pool else {
        let problem =
            "is divided by its folders or files already; move the photos into one folder first";
        return Err(Error::Invalid {
            path: root.clone(),
            problem: problem.to_owned(),
        });
    };
    let folder = root.join(SPLITS);
    for (name, file) in text_files(&folder)? {
        if !shares.iter().any(|&(split, _)| split == name) {
            let problem =
                "is the list of another split; remove it first, or name that split too".to_owned();
            return Err(Error::Invalid {
                path: file,
                problem,
            });
        }
    }
    let mut names: Vec<&str> = pool.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.shuffle(&mut random(seed, STREAM, 0));
    let ends = ends(shares, names.len())?;
    let cause = |cause| Error::Io {
        path: folder.clone(),
        action: "make the folder",
        cause,
    };
    fs::create_dir_all(&folder).map_err(cause)?;
    let mut start = 0;
    let mut sizes = Vec::with_capacity(shares.len());
    for (&(split, _), end) in shares.iter().zip(ends) {
        let mut listed = names[start..end].to_vec();
        listed.sort_unstable();
        let text: String = listed.iter().flat_map(|name| [name, "\n"]).collect();
        write_atomically(folder.join(format!("{split}.txt")), overwrite, |file| {
            file.write_all(text.as_bytes())
        })?;
        sizes.push((split.to_owned(), end - start));
        start = end;
    }
    Ok(sizes)
}

/// Where in a list of `count` photos each split ends.
fn ends(shares: &[(&str, f64)], count: usize) -> Result<Vec<usize>, Error> {
    let invalid = |problem: String| Error::Setting {
        name: "shares",
        problem,
    };
    let sum: f64 = shares.iter().map(|&(_, share)| share).sum();
    let mut ends = Vec::with_capacity(shares.len());
    let mut given = 0.0;
    for &(split, share) in shares {
        let is_name = !split.is_empty()
            && split
                .chars()
                .all(|c| c.is_alphanumeric() || "-_".contains(c));
        if !is_name || shares.iter().filter(|&&(other, _)| other == split).count() > 1 {
            return Err(invalid(format!(
                "\"{split}\" cannot name a split, or is there twice; use letters, digits, - and _"
            )));
        }
        if !(share > 0.0 && sum.is_finite()) {
            return Err(invalid(format!(
                "\"{split}\" gets {share}; use positive numbers"
            )));
        }
        given += share;
        let end = rounded(given / sum * count as f64, count);
        if end == ends.last().copied().unwrap_or(0) {
            return Err(invalid(format!(
                "\"{split}\" gets none of {count} photos; give it a larger share"
            )));
        }
        ends.push(end);
    }
    if ends.is_empty() {
        return Err(invalid(
            "no split is named; name some, such as train and val".to_owned(),
        ));
    }
    Ok(ends)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the count before"
)]
fn rounded(place: f64, count: usize) -> usize {
    place.round().clamp(0.0, count as f64) as usize
}
