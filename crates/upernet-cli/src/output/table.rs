//! Tables for people: columns padded to their widest cell, a row on one line whatever its cells hold.

use std::fmt::{self, Write as _};

use super::escape::one_line;

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells under a heading.
#[derive(Debug)]
pub(crate) struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table with its heading.
    pub(crate) fn new(heading: &[(&str, Align)]) -> Self {
        let cells = heading.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self {
            aligns: heading.iter().map(|(_, align)| *align).collect(),
            rows: vec![cells],
        }
    }

    /// Appends a row with as many cells as the heading.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| one_line(&cell));
        self.rows.push(cells.collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.aligns.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, &width), align) in row.iter().zip(&widths).zip(&self.aligns) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                // Writing to a string cannot fail.
                let _ = match align {
                    Align::Left => write!(line, "{cell:<width$}"),
                    Align::Right => write!(line, "{cell:>width$}"),
                };
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Align, Table};

    #[test]
    fn a_cell_cannot_end_its_row() {
        let mut table = Table::new(&[("class", Align::Left), ("area", Align::Right)]);
        table.row(["a\r\n\u{1b}".to_owned(), "7 %".to_owned()]);
        assert_eq!(
            table.to_string(),
            "class        area\na\\r\\n\\u{1b}   7 %\n"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("class", Align::Left), ("area", Align::Right)]);
        table.row(["Straße".to_owned(), "7 %".to_owned()]);
        table.row(["Sky".to_owned(), "93.5 %".to_owned()]);
        let expected = "class     area\nStraße     7 %\nSky     93.5 %\n";
        assert_eq!(table.to_string(), expected);
    }
}
