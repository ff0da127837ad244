//! The argmax of twice resized logits, tile by tile.

use rayon::prelude::*;

use super::Logits;
use super::axis::AxisTaps;
use super::tile::{Band, Columns, Scratch, TILE_COLUMNS, TILE_ROWS};

/// Which classes are interpolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Candidates {
    /// Those that may win by the bounds of their grid values.
    Bounded,
    /// All: the test that the bounds leave out no winner.
    #[cfg(test)]
    All,
}

/// Returns the winning class of each pixel, row by row; of equal logits the first.
pub(super) fn argmax(
    logits: &Logits<'_>,
    [rows, columns]: &[AxisTaps; 2],
    candidates: Candidates,
) -> Vec<u16> {
    let width = columns.len();
    let tiles: Vec<Columns> = (0..width)
        .step_by(TILE_COLUMNS)
        .map(|start| Columns::new(columns, &(start..width.min(start + TILE_COLUMNS))))
        .collect();
    let mut labels = vec![0; rows.len() * width];
    labels
        .par_chunks_mut(TILE_ROWS * width)
        .enumerate()
        .for_each_init(
            || (Box::new(Scratch::new()), Vec::new()),
            |(scratch, chosen), (index, output)| {
                let start = index * TILE_ROWS;
                let band = Band::new(rows, start..start + output.len() / width);
                for (tile, columns) in tiles.iter().enumerate() {
                    match candidates {
                        Candidates::Bounded => scratch.candidates(logits, &band, columns, chosen),
                        #[cfg(test)]
                        Candidates::All => *chosen = (0_u32..).take(logits.num_labels).collect(),
                    }
                    let winners = scratch.winners(logits, &band, columns, chosen);
                    for (output, winners) in output.chunks_exact_mut(width).zip(winners) {
                        let output = output[tile * TILE_COLUMNS..].iter_mut();
                        output
                            .zip(winners)
                            .for_each(|(label, &winner)| *label = narrow(winner));
                    }
                }
            },
        );
    labels
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "there are at most 65,536 classes"
)]
fn narrow(winner: u32) -> u16 {
    winner as u16
}
