//! Patches of a map or an image as rows of a matrix, so that a convolution whose stride is its kernel
//! size becomes a matrix product.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

/// What becomes of a border that no whole patch covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The map is filled up with zeros at the bottom and on the right (Swin).
    Pad,
    /// It is left out, as by a convolution without padding (ConvNeXt).
    Truncate,
}

/// In what order the cells of a patch stand in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellOrder {
    /// (0,0), (0,1), (1,0), (1,1) as (row, column): the taps of a convolution.
    RowMajor,
    /// (0,0), (1,0), (0,1), (1,1): Swin's patch merging.
    ColumnMajor,
}

/// How a map is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patches {
    /// Side of a patch in pixels.
    pub(crate) size: usize,
    pub(crate) order: CellOrder,
    pub(crate) edge: Edge,
}

/// An image to read, `[N, C, H, W]` in any memory order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) shape: [usize; 4],
    /// Distance of neighbours along each axis of `shape`, in values.
    pub(crate) strides: [usize; 4],
}

impl Edge {
    /// Number of patches of side `patch` along a line of `length`.
    pub(crate) fn patches(self, length: usize, patch: usize) -> usize {
        match self {
            Self::Pad => length.div_ceil(patch),
            Self::Truncate => length / patch,
        }
    }
}

/// Cuts `map`, `[N, H, W, C]`, into patches: `out` is `[N, H', W', p * p * C]`.
///
/// # Panics
///
/// Panics if a slice has another length than its shape says, or if the patch size is zero.
pub(crate) fn gather_patches(map: &[f32], shape: [usize; 4], patches: Patches, out: &mut [f32]) {
    let [batch, height, width, channels] = shape;
    let Patches { size, order, edge } = patches;
    assert_eq!(
        map.len(),
        shape.iter().product::<usize>(),
        "the map is not {shape:?}"
    );
    let grid = [edge.patches(height, size), edge.patches(width, size)];
    let row_length = size * size * channels;
    for_each_row(batch, grid, row_length, out, |image, row, out| {
        for (column, out) in out.chunks_exact_mut(row_length).enumerate() {
            for (index, cell) in out.chunks_exact_mut(channels).enumerate() {
                let (outer, inner) = (index / size, index % size);
                let [y, x] = match order {
                    CellOrder::RowMajor => [outer, inner],
                    CellOrder::ColumnMajor => [inner, outer],
                };
                let [y, x] = [row * size + y, column * size + x];
                if y < height && x < width {
                    let pixel = (image * height + y) * width + x;
                    cell.copy_from_slice(&map[pixel * channels..][..channels]);
                } else {
                    cell.fill(0.0);
                }
            }
        }
    });
}

/// Cuts an image into patches of `size` x `size` pixels: `out` is `[N, H', W', size * size * C]`, in a
/// patch row by row, the channels innermost.
///
/// # Panics
///
/// Panics if `out` has another length than its shape says, if the image's strides lead out of its
/// values, or if `size` is zero.
pub(crate) fn patchify(image: Image<'_>, size: usize, edge: Edge, out: &mut [f32]) {
    let Image {
        values,
        shape: [batch, channels, height, width],
        strides,
    } = image;
    let last: usize = image
        .shape
        .iter()
        .zip(strides)
        .map(|(&size, stride)| size.saturating_sub(1) * stride)
        .sum();
    let empty = image.shape.contains(&0);
    assert!(
        empty || last < values.len(),
        "the strides {strides:?} leave the image"
    );
    let grid = [edge.patches(height, size), edge.patches(width, size)];
    let row_length = size * size * channels;
    for_each_row(batch, grid, row_length, out, |image, row, out| {
        let covered = (grid[1] * size).min(width);
        for y in 0..size {
            let line = row * size + y;
            if line >= height {
                for out in out.chunks_exact_mut(row_length) {
                    out[y * size * channels..].fill(0.0);
                }
                break;
            }
            for channel in 0..channels {
                let start = image * strides[0] + channel * strides[1] + line * strides[2];
                let patches = out.chunks_exact_mut(row_length).enumerate();
                for (column, out) in patches {
                    let out = &mut out[y * size * channels..][..size * channels];
                    let first = column * size;
                    let cells = out.iter_mut().skip(channel).step_by(channels).enumerate();
                    for (x, cell) in cells {
                        let x = first + x;
                        *cell = if x < covered {
                            values[start + x * strides[3]]
                        } else {
                            0.0
                        };
                    }
                }
            }
        }
    });
}

