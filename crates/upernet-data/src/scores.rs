//! How good predicted labels are.
//!
//! A [`ConfusionMatrix`] counts pixels, image by image; [`Scores`] are what it says under a
//! [`Convention`], which is printed with them: the same matrix has several mIoUs.
//! [`BoundaryIou`] looks at the pixels near the outlines alone.
//!
//! ```
//! use upernet_data::{pixels::LabelMap, scores::{ConfusionMatrix, Convention, Scores}};
//!
//! let truth = LabelMap::new([2, 3], vec![0, 0, 1, 1, 2, 255])?;
//! let predicted = LabelMap::new([2, 3], vec![0, 1, 1, 1, 2, 0])?;
//! let mut matrix = ConfusionMatrix::new(3)?;
//! matrix.add(&truth, &predicted)?;
//!
//! let scores = Scores::new(&matrix, Convention::default());
//! // IoU 1/2, 2/3 and 1/1; the pixel marked 255 does not count.
//! assert_eq!(scores.mean_iou, Some((1.0 / 2.0 + 2.0 / 3.0 + 1.0) / 3.0));
//! assert_eq!(scores.accuracy, Some(4.0 / 5.0));
//! let names = ["sky", "road", "car"].map(String::from);
//! assert!(scores.table(&names).to_string().contains("mIoU 72.22 %"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod boundary;
mod confusion;
mod convention;
mod summary;
mod table;

pub use boundary::{BoundaryIou, BoundaryScores};
pub use confusion::ConfusionMatrix;
pub use convention::{AbsentClasses, Convention, Resolution};
pub use summary::{ClassScores, Scores};
pub use table::ScoreTable;
