//! Photos beside what is known and what was predicted of them.

use upernet_image::{Resample, image::RgbImage, resize_photo};

use super::{
    canvas::{Area, Canvas, LONGEST_SIDE},
    color::{FAINT, FRAME, INK, MUTED},
    legend::{self, Legend, level},
    letters::{self, Align},
};

/// Rows of pictures, such as a photo, its truth and its prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSheet<'a> {
    /// Stands above all; nothing for no title.
    pub title: String,
    /// What stands above each column; at most eight columns are drawn.
    pub columns: Vec<String>,
    /// From above to below. Where all would not fit on a picture of 16,000 pixels, the first are left out.
    pub rows: Vec<SampleRow<'a>>,
    /// Name and colour (red, green, blue) of each class, written below all rows.
    pub classes: Vec<(String, [u8; 3])>,
}

/// Pictures in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRow<'a> {
    /// Stands above the pictures, such as "step 2,000: mIoU 0.41".
    pub caption: String,
    /// One picture for each column, of any size.
    pub pictures: Vec<&'a RgbImage>,
}

const MARGIN: f32 = 24.0;
const GAP: f32 = 8.0;
const TITLE_HEIGHT: f32 = 40.0;
const TITLE_SIZE: f32 = 19.0;
const COLUMNS_HEIGHT: f32 = 22.0;
const CAPTION_HEIGHT: f32 = 24.0;
const ROW_GAP: f32 = 12.0;
const SIZE: f32 = 13.0;
const MOST_COLUMNS: usize = 8;
const MOST_CLASSES: usize = 256;
/// Wider and higher pictures are made smaller, in pixels.
const WIDEST: f32 = 420.0;
const HIGHEST: f32 = 420.0;
/// Narrower columns leave no room for words.
const NARROWEST: f32 = 160.0;

/// Draws rows of pictures with captions; large pictures are made smaller, small ones are left as they are.
///
/// ```
/// use upernet_image::image::RgbImage;
/// use upernet_train::plots::{SampleRow, SampleSheet, sample_sheet};
///
/// let photo = RgbImage::new(320, 240);
/// let picture = sample_sheet(&SampleSheet {
///     title: "validation".to_owned(),
///     columns: vec!["photo".to_owned(), "prediction".to_owned()],
///     rows: vec![SampleRow {
///         caption: "step 100".to_owned(),
///         pictures: vec![&photo, &photo],
///     }],
///     classes: vec![("road".to_owned(), [128, 64, 128])],
/// });
/// assert!(picture.width() > 640);
/// ```
#[must_use]
pub fn sample_sheet(sheet: &SampleSheet<'_>) -> RgbImage {
    let layout = Layout::new(sheet);
    let mut canvas = Canvas::new(layout.width, layout.height);
    let anchor = [MARGIN, MARGIN / 2.0 + 18.0];
    let title = letters::fitted(&sheet.title, TITLE_SIZE, layout.width - 2.0 * MARGIN);
    canvas.words(&title, level(anchor, Align::Start, TITLE_SIZE, INK));
    for (index, name) in sheet.columns.iter().take(layout.columns).enumerate() {
        let name = letters::fitted(name, SIZE, layout.column);
        let anchor = [layout.left(index), layout.head - COLUMNS_HEIGHT / 2.0];
        canvas.words(&name, level(anchor, Align::Start, SIZE, MUTED));
    }
    let mut top = layout.head;
    for (row, height) in sheet.rows[layout.left_out..].iter().zip(&layout.heights) {
        draw_row(&mut canvas, row, &layout, top);
        top += height;
    }
    if sheet.rows.is_empty() {
        let anchor = [MARGIN, top + CAPTION_HEIGHT / 2.0];
        canvas.words("no samples yet", level(anchor, Align::Start, SIZE, MUTED));
    }
    let corner = [MARGIN, layout.height - MARGIN - layout.legend.height()];
    layout
        .legend
        .draw(&mut canvas, corner, |canvas, index, [x, y]| {
            let mark = Area {
                left: x,
                top: y - 7.0,
                width: legend::MARK,
                height: 14.0,
            };
            canvas.fill(mark, FRAME);
            canvas.fill(mark.grown(-1.0), sheet.classes[index].1);
        });
    canvas.into_picture()
}

