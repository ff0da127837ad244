//! Many samples at one look.

use upernet_image::image::{Rgb, RgbImage, imageops};
use upernet_image::{
    DecodeLimits, LabelMap, Palette, Resample, overlay, palette_for, resize_labels, resize_photo,
};

use crate::{Error, SampleSource};

/// Pixels between pictures.
const GAP: usize = 4;
const PAPER: Rgb<u8> = Rgb([255; 3]);

/// Colour of pixels without class.
const IGNORED: Rgb<u8> = Rgb([0; 3]);

/// How opaque classes lie over the photo in the third picture.
const OPACITY: f32 = 0.5;

/// How a contact sheet is arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactSheet {
    /// Samples side by side, three pictures each.
    pub columns: usize,
    /// `[height, width]` in pixels that each picture is fitted into.
    pub cell: [usize; 2],
}

impl Default for ContactSheet {
    /// Two samples side by side, pictures of at most 180 x 240 pixels.
    fn default() -> Self {
        Self {
            columns: 2,
            cell: [180, 240],
        }
    }
}

/// Draws samples, row by row: of each the photo, its classes in colours, and these laid over the photo.
///
/// Ignored pixels are black among the classes. Samples are read one after the other.
///
/// # Errors
///
/// Returns an error if the sheet would have no pixels or over 100 million, or a sample cannot be read.
///
/// # Panics
///
/// May panic, as the source does, if an index is not below its length.
///
/// ```
/// use upernet_data::{Error, Sample, SampleSource, dataset::{ContactSheet, contact_sheet}};
/// use upernet_image::{LabelMap, image::RgbImage};
///
/// struct Plain([String; 1]);
/// impl SampleSource for Plain {
///     fn len(&self) -> usize { 9 }
///     fn class_names(&self) -> &[String] { &self.0 }
///     fn name(&self, index: usize) -> String { index.to_string() }
///     fn read(&self, _: usize) -> Result<Sample, Error> {
///         Ok(Sample { image: RgbImage::new(3, 2), labels: LabelMap::new([2, 3], vec![0; 6])? })
///     }
/// }
/// let arrangement = ContactSheet { columns: 2, cell: [10, 20] };
/// let sheet = contact_sheet(&Plain(["road".to_owned()]), &[0, 4, 8], arrangement)?;
/// // Two rows of six pictures, with a gap of 4 pixels around each.
/// assert_eq!(sheet.dimensions(), (6 * 24 + 4, 2 * 14 + 4));
/// # Ok::<(), Error>(())
/// ```
pub fn contact_sheet(
    source: &dyn SampleSource,
    indices: &[usize],
    arrangement: ContactSheet,
) -> Result<RgbImage, Error> {
    let ContactSheet { columns, cell } = arrangement;
    let rows = indices.len().div_ceil(columns.max(1));
    let [height, width] = sheet_size(rows, columns, cell)?;
    let mut sheet = RgbImage::from_pixel(width, height, PAPER);
    let palette = palette_for(source.class_names());
    for (place, &index) in indices.iter().enumerate() {
        let pictures = pictures(source, index, cell, &palette)?;
        for (number, picture) in pictures.iter().enumerate() {
            let column = place % columns * pictures.len() + number;
            let top = corner(place / columns, cell[0], picture.height());
            let left = corner(column, cell[1], picture.width());
            imageops::replace(&mut sheet, picture, left, top);
        }
    }
    Ok(sheet)
}

/// Photo, classes, and both, at the size that fits the cell.
fn pictures(
    source: &dyn SampleSource,
    index: usize,
    cell: [usize; 2],
    palette: &Palette,
) -> Result<[RgbImage; 3], Error> {
    let sample = source.read(index)?;
    let size = fitted(sample.labels.size(), cell);
    let photo = resize_photo(&sample.image, size, Resample::Bilinear)?;
    let labels = resize_labels(&sample.labels, size)?;
    let classes = colored(&labels, palette);
    let both = overlay(&photo, &labels, palette, OPACITY)?;
    Ok([photo, classes, both])
}

fn colored(labels: &LabelMap, palette: &Palette) -> RgbImage {
    let [height, width] = labels
        .size()
        .map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    RgbImage::from_fn(width, height, |x, y| {
        palette
            .color(labels.label(y as usize, x as usize))
            .map_or(IGNORED, Rgb)
    })
}

/// The largest size of the same shape that fits the cell, never without a pixel.
fn fitted([height, width]: [usize; 2], cell: [usize; 2]) -> [usize; 2] {
    if height * cell[1] > width * cell[0] {
        [cell[0], (width * cell[0] / height).max(1)]
    } else {
        [(height * cell[1] / width.max(1)).max(1), cell[1]]
    }
}

/// Where a picture begins that lies in the middle of its cell.
fn corner(cell: usize, side: usize, length: u32) -> i64 {
    let free = side.saturating_sub(length as usize);
    i64::try_from(GAP + cell * (side + GAP) + free / 2).unwrap_or(i64::MAX)
}

fn sheet_size(rows: usize, columns: usize, cell: [usize; 2]) -> Result<[u32; 2], Error> {
    let invalid = |problem: String| Error::Setting {
        name: "contact sheet",
        problem,
    };
    let length = |cells: usize, of_cell: usize| {
        let length = of_cell
            .checked_add(GAP)?
            .checked_mul(cells)?
            .checked_add(GAP)?;
        u32::try_from(length).ok()
    };
    if rows == 0 || columns == 0 || cell.contains(&0) {
        return Err(invalid(format!(
            "{rows} rows of {columns} columns with cells of {cell:?} pixels are empty; use at least one of each"
        )));
    }
    let width = columns
        .checked_mul(3)
        .and_then(|cells| length(cells, cell[1]));
    let size = length(rows, cell[0]).zip(width);
    let most = DecodeLimits::default().max_pixels;
    match size {
        Some((height, width)) if u64::from(height) * u64::from(width) <= most => {
            Ok([height, width])
        }
        _ => Err(invalid(format!(
            "{rows} rows of {columns} columns with cells of {cell:?} pixels are over {most} pixels; show fewer"
        ))),
    }
}
