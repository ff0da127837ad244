//! Pictures of a run: curves over its steps, the confusion matrix of its classes, what it predicted.
//!
//! - [`curves()`] draws panels of series above one another, over one axis of steps.
//! - [`confusion()`] draws which class was taken for which.
//! - [`sample_sheet()`] lays photos beside what is known and what was predicted of them.
//!
//! All three return a picture; [`upernet_image::write_png`] makes a file of it. Nothing here fails: values
//! that cannot be drawn leave a gap, and a chart without values says so. The colours of series are those
//! of Okabe and Ito, *Color Universal Design* (2008), <https://jfly.uni-koeln.de/color/>, told apart with
//! every kind of colour vision.

mod axis;
mod canvas;
mod color;
mod confusion;
mod curves;
mod legend;
mod letters;
mod sample_sheet;
mod trace;

pub use axis::AxisScale;
pub use confusion::{ConfusionChart, confusion};
pub use curves::{CurveChart, Panel, Series, SeriesStyle, curves};
pub use sample_sheet::{SampleRow, SampleSheet, sample_sheet};
