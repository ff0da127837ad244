//! A small rectangle of the result, the unit of work of the argmax.
//!
//! Every value in a tile is a convex combination of the grid values that it reads. So a class whose
//! largest grid value there is below the smallest one of another class cannot win in the tile, and is
//! left out before any interpolation. On the logits of trained networks a few classes remain of 150.

use std::ops::Range;

use super::Logits;
use super::axis::{AxisTaps, MOST_TAPS, Taps};

/// Rows of a tile.
pub(super) const TILE_ROWS: usize = 16;
/// Columns of a tile; fixed, so that the inner loops have a known length.
pub(super) const TILE_COLUMNS: usize = 32;

/// One row of a tile.
pub(super) type TileRow<T> = [T; TILE_COLUMNS];

/// Part of a bound's size by which rounding may move a value: 16 taps of half a unit of 2^-23, four
/// times over.
const ROUNDING: f32 = 4e-6;

/// Which grid rows a band of output rows reads, and how.
#[derive(Debug)]
pub(super) struct Band {
    /// Grid rows in rising order.
    source_rows: Vec<usize>,
    /// For each output row, its taps as places in `source_rows`.
    rows: Vec<Taps>,
}

/// Which grid columns a tile reads, and how.
#[derive(Debug)]
pub(super) struct Columns {
    span: Range<usize>,
    taps: [Taps; TILE_COLUMNS],
    most_taps: usize,
}

/// Room for the work on one tile, kept between tiles.
#[derive(Debug)]
pub(super) struct Scratch {
    bounds: Vec<[f32; 2]>,
    stretched: [TileRow<f32>; TILE_ROWS * MOST_TAPS],
    best: [TileRow<f32>; TILE_ROWS],
    winners: [TileRow<u32>; TILE_ROWS],
}

impl Band {
    /// Gathers what the output rows `rows` read; at most [`TILE_ROWS`] of them.
    pub(super) fn new(axis: &AxisTaps, rows: Range<usize>) -> Self {
        let mut rows = axis.taps()[rows].to_vec();
        let mut source_rows: Vec<usize> = rows
            .iter()
            .flat_map(|taps| taps.iter().map(|(index, _)| index))
            .collect();
        source_rows.sort_unstable();
        source_rows.dedup();
        for taps in &mut rows {
            for index in &mut taps.indices[..taps.count] {
                *index = source_rows.partition_point(|row| row < index);
            }
        }
        Self { source_rows, rows }
    }
}

impl Columns {
    /// Gathers what the output columns `columns` read; a short tile repeats its last column.
    pub(super) fn new(axis: &AxisTaps, columns: &Range<usize>) -> Self {
        let taps = std::array::from_fn(|offset| {
            axis.taps()[(columns.start + offset).min(columns.end - 1)]
        });
        let used = || {
            taps.iter()
                .flat_map(|taps: &Taps| taps.indices[..taps.count].iter())
        };
        let first = used().min().copied().unwrap_or(0);
        let last = used().max().copied().unwrap_or(0);
        let most_taps = taps.iter().map(|taps| taps.count).max().unwrap_or(0);
        Self {
            span: first..last + 1,
            taps,
            most_taps,
        }
    }
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            bounds: Vec::new(),
            stretched: [[0.0; TILE_COLUMNS]; TILE_ROWS * MOST_TAPS],
            best: [[0.0; TILE_COLUMNS]; TILE_ROWS],
            winners: [[0; TILE_COLUMNS]; TILE_ROWS],
        }
    }

    /// Finds the classes that may win somewhere in the tile, in rising order.
    pub(super) fn candidates(
        &mut self,
        logits: &Logits<'_>,
        band: &Band,
        columns: &Columns,
        candidates: &mut Vec<u32>,
    ) {
        self.bounds.clear();
        let bounds = (0..logits.num_labels).map(|label| bounds(logits, label, band, columns));
        self.bounds.extend(bounds);
        let size = self.bounds.iter().fold(0.0, |size: f32, [low, high]| {
            size.max(low.abs()).max(high.abs())
        });
        let floor = self
            .bounds
            .iter()
            .fold(f32::NEG_INFINITY, |floor, [low, _]| floor.max(*low));
        let floor = floor - 2.0 * ROUNDING * size;
        candidates.clear();
        candidates.extend(
            (0_u32..)
                .zip(&self.bounds)
                .filter(|(_, b)| b[1] >= floor)
                .map(|c| c.0),
        );
    }

    /// Interpolates the candidates over the tile and returns the winning class of each pixel.
    pub(super) fn winners(
        &mut self,
        logits: &Logits<'_>,
        band: &Band,
        columns: &Columns,
        candidates: &[u32],
    ) -> &[TileRow<u32>] {
        let rows = band.rows.len();
        let first = candidates.first().copied().unwrap_or(0);
        self.winners[..rows].fill([first; TILE_COLUMNS]);
        if candidates.len() > 1 {
            self.best[..rows].fill([f32::NEG_INFINITY; TILE_COLUMNS]);
            for &label in candidates {
                self.contend(logits, band, columns, label);
            }
        }
        &self.winners[..rows]
    }

    /// Gives the pixels where class `label` is above all before it to that class.
    fn contend(&mut self, logits: &Logits<'_>, band: &Band, columns: &Columns, label: u32) {
        let plane = logits.plane(label as usize);
        for (stretched, &row) in self.stretched.iter_mut().zip(&band.source_rows) {
            *stretched = columns.stretch(&plane[row * logits.size[1]..]);
        }
        for ((taps, best), winners) in band.rows.iter().zip(&mut self.best).zip(&mut self.winners) {
            let values = mix(taps, &self.stretched);
            for ((value, best), winner) in values.iter().zip(best).zip(winners) {
                let wins = value > best;
                *best = if wins { *value } else { *best };
                *winner = if wins { label } else { *winner };
            }
        }
    }
}

impl Columns {
    /// Interpolates along one grid row.
    fn stretch(&self, row: &[f32]) -> TileRow<f32> {
        let mut values = [0.0; TILE_COLUMNS];
        for tap in 0..self.most_taps {
            for (value, taps) in values.iter_mut().zip(&self.taps) {
                // A column with fewer taps reads position 0 with weight 0.
                *value += taps.weights[tap] * row[taps.indices[tap]];
            }
        }
        values
    }
}

/// Interpolates between stretched rows.
fn mix(taps: &Taps, stretched: &[TileRow<f32>]) -> TileRow<f32> {
    let mut values = [0.0; TILE_COLUMNS];
    for (index, weight) in taps.iter() {
        for (value, sample) in values.iter_mut().zip(&stretched[index]) {
            *value += weight * sample;
        }
    }
    values
}

/// Smallest and largest grid value of a class that the tile reads.
fn bounds(logits: &Logits<'_>, label: usize, band: &Band, columns: &Columns) -> [f32; 2] {
    let plane = logits.plane(label);
    let mut bounds = [f32::INFINITY, f32::NEG_INFINITY];
    for &row in &band.source_rows {
        for &value in &plane[row * logits.size[1]..][columns.span.clone()] {
            bounds = [bounds[0].min(value), bounds[1].max(value)];
        }
    }
    bounds
}
