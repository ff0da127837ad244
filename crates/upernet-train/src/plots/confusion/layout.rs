//! Where the parts of a confusion matrix lie.

use super::{
    super::{canvas::Area, letters},
    matrix::Matrix,
};

/// So many classes have their names written, more are numbered.
const MOST_NAMED: usize = 40;
pub(super) const MARGIN: f32 = 24.0;
pub(super) const LABEL_SIZE: f32 = 13.0;
const TITLE_HEIGHT: f32 = 66.0;
const BAR_WIDTH: f32 = 18.0;
const BAR_GAP: f32 = 30.0;
/// Room for the numbers of the colour bar.
const BAR_LABELS: f32 = 46.0;
/// A bar shorter than this has no room for its numbers.
const SHORTEST_BAR: f32 = 150.0;
/// Room for the title and the note below it.
const NARROWEST: f32 = 380.0;

/// Where things lie, in pixels.
pub(super) struct Layout {
    pub(super) width: f32,
    pub(super) height: f32,
    /// Names and percentages are written.
    pub(super) named: bool,
    pub(super) cell: f32,
    /// The white line at the end of each cell; none where cells are too small to spare it.
    pub(super) gap: f32,
    /// Font size of percentages.
    pub(super) digits: f32,
    /// All cells.
    pub(super) cells: Area,
    pub(super) bar: Area,
}

impl Layout {
    pub(super) fn new(matrix: &Matrix) -> Self {
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
            width: (bar.right() + BAR_LABELS + MARGIN).max(NARROWEST),
            height: (cells.bottom() + below + 24.0).max(bar.bottom()) + MARGIN,
            named,
            cell,
            gap: if cell >= 8.0 { 1.0 } else { 0.0 },
            digits: if cell >= 34.0 { 13.0 } else { 11.0 },
            cells,
            bar,
        }
    }

    pub(super) fn middle(&self, class: usize) -> f32 {
        (class as f32 + 0.5) * self.cell
    }
}