/// Where things lie, in pixels.
struct Layout {
    width: f32,
    height: f32,
    /// Where rows begin.
    head: f32,
    columns: usize,
    /// Width of a column.
    column: f32,
    left_out: usize,
    /// Height of each row that is drawn, with its caption.
    heights: Vec<f32>,
    legend: Legend,
}

impl Layout {
    fn new(sheet: &SampleSheet<'_>) -> Self {
        let pictures = sheet.rows.iter().map(|row| row.pictures.len());
        let columns = pictures.max().unwrap_or_default().max(sheet.columns.len());
        let columns = columns.clamp(1, MOST_COLUMNS);
        let widths = sheet
            .rows
            .iter()
            .flat_map(|row| drawn(row).map(|size| size[1]));
        let column = widths.fold(NARROWEST, f32::max);
        let count = columns as f32;
        let width = 2.0 * MARGIN + count * column + (count - 1.0) * GAP;
        let classes = sheet.classes.iter().take(MOST_CLASSES);
        let legend = Legend::new(classes.map(|(name, _)| name.as_str()), width - 2.0 * MARGIN);
        let title = if sheet.title.is_empty() {
            0.0
        } else {
            TITLE_HEIGHT
        };
        let head = MARGIN / 2.0 + title + COLUMNS_HEIGHT;
        let foot = legend.height() + 2.0 * MARGIN;
        let (left_out, heights) = rows_that_fit(sheet, LONGEST_SIDE as f32 - head - foot);
        let rows: f32 = heights.iter().sum();
        let height = head + rows.max(CAPTION_HEIGHT) + foot;
        Self {
            width,
            height: height.ceil(),
            head,
            columns,
            column,
            left_out,
            heights,
            legend,
        }
    }

    fn left(&self, column: usize) -> f32 {
        MARGIN + column as f32 * (self.column + GAP)
    }
}

/// Returns how many of the first rows are left out, and the heights of the others.
fn rows_that_fit(sheet: &SampleSheet<'_>, room: f32) -> (usize, Vec<f32>) {
    let mut used = 0.0;
    let mut heights: Vec<f32> = Vec::new();
    for row in sheet.rows.iter().rev() {
        let highest = drawn(row).map(|size| size[0]).fold(0.0, f32::max);
        let height = CAPTION_HEIGHT + highest + ROW_GAP;
        used += height;
        if used > room {
            break;
        }
        heights.push(height);
    }
    heights.reverse();
    (sheet.rows.len() - heights.len(), heights)
}

/// The height and width that each picture of a row is drawn with.
fn drawn(row: &SampleRow<'_>) -> impl Iterator<Item = [f32; 2]> {
    let pictures = row.pictures.iter().take(MOST_COLUMNS);
    pictures.map(|picture| {
        let (height, width) = (picture.height() as f32, picture.width() as f32);
        let scale = (WIDEST / width).min(HIGHEST / height).min(1.0);
        if scale.is_finite() {
            [height, width].map(|side| (side * scale).round().max(1.0))
        } else {
            [0.0, 0.0]
        }
    })
}

