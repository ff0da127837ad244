//! Logits of a photo from windows that overlap, band by band.
//!
//! Windows are taken row by row. Once a row of windows is summed, the pixels above the next row get no
//! further share: they are averaged and handed on, so that no more than a band as high as a window is
//! ever in memory. The average is mmsegmentation's, `slide_inference` of `encoder_decoder.py`.

mod band;
mod grid;

use upernet_image::Logits;

use self::band::Band;
pub(crate) use self::grid::Grid;
use crate::Error;

/// What a network says of one window.
#[derive(Debug)]
pub(crate) struct WindowLogits {
    /// `[num_labels, height, width]` at the network's own resolution.
    pub(crate) values: Vec<f32>,
    pub(crate) num_labels: usize,
    pub(crate) size: [usize; 2],
}

/// Averaged logits of some whole rows of the picture.
#[derive(Debug)]
pub(crate) struct FinishedRows<'a> {
    /// `[num_labels, rows, width]`.
    pub(crate) values: &'a [f32],
    pub(crate) num_labels: usize,
    /// The first of the rows.
    pub(crate) first: usize,
    pub(crate) rows: usize,
}

/// Averages the logits of all windows of `grid` and hands them to `finished` from top to bottom.
///
/// `logits_of` computes the window whose upper left pixel is at `[row, column]`.
pub(crate) fn slide(
    grid: &Grid,
    mut logits_of: impl FnMut([usize; 2]) -> Result<WindowLogits, Error>,
    mut finished: impl FnMut(FinishedRows<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let window = grid.window();
    let mut band: Option<Band> = None;
    for (index, &top) in grid.rows.starts().iter().enumerate() {
        for &left in grid.columns.starts() {
            let logits = logits_of([top, left])?;
            let band = band.get_or_insert_with(|| Band::new(grid, logits.num_labels));
            let mut sum = band.sum_at(left);
            Logits::new(&logits.values, logits.num_labels, logits.size)?.stream_resized(
                window,
                window,
                |piece| {
                    sum.add(piece);
                    Ok::<_, Error>(())
                },
            )?;
        }
        let next = grid.rows.starts().get(index + 1);
        let next = next.copied().unwrap_or(grid.rows.length());
        if let Some(band) = &mut band {
            finished(band.finish(top, next - top))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits that differ from window to window and pixel to pixel, in whole numbers: sums are exact.
    fn made_up([top, left]: [usize; 2], [height, width]: [usize; 2]) -> WindowLogits {
        let mut values = Vec::new();
        for label in 0..3 {
            for row in 0..height {
                for column in 0..width {
                    let mixed = 31 * top + 17 * left + 7 * row * column + 5 * label + row + column;
                    values.push((mixed % 64) as f32);
                }
            }
        }
        WindowLogits {
            values,
            num_labels: 3,
            size: [height, width],
        }
    }

    /// The average as mmsegmentation computes it: whole pictures of sums and counts.
    fn whole_sums(size: [usize; 2], crop: [usize; 2], stride: [usize; 2]) -> Vec<f32> {
        let [height, width] = size;
        let mut sums = vec![0.0; 3 * height * width];
        let mut counts = vec![0.0; height * width];
        let grids = |axis: usize| {
            (size[axis] + stride[axis] - 1).saturating_sub(crop[axis]) / stride[axis] + 1
        };
        let place = |axis: usize, index: usize| {
            let end = (index * stride[axis] + crop[axis]).min(size[axis]);
            (end.saturating_sub(crop[axis]), end)
        };
        for row in 0..grids(0) {
            for column in 0..grids(1) {
                let ((top, bottom), (left, right)) = (place(0, row), place(1, column));
                let logits = made_up([top, left], [bottom - top, right - left]).values;
                let mut logits = logits.into_iter();
                for label in 0..3 {
                    for y in top..bottom {
                        for x in left..right {
                            sums[(label * height + y) * width + x] +=
                                logits.next().expect("one for each pixel");
                        }
                    }
                }
                for y in top..bottom {
                    for x in left..right {
                        counts[y * width + x] += 1.0;
                    }
                }
            }
        }
        let pixels = counts.len();
        let average = |(index, sum): (usize, &f32)| sum / counts[index % pixels];
        sums.iter().enumerate().map(average).collect()
    }

    fn collected(size: [usize; 2], crop: [usize; 2], stride: [usize; 2]) -> Vec<f32> {
        let grid = Grid::new(size, crop, stride);
        let [height, width] = size;
        let mut all = vec![f32::NAN; 3 * height * width];
        let mut expected_first = 0;
        slide(
            &grid,
            |place| Ok(made_up(place, grid.window())),
            |rows| {
                assert_eq!((rows.first, rows.num_labels), (expected_first, 3));
                expected_first += rows.rows;
                for (label, plane) in rows.values.chunks(rows.rows * width).enumerate() {
                    let start = (label * height + rows.first) * width;
                    all[start..start + plane.len()].copy_from_slice(plane);
                }
                Ok(())
            },
        )
        .expect("finite logits");
        assert_eq!(expected_first, height);
        all
    }

    #[test]
    fn bands_are_equal_to_sums_over_the_whole_picture() {
        for (size, crop, stride) in [
            ([9, 11], [4, 5], [3, 2]),
            ([10, 10], [4, 4], [4, 4]),
            ([10, 3], [4, 4], [1, 3]),
            ([7, 20], [8, 6], [5, 6]),
            ([3, 3], [8, 8], [5, 5]),
        ] {
            assert_eq!(
                collected(size, crop, stride),
                whole_sums(size, crop, stride),
                "{size:?} by {crop:?} every {stride:?}"
            );
        }
    }

    #[test]
    fn two_windows_by_hand() {
        // Columns 0 to 3 say 1, columns 2 to 5 say 3: (1 + 3) / 2 where both do.
        let grid = Grid::new([1, 6], [1, 4], [1, 2]);
        let constant = |[_, left]: [usize; 2]| {
            Ok(WindowLogits {
                values: vec![if left == 0 { 1.0 } else { 3.0 }; 4],
                num_labels: 1,
                size: [1, 4],
            })
        };
        let mut all = Vec::new();
        slide(&grid, constant, |rows| {
            all.extend_from_slice(rows.values);
            Ok(())
        })
        .expect("finite logits");
        assert_eq!(all, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    }
}
