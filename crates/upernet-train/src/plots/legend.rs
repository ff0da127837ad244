//! Names beside the colours that they have on a chart.

use super::{
    canvas::Canvas,
    color::{Color, INK},
    letters::{self, Align, Turn, Words},
};

/// Font size of names, in pixels.
pub(super) const SIZE: f32 = 13.0;
/// From one line of names to the next, in pixels.
pub(super) const LINE: f32 = 22.0;
/// Width of a colour's mark, in pixels.
pub(super) const MARK: f32 = 20.0;
const MARK_GAP: f32 = 7.0;
const ENTRY_GAP: f32 = 22.0;
/// A longer name would leave no room for others.
const LONGEST_NAME: f32 = 260.0;

/// Names in lines, ready to be drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Legend {
    /// Each name with its number among all names and the pixel that it starts at.
    lines: Vec<Vec<Entry>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    index: usize,
    name: String,
    left: f32,
    width: f32,
}

impl Legend {
    /// Breaks names into lines of at most `width` pixels.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>, width: f32) -> Self {
        let mut lines: Vec<Vec<Entry>> = Vec::new();
        let longest = LONGEST_NAME.min(width - MARK - MARK_GAP);
        for (index, name) in names.enumerate() {
            let name = letters::fitted(name, SIZE, longest);
            let own = MARK + MARK_GAP + letters::width(&name, SIZE);
            let left = lines
                .last()
                .and_then(|line| line.last())
                .map(|entry| entry.left + entry.width + ENTRY_GAP)
                .filter(|left| left + own <= width);
            let entry = Entry {
                index,
                name,
                left: left.unwrap_or(0.0),
                width: own,
            };
            match lines.last_mut() {
                Some(line) if left.is_some() => line.push(entry),
                _ => lines.push(vec![entry]),
            }
        }
        Self { lines }
    }

    /// Height of all lines, in pixels.
    pub(super) fn height(&self) -> f32 {
        self.lines.len() as f32 * LINE
    }

    /// Width of the longest line, in pixels.
    pub(super) fn width(&self) -> f32 {
        let ends = self.lines.iter().filter_map(|line| line.last());
        ends.map(|entry| entry.left + entry.width)
            .fold(0.0, f32::max)
    }

    /// Draws the names, the first line's upper left corner at `corner`, and calls `mark` with the number
    /// of each name and the left middle of the place for its colour.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        corner: [f32; 2],
        mark: impl Fn(&mut Canvas, usize, [f32; 2]),
    ) {
        for (number, line) in self.lines.iter().enumerate() {
            let middle = corner[1] + (number as f32 + 0.5) * LINE;
            for entry in line {
                let left = corner[0] + entry.left;
                mark(canvas, entry.index, [left, middle]);
                let anchor = [left + MARK + MARK_GAP, middle];
                canvas.words(&entry.name, level(anchor, Align::Start, SIZE, INK));
            }
        }
    }
}

/// Words that run from left to right.
pub(super) fn level(anchor: [f32; 2], align: Align, size: f32, color: Color) -> Words {
    Words {
        anchor,
        align,
        turn: Turn::Level,
        size,
        color,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fill_lines() {
        let names = ["road", "sky", "building", "tree", "pedestrian"];
        let wide = Legend::new(names.into_iter(), 2000.0);
        assert!((wide.height() - LINE).abs() < 1e-6);
        let narrow = Legend::new(names.into_iter(), 180.0);
        assert!(narrow.height() > 2.0 * LINE && narrow.width() <= 180.0);
        let order = narrow.lines.iter().flatten().map(|entry| entry.index);
        assert!(order.eq(0..5));
        assert!(Legend::new(std::iter::empty(), 100.0).height() < 1e-6);
    }
}
