//! Where the tiles of a batch of maps are, and where their transforms go.

use super::{
    super::{map::MapSize, rows::Rows, transposed::odd_lines},
    IN, OUT, POINTS,
};

/// The tiles of a batch of maps, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileGrid {
    size: MapSize,
    rows: usize,
    columns: usize,
}

impl TileGrid {
    pub(crate) fn new(size: MapSize) -> Self {
        Self {
            size,
            rows: size.height.div_ceil(OUT),
            columns: size.width.div_ceil(OUT),
        }
    }

    pub(crate) fn len(self) -> usize {
        self.size.batch * self.rows * self.columns
    }

    /// Image, and row and column of the first output, of a tile.
    fn origin(self, tile: usize) -> [usize; 3] {
        let (tile, column) = (tile / self.columns, tile % self.columns);
        [tile / self.rows, tile % self.rows * OUT, column * OUT]
    }

    /// Where the `IN * IN` input pixels of a tile are; none past the border.
    pub(super) fn inputs(self, tile: usize) -> [Option<usize>; POINTS] {
        let [image, row, column] = self.origin(tile);
        std::array::from_fn(|point| {
            // One pixel of padding: unsigned wrap-around makes a row above the map too large.
            let y = (row + point / IN).wrapping_sub(1);
            let x = (column + point % IN).wrapping_sub(1);
            self.size.pixel(image, y, x)
        })
    }

    /// Where the `OUT * OUT` outputs of a tile are; none past the border.
    pub(crate) fn outputs(self, tile: usize) -> [Option<usize>; OUT * OUT] {
        let [image, row, column] = self.origin(tile);
        std::array::from_fn(|cell| {
            self.size
                .pixel(image, row + cell / OUT, column + cell % OUT)
        })
    }
}

/// How the transforms of a block of tiles lie in memory: 36 planes of `[tile, channel]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub(crate) row: usize,
    pub(crate) plane: usize,
}

impl Planes {
    /// Rows and planes are an odd number of cache lines apart, or they would compete for the same
    /// few places of the cache.
    pub(crate) fn new(tiles: usize, channels: usize) -> Self {
        let row = odd_lines(channels);
        Self {
            row,
            plane: odd_lines(tiles * row),
        }
    }

    pub(crate) fn len(self) -> usize {
        POINTS * self.plane
    }

    /// The transforms of `count` tiles at one point.
    pub(crate) fn rows(self, planes: &[f32], point: usize, count: usize) -> Rows<'_> {
        Rows {
            values: &planes[point * self.plane..][..self.plane],
            stride: self.row,
            count,
        }
    }
}
