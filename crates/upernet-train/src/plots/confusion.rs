//! Which class was taken for which.

use upernet_image::image::RgbImage;

use super::{
    axis::round_step,
    canvas::{Area, Canvas},
    color::{self, FRAME, GRID, INK, MUTED, WHITE},
    legend::level,
    letters::{self, Align, Turn, Words},
};

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

/// So many classes have their names written, more are numbered.
const MOST_NAMED: usize = 40;
/// So many classes have a pixel of their own; later classes are left out, and the picture says so.
const MOST_CLASSES: usize = 2000;
const MARGIN: f32 = 24.0;
const TITLE_SIZE: f32 = 19.0;
const TITLE_HEIGHT: f32 = 66.0;
const LABEL_SIZE: f32 = 13.0;
const LONGEST_NAME: f32 = 170.0;
const BAR_WIDTH: f32 = 18.0;
const BAR_GAP: f32 = 30.0;
/// Room for the numbers of the colour bar.
const BAR_LABELS: f32 = 46.0;
/// A bar shorter than this has no room for its numbers.
const SHORTEST_BAR: f32 = 150.0;

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
    heading(&mut canvas, &matrix, layout.width);
    cells(&mut canvas, &matrix, &layout);
    if layout.named {
        names(&mut canvas, &matrix, &layout);
    } else {
        numbers(&mut canvas, &matrix, &layout);
    }
    axis_titles(&mut canvas, &layout);
    bar(&mut canvas, &layout);
    canvas.into_picture()
}

/// Shares of each row.
struct Matrix {
    names: Vec<String>,
    /// Nothing for a class without pixels.
    shares: Vec<Option<Vec<f32>>>,
    left_out: usize,
}

impl Matrix {
    fn new(chart: &ConfusionChart<'_>) -> Self {
        let longest = chart.rows.iter().map(Vec::len).max().unwrap_or_default();
        let classes = longest.max(chart.rows.len()).max(chart.class_names.len());
        let shown = classes.min(MOST_CLASSES);
        let name = |class: usize| match chart.class_names.get(class) {
            Some(name) if letters::has_letters(name) && !name.trim().is_empty() => {
                letters::fitted(name.trim(), LABEL_SIZE, LONGEST_NAME)
            }
            _ => class.to_string(),
        };
        let shares = |class: usize| {
            let row = chart.rows.get(class)?;
            let sum: f64 = row.iter().map(|&count| count as f64).sum();
            let share = |class| row.get(class).map_or(0.0, |&count| count as f64 / sum);
            (sum > 0.0).then(|| (0..shown).map(|class| single(share(class))).collect())
        };
        Self {
            names: (0..shown).map(name).collect(),
            shares: (0..shown).map(shares).collect(),
            left_out: classes - shown,
        }
    }
}

/// Where things lie, in pixels.
struct Layout {
    width: f32,
    height: f32,
    /// Names and percentages are written.
    named: bool,
    cell: f32,
    /// The white line at the end of each cell; none where cells are too small to spare it.
    gap: f32,
    /// Font size of percentages.
    digits: f32,
    /// All cells.
    cells: Area,
    bar: Area,
}

impl Layout {
    fn new(matrix: &Matrix) -> Self {
        let count = matrix.names.len() as f32;
        let named = matrix.names.len() <= MOST_NAMED;
        let cell = if named {
            (760.0 / count.max(1.0)).floor().clamp(26.0, 58.0)
        } else {
            (1000.0 / count).floor().max(1.0)
        };
        let width = |name: &str| letters::width(name, LABEL_SIZE);
        let longest = if named {
            matrix
                .names
                .iter()
                .map(|name| width(name))
                .fold(0.0, f32::max)
        } else {
            width(&matrix.names.len().to_string())
        };
        let side = (cell * count).max(60.0);
        let cells = Area {
            left: (MARGIN + 24.0 + longest + 12.0).ceil(),
            top: TITLE_HEIGHT + MARGIN / 2.0,
            width: side,
            height: side,
        };
        let below = if named {
            // Slanted names reach down by the sine of 45 degrees.
            longest * std::f32::consts::FRAC_1_SQRT_2 + 24.0
        } else {
            24.0
        };
        let bar = Area {
            left: cells.right() + BAR_GAP,
            width: BAR_WIDTH,
            height: side.max(SHORTEST_BAR),
            ..cells
        };
        Self {
            width: (bar.right() + BAR_LABELS + MARGIN).max(560.0),
            height: (cells.bottom() + below + 24.0).max(bar.bottom()) + MARGIN,
            named,
            cell,
            gap: if cell >= 8.0 { 1.0 } else { 0.0 },
            digits: if cell >= 34.0 { 13.0 } else { 11.0 },
            cells,
            bar,
        }
    }

