//! Which pixels of the map are in which window.

use std::ops::Range;

use crate::kernels::map::MapSize;

/// The windows of a batch of maps: images outermost, then row by row.
///
/// The map is padded at the bottom and on the right to whole windows, then moved up and left by the
/// shift, around the border; the windows are cut from that.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowGrid {
    map: MapSize,
    window: usize,
    shift: usize,
}

/// A token of a window that is a pixel of the map, not padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Its place in the window, row by row.
    pub(super) slot: usize,
    /// Its place in the map.
    pub(super) pixel: usize,
    /// Which of the window's regions it is in, see [`WindowGrid::regions`].
    pub(super) region: usize,
}

/// Some neighbouring windows and what is in them.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    pub(super) grid: WindowGrid,
    pub(super) windows: Range<usize>,
    /// Of all windows, one after another.
    pub(super) tokens: Vec<Token>,
}

impl WindowGrid {
    pub(super) fn new(map: MapSize, window: usize, shift: usize) -> Self {
        Self { map, window, shift }
    }

    /// Windows in a column and in a row.
    fn windows(&self) -> [usize; 2] {
        [
            self.map.height.div_ceil(self.window),
            self.map.width.div_ceil(self.window),
        ]
    }

    fn count(&self) -> usize {
        let [rows, columns] = self.windows();
        self.map.batch * rows * columns
    }

    /// Image of a window, and its row and column of windows.
    fn place(&self, window: usize) -> [usize; 3] {
        let [rows, columns] = self.windows();
        [
            window / (rows * columns),
            window / columns % rows,
            window % columns,
        ]
    }

    pub(super) fn gather(self, windows: Range<usize>) -> Gathered {
        let tokens = windows
            .clone()
            .flat_map(|window| self.tokens(window))
            .collect();
        Gathered {
            grid: self,
            windows,
            tokens,
        }
    }

    /// The tokens of a window, in the order of their slots.
    fn tokens(self, window: usize) -> impl Iterator<Item = Token> {
        let [image, row, column] = self.place(window);
        let side = self.window;
        let regions = self.regions(window);
        let tokens = (0..side * side).map(move |slot| {
            let region = regions.as_ref().map_or(0, |region| region(slot));
            let y = self.unshifted(row * side + slot / side, self.map.height);
            let x = self.unshifted(column * side + slot % side, self.map.width);
            self.map.pixel(image, y, x).map(|pixel| Token {
                slot,
                pixel,
                region,
            })
        });
        tokens.flatten()
    }

    /// Where a position of the shifted line of `length` was before the shift.
    fn unshifted(&self, position: usize, length: usize) -> usize {
        let moved = position + self.shift;
        let padded = length.next_multiple_of(self.window);
        if moved < padded {
            moved
        } else {
            moved - padded
        }
    }

    /// Tokens of a window that are pixels of the map.
    pub(super) fn num_tokens(&self, window: usize) -> usize {
        let [_, row, column] = self.place(window);
        let inside = |window: usize, length: usize| {
            let positions = window * self.window..(window + 1) * self.window;
            positions
                .filter(|&position| self.unshifted(position, length) < length)
                .count()
        };
        inside(row, self.map.height) * inside(column, self.map.width)
    }

    /// For a window that the shift has put together from several regions of the map: the region, 0 to
    /// 3, of each slot.
    pub(super) fn regions(self, window: usize) -> Option<impl Fn(usize) -> usize> {
        let [_, row, column] = self.place(window);
        let [rows, columns] = self.windows();
        let side = self.window;
        // In the last window of a line, the last `shift` positions came around the border.
        let border = side - self.shift;
        let (bottom, right) = (row + 1 == rows, column + 1 == columns);
        (self.shift > 0 && (bottom || right)).then_some(move |slot| {
            let below = bottom && slot / side >= border;
            let beyond = right && slot % side >= border;
            2 * usize::from(below) + usize::from(beyond)
        })
    }

    /// Runs of windows with about `tokens` tokens each, or one window.
    pub(super) fn groups(&self, tokens: usize) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let (mut start, mut held) = (0, 0);
        for window in 0..self.count() {
            let next = self.num_tokens(window);
            if window > start && held + next / 2 > tokens {
                groups.push(start..window);
                (start, held) = (window, 0);
            }
            held += next;
        }
        groups.push(start..self.count());
        groups
    }
}