fn draw_row(canvas: &mut Canvas, row: &SampleRow<'_>, layout: &Layout, top: f32) {
    let whole = layout.width - 2.0 * MARGIN;
    let caption = letters::fitted(&row.caption, SIZE, whole);
    let anchor = [MARGIN, top + CAPTION_HEIGHT / 2.0];
    canvas.words(&caption, level(anchor, Align::Start, SIZE, INK));
    for (column, (picture, [height, width])) in row.pictures.iter().zip(drawn(row)).enumerate() {
        let place = Area {
            left: layout.left(column),
            top: top + CAPTION_HEIGHT,
            width,
            height,
        };
        let target = [pixels(height), pixels(width)];
        match resize_photo(
            picture,
            target.map(|side| side as usize),
            Resample::Bilinear,
        ) {
            Ok(small) => canvas.picture(&small, [pixels(place.left), pixels(place.top)]),
            // Nothing can be seen of a picture without pixels.
            Err(_) => canvas.fill(place, FAINT),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place on a picture"
)]
fn pixels(place: f32) -> u32 {
    place.round().max(0.0) as u32
}

#[cfg(test)]
mod tests {
    use upernet_image::image::Rgb;

    use crate::plots::color::Color;

    use super::*;

    fn plain(width: u32, height: u32, color: Color) -> RgbImage {
        RgbImage::from_pixel(width, height, Rgb(color))
    }

    fn sheet(rows: Vec<SampleRow<'_>>) -> SampleSheet<'_> {
        SampleSheet {
            title: "samples".to_owned(),
            columns: ["photo", "truth", "prediction"].map(str::to_owned).to_vec(),
            rows,
            classes: vec![("road".to_owned(), [128, 64, 128])],
        }
    }

    fn row<'a>(pictures: &[&'a RgbImage]) -> SampleRow<'a> {
        SampleRow {
            caption: "step 10".to_owned(),
            pictures: pictures.to_vec(),
        }
    }

    #[test]
    fn pictures_lie_in_their_columns() {
        let (red, blue) = ([200, 0, 0], [0, 0, 200]);
        let (photo, truth) = (plain(300, 200, red), plain(300, 200, blue));
        let sheet = sheet(vec![row(&[&photo, &truth, &photo])]);
        let picture = sample_sheet(&sheet);
        let layout = Layout::new(&sheet);
        assert_eq!(picture.width(), 24 + 3 * 300 + 2 * 8 + 24);
        let top = layout.head + CAPTION_HEIGHT;
        for (column, color) in [(0, red), (1, blue), (2, red)] {
            let left = pixels(layout.left(column));
            let end = (left + 299, pixels(top) + 199);
            assert_eq!(picture.get_pixel(left, pixels(top)).0, color);
            assert_eq!(picture.get_pixel(end.0, end.1).0, color);
            assert_ne!(picture.get_pixel(end.0 + 1, end.1 + 1).0, color);
        }
        let legend = picture.pixels().filter(|pixel| pixel.0 == [128, 64, 128]);
        assert_eq!(legend.count(), 18 * 12);
    }

    #[test]
    fn large_pictures_are_made_smaller_and_keep_their_shape() {
        let photo = plain(2000, 1000, [9, 9, 9]);
        let sizes: Vec<_> = drawn(&row(&[&photo])).collect();
        assert_eq!(sizes, [[210.0, 420.0]]);
        let thin = plain(1, 3000, [9, 9, 9]);
        assert_eq!(drawn(&row(&[&thin])).next(), Some([420.0, 1.0]));
    }

    #[test]
    fn the_last_rows_stay_where_all_would_not_fit() {
        let photo = plain(400, 400, [9, 9, 9]);
        let sheet = sheet(vec![row(&[&photo]); 60]);
        let picture = sample_sheet(&sheet);
        let layout = Layout::new(&sheet);
        assert!(picture.height() <= LONGEST_SIDE);
        assert!(layout.left_out > 20 && layout.left_out + layout.heights.len() == 60);
    }

    #[test]
    fn sheets_without_anything_are_drawn() {
        let empty = RgbImage::new(0, 7);
        let (width, height) = sample_sheet(&sheet(vec![])).dimensions();
        assert!(width > 100 && height > 60);
        let rows = vec![row(&[]), row(&[&empty]), row(&[&empty; 20])];
        assert!(sample_sheet(&sheet(rows)).height() > height);
        let strange = sample_sheet(&SampleSheet {
            title: String::new(),
            columns: vec!["x".repeat(1000); 50],
            rows: vec![],
            classes: vec![("name".repeat(100), [1, 2, 3]); 1000],
        });
        assert!(strange.width() < 2000 && strange.height() <= LONGEST_SIDE);
    }
}
