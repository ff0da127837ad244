//! Which class was taken for which.

mod labels;
mod layout;
mod matrix;

use upernet_image::image::RgbImage;

use super::{
    canvas::{Area, Canvas},
    color::{self, GRID, MUTED, WHITE},
    legend::level,
    letters::Align,
};
use layout::{LABEL_SIZE, Layout};
use matrix::Matrix;

/// A confusion matrix.
///
/// What is missing counts as zero: a row may be shorter than others, a class may have no name.
#[derive(Clone, Copy, Debug)]
pub struct ConfusionChart<'a> {
    /// Names of the classes, from class 0 on.
    pub class_names: &'a [String],
    /// For each true class, the pixels that were predicted as each class.
    pub rows: &'a [Vec<u64>],
}

/// Draws a confusion matrix as a heat map: a row for each true class, a column for each predicted one.
///
/// Every row is divided by its sum, so the diagonal shows each class's accuracy. Colours follow the
/// square root of the share: confusions of a few percent, which matter, would be white otherwise. Up to
/// 40 classes are named, with their percentages in the cells; more are numbered. Rows of classes without
/// pixels are grey.
///
/// ```
/// use upernet_train::plots::{ConfusionChart, confusion};
///
/// let picture = confusion(&ConfusionChart {
///     class_names: &["road".to_owned(), "sky".to_owned()],
///     rows: &[vec![90, 10], vec![1, 199]],
/// });
/// assert!(picture.width() > 200);
/// ```
#[must_use]
pub fn confusion(chart: &ConfusionChart<'_>) -> RgbImage {
    let matrix = Matrix::new(chart);
    let layout = Layout::new(&matrix);
    let mut canvas = Canvas::new(layout.width, layout.height);
    labels::heading(&mut canvas, &matrix, layout.width);
    cells(&mut canvas, &matrix, &layout);
    labels::classes(&mut canvas, &matrix, &layout);
    labels::axis_titles(&mut canvas, &layout);
    labels::bar(&mut canvas, &layout);
    canvas.into_picture()
}

fn cells(canvas: &mut Canvas, matrix: &Matrix, layout: &Layout) {
    for (row, shares) in matrix.shares.iter().enumerate() {
        let whole = Area {
            top: layout.cells.top + row as f32 * layout.cell,
            height: layout.cell - layout.gap,
            ..layout.cells
        };
        let Some(shares) = shares else {
            canvas.fill(whole, GRID);
            if layout.named {
                let words = level(whole.center(), Align::Middle, layout.digits, MUTED);
                canvas.words("no pixels", words);
            }
            continue;
        };
        canvas.fill(whole, color::share_color(0.0));
        for (column, &share) in shares.iter().enumerate() {
            cell(canvas, layout, [row, column], share);
        }
    }
    if matrix.names.is_empty() {
        let words = level(layout.cells.center(), Align::Middle, LABEL_SIZE, MUTED);
        canvas.words("no classes", words);
        return;
    }
    for column in 1..=matrix.names.len() {
        let line = Area {
            left: layout.cells.left + column as f32 * layout.cell - layout.gap,
            width: layout.gap,
            ..layout.cells
        };
        canvas.fill(line, WHITE);
    }
}

fn cell(canvas: &mut Canvas, layout: &Layout, [row, column]: [usize; 2], share: f32) {
    // Most of a large matrix is zero, and has its colour by now.
    if share <= 0.0 {
        return;
    }
    let area = Area {
        left: layout.cells.left + column as f32 * layout.cell,
        top: layout.cells.top + row as f32 * layout.cell,
        width: layout.cell,
        height: layout.cell - layout.gap,
    };
    let ground = color::share_color(share.sqrt());
    canvas.fill(area, ground);
    if layout.named {
        let ink = color::ink_on(ground);
        let middle = [area.center()[0] - layout.gap / 2.0, area.center()[1]];
        canvas.words(
            &percent(share),
            level(middle, Align::Middle, layout.digits, ink),
        );
    }
}

/// A share in percent; one that would be rounded to nothing, or up to all, is told from those.
fn percent(share: f32) -> String {
    let percent = share * 100.0;
    if percent < 0.5 {
        "<1".to_owned()
    } else if share < 1.0 && percent >= 99.5 {
        ">99".to_owned()
    } else {
        format!("{percent:.0}")
    }
}

#[cfg(test)]
mod tests;
