//! What is wrong with a dataset, and how to mend it.
//!
//! [`check`] reads every photo and mask of a dataset, several at a time and none kept, and [`Report`] lists
//! what is in them and what training would stumble over. [`check_folder`] also serves where
//! [`open`](crate::dataset::open) fails because nobody says what the ids mean: it proposes a label map.

mod checked;
mod inspect;
mod palette;
mod problem;
mod proposal;
mod report;
mod tally;

use std::path::Path;

pub use problem::{Problem, Severity};
pub use report::{Report, SplitSummary, ValueCount};

use crate::Error;
use crate::dataset::{Dataset, DatasetOptions, Found};

/// Checks splits of a dataset, all of them if `splits` is empty.
///
/// # Errors
///
/// Returns an error if there is no split of such a name. What is wrong with files is in the report.
///
/// ```
/// use upernet_data::{check, dataset::{self, DatasetOptions}};
/// use upernet_image::{LabelMap, Overwrite, Palette, image::RgbImage, write_label_png, write_png};
///
/// let folder = tempfile::tempdir()?;
/// for name in ["images", "masks"] {
///     std::fs::create_dir(folder.path().join(name))?;
/// }
/// write_png(folder.path().join("images/a.png"), &RgbImage::new(2, 1), Overwrite::Refuse)?;
/// let labels = LabelMap::new([1, 2], vec![1, 7])?;
/// write_label_png(folder.path().join("masks/a.png"), &labels, &Palette::generated(8), Overwrite::Refuse)?;
///
/// let options = DatasetOptions { num_classes: Some(2), ..DatasetOptions::default() };
/// let report = check::check(&dataset::open(folder.path(), &options)?, &[])?;
/// assert!(report.has_errors());
/// assert!(report.to_string().contains("error: id 7 is neither a class nor mapped to one (1 file: masks/a.png)"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(dataset: &Dataset, splits: &[&str]) -> Result<Report, Error> {
    for name in splits {
        dataset.files_of(name)?;
    }
    let wanted = |name: &str| splits.is_empty() || splits.contains(&name);
    Ok(tally::report(&dataset.found(), wanted))
}

/// Checks all splits of the dataset in a folder, even one whose classes cannot be settled.
///
/// # Errors
///
/// Returns an error if the folder has no known layout, or a file that says what the dataset is makes no
/// sense.
pub fn check_folder(path: impl AsRef<Path>, options: &DatasetOptions) -> Result<Report, Error> {
    Ok(tally::report(
        &Found::in_folder(path.as_ref(), options)?,
        |_| true,
    ))
}
