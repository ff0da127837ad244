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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grids() -> impl Strategy<Value = WindowGrid> {
        let sizes = (1..3_usize, 1..20_usize, 1..20_usize, 1..8_usize, 0..7_usize);
        sizes.prop_map(|(batch, height, width, window, shift)| {
            WindowGrid::new(MapSize::new(batch, [height, width]), window, shift % window)
        })
    }

    proptest! {
        /// What lets threads share the map.
        #[test]
        fn every_pixel_is_in_one_window(grid in grids(), tokens in 1..300_usize) {
            let mut seen = vec![0; grid.map.pixels()];
            for windows in grid.groups(tokens) {
                let gathered = grid.gather(windows.clone());
                let counts = windows.map(|window| grid.num_tokens(window));
                prop_assert_eq!(gathered.tokens.len(), counts.sum::<usize>());
                for token in gathered.tokens {
                    seen[token.pixel] += 1;
                }
            }
            prop_assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
        }

        #[test]
        fn slots_of_a_window_ascend(grid in grids()) {
            for window in 0..grid.count() {
                let slots: Vec<usize> = grid.tokens(window).map(|token| token.slot).collect();
                prop_assert!(slots.is_sorted_by(|a, b| a < b), "{slots:?}");
                prop_assert!(slots.iter().all(|&slot| slot < grid.window * grid.window));
            }
        }
    }

    #[test]
    fn groups_hold_about_what_they_should() {
        let grid = WindowGrid::new(MapSize::new(1, [28, 28]), 7, 0);
        let groups = grid.groups(4 * 49);
        assert_eq!(groups, [0..4, 4..8, 8..12, 12..16]);
    }

    #[test]
    fn only_shifted_windows_at_the_border_have_regions() {
        let grid = WindowGrid::new(MapSize::new(1, [8, 12]), 4, 2);
        let with_regions: Vec<bool> = (0..6)
            .map(|window| grid.regions(window).is_some())
            .collect();
        assert_eq!(with_regions, [false, false, true, true, true, true]);
        let unshifted = WindowGrid::new(MapSize::new(1, [8, 12]), 4, 0);
        assert!((0..6).all(|window| unshifted.regions(window).is_none()));
    }
}