/// Calls `fill(image, row, out)` for each row of patches, on all threads.
fn for_each_row(
    batch: usize,
    [rows, columns]: [usize; 2],
    row_length: usize,
    out: &mut [f32],
    fill: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    let length = columns * row_length;
    assert_eq!(
        out.len(),
        batch * rows * length,
        "the patches are not {batch} x {rows} x {columns}"
    );
    if out.is_empty() {
        return;
    }
    out.par_chunks_exact_mut(length)
        .enumerate()
        .for_each(|(row, out)| fill(row / rows, row % rows, out));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(length: usize) -> Vec<f32> {
        (0..length)
            .map(|i| ((i * 7919) % 2003) as f32 / 500.0 - 2.0)
            .collect()
    }

    /// Patches with `cell(image, y, x, channel)`, which is zero outside of the map.
    fn twin(
        [batch, rows, columns]: [usize; 3],
        cells: &[[usize; 2]],
        channels: usize,
        size: usize,
        cell: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Vec<f32> {
        let mut out = Vec::new();
        for (image, row) in (0..batch).flat_map(|image| (0..rows).map(move |row| (image, row))) {
            for column in 0..columns {
                for [y, x] in cells {
                    for channel in 0..channels {
                        out.push(cell(image, row * size + y, column * size + x, channel));
                    }
                }
            }
        }
        out
    }

    fn grid(height: usize, width: usize, size: usize, edge: Edge) -> [usize; 2] {
        [height, width].map(|length| {
            let partial = length % size > 0 && edge == Edge::Pad;
            length / size + usize::from(partial)
        })
    }

    fn edges() -> impl Strategy<Value = Edge> {
        prop_oneof![Just(Edge::Pad), Just(Edge::Truncate)]
    }

    proptest! {
        #[test]
        fn patches_of_a_map_equal_their_twin(
            batch in 1..3_usize,
            height in 1..9_usize,
            width in 1..9_usize,
            channels in 1..5_usize,
            size in 1..4_usize,
            edge in edges(),
            row_major in any::<bool>(),
        ) {
            let map = values(batch * height * width * channels);
            let [rows, columns] = grid(height, width, size, edge);
            let mut cells: Vec<[usize; 2]> =
                (0..size).flat_map(|y| (0..size).map(move |x| [y, x])).collect();
            let order = if row_major { CellOrder::RowMajor } else { CellOrder::ColumnMajor };
            if !row_major {
                cells.sort_by_key(|&[y, x]| [x, y]);
            }
            let at = |image: usize, y: usize, x: usize, channel: usize| {
                let inside = y < height && x < width;
                let pixel = (image * height + y) * width + x;
                if inside { map[pixel * channels + channel] } else { 0.0 }
            };
            let expected = twin([batch, rows, columns], &cells, channels, size, at);
            let mut out = vec![f32::NAN; expected.len()];
            let patches = Patches { size, order, edge };
            gather_patches(&map, [batch, height, width, channels], patches, &mut out);
            prop_assert_eq!(out, expected);
        }

        #[test]
        fn patches_of_an_image_equal_their_twin(
            batch in 1..3_usize,
            height in 1..13_usize,
            width in 1..13_usize,
            channels in 1..5_usize,
            size in 1..5_usize,
            edge in edges(),
            channels_last in any::<bool>(),
        ) {
            let shape = [batch, channels, height, width];
            let image = height * width * channels;
            let strides = if channels_last {
                [image, 1, width * channels, channels]
            } else {
                [image, height * width, width, 1]
            };
            let pixels = values(batch * image);
            let [rows, columns] = grid(height, width, size, edge);
            let cells: Vec<[usize; 2]> =
                (0..size).flat_map(|y| (0..size).map(move |x| [y, x])).collect();
            let at = |image: usize, y: usize, x: usize, channel: usize| {
                let index = [image, channel, y, x];
                let inside = y < height && x < width;
                let place: usize = index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
                if inside { pixels[place] } else { 0.0 }
            };
            let expected = twin([batch, rows, columns], &cells, channels, size, at);
            let mut out = vec![f32::NAN; expected.len()];
            patchify(Image { values: &pixels, shape, strides }, size, edge, &mut out);
            prop_assert_eq!(out, expected);
        }
    }

    /// The order that published Swin weights expect, with zeros past an odd border.
    #[test]
    fn swin_lines_columns_up_first() {
        let map: Vec<f32> = (1_u8..=9).map(f32::from).collect();
        let mut out = [f32::NAN; 16];
        let patches = Patches {
            size: 2,
            order: CellOrder::ColumnMajor,
            edge: Edge::Pad,
        };
        gather_patches(&map, [1, 3, 3, 1], patches, &mut out);
        let expected = [
            1., 4., 2., 5., 3., 6., 0., 0., 7., 0., 8., 0., 9., 0., 0., 0.,
        ];
        assert!(out.iter().eq(&expected), "{out:?}");
    }

    #[test]
    fn a_map_below_one_patch_is_left_out() {
        let patches = Patches {
            size: 2,
            order: CellOrder::RowMajor,
            edge: Edge::Truncate,
        };
        gather_patches(&[1.0, 2.0], [1, 1, 2, 1], patches, &mut []);
    }

    #[test]
    #[should_panic(expected = "the strides [4, 4, 3, 1] leave the image")]
    fn refuses_strides_that_leave_the_image() {
        let image = Image {
            values: &[0.0; 4],
            shape: [1, 1, 2, 2],
            strides: [4, 4, 3, 1],
        };
        patchify(image, 2, Edge::Pad, &mut [0.0; 4]);
    }
}
