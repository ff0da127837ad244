//! Sums of logits over the rows that a row of windows covers.

use super::{FinishedRows, Grid};

/// Sums of the logits of `height` rows of the picture.
#[derive(Debug)]
pub(super) struct Band {
    /// `[num_labels, height, width]`.
    sums: Vec<f32>,
    num_labels: usize,
    height: usize,
    width: usize,
    /// `[columns]` of a window.
    window_width: usize,
    /// How many windows cover each row and each column of the picture.
    coverage: [Vec<u32>; 2],
    /// Rows that were finished last; kept for its memory.
    finished: Vec<f32>,
}

/// Where the rows of one window's logits go, class after class.
#[derive(Debug)]
pub(super) struct WindowSum<'a> {
    band: &'a mut Band,
    left: usize,
    /// The next row, counted over all classes.
    next: usize,
}

impl Band {
    pub(super) fn new(grid: &Grid, num_labels: usize) -> Self {
        let (height, width) = (grid.rows.window(), grid.columns.length());
        Self {
            sums: vec![0.0; num_labels * height * width],
            num_labels,
            height,
            width,
            window_width: grid.columns.window(),
            coverage: [grid.rows.coverage(), grid.columns.coverage()],
            finished: Vec::new(),
        }
    }

    /// Takes the logits of the window whose first column is `left`.
    pub(super) fn sum_at(&mut self, left: usize) -> WindowSum<'_> {
        WindowSum {
            band: self,
            left,
            next: 0,
        }
    }

    /// Averages the upper `rows` rows, the first of which is the picture's row `first`, and makes
    /// room for as many below.
    pub(super) fn finish(&mut self, first: usize, rows: usize) -> FinishedRows<'_> {
        let plane = self.height * self.width;
        let (done, kept) = (rows * self.width, plane - rows * self.width);
        self.finished.clear();
        for sums in self.sums.chunks_exact_mut(plane) {
            for (row, sums) in sums[..done].chunks_exact(self.width).enumerate() {
                let covered = self.coverage[0][first + row] as f32;
                let counts = self.coverage[1].iter().map(|&count| count as f32 * covered);
                let averages = sums.iter().zip(counts).map(|(sum, count)| sum / count);
                self.finished.extend(averages);
            }
            sums.copy_within(done.., 0);
            sums[kept..].fill(0.0);
        }
        FinishedRows {
            values: &self.finished,
            num_labels: self.num_labels,
            first,
            rows,
        }
    }
}

impl WindowSum<'_> {
    /// Adds the next rows of the window.
    pub(super) fn add(&mut self, piece: &[f32]) {
        for row in piece.chunks_exact(self.band.window_width) {
            // Rows of the band follow each other class after class, as those of the window do.
            let start = self.next * self.band.width + self.left;
            for (sum, value) in self.band.sums[start..].iter_mut().zip(row) {
                *sum += value;
            }
            self.next += 1;
        }
    }
}