    fn middle(&self, class: usize) -> f32 {
        (class as f32 + 0.5) * self.cell
    }
}

fn heading(canvas: &mut Canvas, matrix: &Matrix, width: f32) {
    let anchor = [MARGIN, MARGIN / 2.0 + 18.0];
    canvas.words(
        "confusion matrix",
        level(anchor, Align::Start, TITLE_SIZE, INK),
    );
    let mut note = "percent of the pixels of each true class".to_owned();
    if matrix.left_out > 0 {
        note = format!("{note}; {} later classes are left out", matrix.left_out);
    }
    let note = letters::fitted(&note, LABEL_SIZE, width - 2.0 * MARGIN);
    let anchor = [MARGIN, MARGIN / 2.0 + 42.0];
    canvas.words(&note, level(anchor, Align::Start, LABEL_SIZE, MUTED));
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

fn names(canvas: &mut Canvas, matrix: &Matrix, layout: &Layout) {
    for (class, name) in matrix.names.iter().enumerate() {
        let row = layout.cells.top + layout.middle(class);
        let anchor = [layout.cells.left - 10.0, row];
        canvas.words(name, level(anchor, Align::End, LABEL_SIZE, INK));
        let column = layout.cells.left + layout.middle(class);
        let words = Words {
            anchor: [column + 4.0, layout.cells.bottom() + 12.0],
            align: Align::End,
            turn: Turn::Slanted,
            size: LABEL_SIZE,
            color: INK,
        };
        canvas.words(name, words);
    }
}

fn numbers(canvas: &mut Canvas, matrix: &Matrix, layout: &Layout) {
    let every = steps(round_step(f64::from(44.0 / layout.cell)));
    for class in (0..matrix.names.len()).step_by(every) {
        let label = class.to_string();
        let middle = layout.middle(class);
        let row = [layout.cells.left - 12.0, layout.cells.top + middle];
        canvas.words(&label, level(row, Align::End, LABEL_SIZE, MUTED));
        let column = [layout.cells.left + middle, layout.cells.bottom() + 17.0];
        canvas.words(&label, level(column, Align::Middle, LABEL_SIZE, MUTED));
        let across = Area {
            left: layout.cells.left - 7.0,
            top: (row[1]).floor(),
            width: 5.0,
            height: 1.0,
        };
        canvas.fill(across, FRAME);
        let upwards = Area {
            left: column[0].floor(),
            top: layout.cells.bottom() + 2.0,
            width: 1.0,
            height: 5.0,
        };
        canvas.fill(upwards, FRAME);
    }
}

fn axis_titles(canvas: &mut Canvas, layout: &Layout) {
    let [column, row] = layout.cells.center();
    let left = Words {
        anchor: [MARGIN + 6.0, row],
        align: Align::Middle,
        turn: Turn::Upwards,
        size: LABEL_SIZE,
        color: MUTED,
    };
    canvas.words("true class", left);
    let anchor = [column, layout.height - MARGIN];
    canvas.words(
        "predicted class",
        level(anchor, Align::Middle, LABEL_SIZE, MUTED),
    );
}

fn bar(canvas: &mut Canvas, layout: &Layout) {
    let bar = layout.bar;
    let mut row = 0.0;
    while row < bar.height {
        let line = Area {
            top: bar.top + row,
            height: 1.0,
            ..bar
        };
        canvas.fill(line, color::share_color(1.0 - row / (bar.height - 1.0)));
        row += 1.0;
    }
    let mut below = bar.bottom();
    for percent in [0.0_f32, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0] {
        let height = (percent / 100.0).sqrt() * (bar.height - 1.0);
        let row = bar.top + bar.height - 1.0 - height;
        let mark = Area {
            left: bar.right() + 2.0,
            top: row,
            width: 5.0,
            height: 1.0,
        };
        canvas.fill(mark, FRAME);
        // The numbers of a short bar would run into one another.
        if percent > 0.0 && below - row < LABEL_SIZE + 2.0 {
            continue;
        }
        below = row;
        let words = level([bar.right() + 12.0, row], Align::Start, LABEL_SIZE, MUTED);
        canvas.words(&format!("{percent}"), words);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a share needs no more digits"
)]
fn single(share: f64) -> f32 {
    share as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small whole number of classes"
)]
fn steps(count: f64) -> usize {
    count.round().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    fn chart(class_names: &[String], rows: &[Vec<u64>]) -> RgbImage {
        confusion(&ConfusionChart { class_names, rows })
    }

    /// The colour at a corner of a cell, where no letters are.
    fn corner(picture: &RgbImage, layout: &Layout, row: usize, column: usize) -> color::Color {
        let place = |start: f32, class: usize| {
            steps(f64::from(start + class as f32 * layout.cell + 2.0))
                .try_into()
                .unwrap()
        };
        let x = place(layout.cells.left, column);
        let y = place(layout.cells.top, row);
        picture.get_pixel(x, y).0
    }

    #[test]
    fn cells_have_the_colours_of_their_shares() {
        let rows = [vec![75, 25, 0], vec![0, 0, 0], vec![0, 0, 7]];
        let names = names(3);
        let picture = chart(&names, &rows);
        let layout = Layout::new(&Matrix::new(&ConfusionChart {
            class_names: &names,
            rows: &rows,
        }));
        let expected = |share: f32| color::share_color(share.sqrt());
        assert_eq!(corner(&picture, &layout, 0, 0), expected(0.75));
        assert_eq!(corner(&picture, &layout, 0, 1), expected(0.25));
        assert_eq!(corner(&picture, &layout, 0, 2), expected(0.0));
        assert_eq!(corner(&picture, &layout, 1, 1), GRID);
        assert_eq!(corner(&picture, &layout, 2, 2), expected(1.0));
    }

    #[test]
    fn sizes_follow_the_number_of_classes() {
        let sizes = [0, 1, 2, 11, 40, 41, 150, 2000, 2500].map(|count| {
            let rows = vec![vec![1; 3]; count];
            let picture = chart(&names(count), &rows);
            assert!(picture.width() <= 2400 && picture.height() <= 2400);
            picture.width()
        });
        assert!(sizes[3] > sizes[2]);
        assert_eq!(sizes[7], sizes[8], "later classes are left out");
    }

    #[test]
    fn what_is_missing_counts_as_nothing() {
        let whole = chart(&names(2), &[vec![5, 0], vec![0, 0]]);
        assert_eq!(chart(&names(2), &[vec![5]]), whole);
        let numbered = chart(&["0".to_owned(), "1".to_owned()], &[vec![5, 0], vec![0, 0]]);
        assert_eq!(chart(&[], &[vec![5, 0], vec![0, 0]]), numbered);
        let foreign = ["道路".to_owned(), " ".to_owned()];
        assert_eq!(chart(&foreign, &[vec![5, 0], vec![0, 0]]), numbered);
        let even = vec![vec![u64::MAX; 3]; 3];
        assert_eq!(chart(&[], &even), chart(&[], &vec![vec![1; 3]; 3]));
        assert!(chart(&["name ".repeat(5000)], &[]).width() < 1000);
    }

    #[test]
    fn percentages_are_not_rounded_to_none_or_all() {
        let shares = [0.001, 0.012, 0.5, 0.994, 0.996, 1.0];
        assert_eq!(shares.map(percent), ["<1", "1", "50", "99", ">99", "100"]);
    }
}
