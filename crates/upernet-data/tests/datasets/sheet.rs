//! Contact sheets.

use upernet_data::dataset::{ContactSheet, contact_sheet};
use upernet_data::pixels::Palette;

use crate::folder::Folder;

fn folder() -> Folder {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 4, 0)
        .mask("masks/a.png", &[0, 1, 1, 255]);
    folder
        .photo("images/b.png", 4, 9)
        .mask("masks/b.png", &[1, 1, 0, 0]);
    folder
}

#[test]
fn photo_classes_and_both_lie_side_by_side() {
    let folder = folder();
    let split = folder.open_plain().split("all").unwrap();
    // Photos of 4 x 2 pixels in cells of 4 x 6: in the middle, two rows free above and below.
    let sheet = contact_sheet(
        &split,
        &[1, 0],
        ContactSheet {
            columns: 1,
            cell: [6, 4],
        },
    )
    .unwrap();
    assert_eq!(sheet.dimensions(), (3 * 8 + 4, 2 * 10 + 4));
    let colors = Palette::generated(2);
    let [first, second] = [0, 1].map(|class| colors.color(class).unwrap());
    let row = |top: u32, left: u32| [0, 1, 2, 3].map(|x| sheet.get_pixel(left + x, top).0);
    assert_eq!(row(6, 12), [second, second, first, first]);
    assert_eq!(row(16, 12), [first, second, second, [0; 3]]);
    assert_eq!(row(5, 12), [[255; 3]; 4]);
    // The photos themselves, and an ignored pixel that nothing lies over.
    assert_eq!(row(16, 4), [[0, 0, 7], [0, 40, 7], [0, 80, 7], [0, 120, 7]]);
    assert_eq!(sheet.get_pixel(20 + 3, 16).0, [0, 120, 7]);
}

#[test]
fn sheets_without_pixels_or_with_too_many_are_refused() {
    let folder = folder();
    let split = folder.open_plain().split("all").unwrap();
    let error = |indices: &[usize], columns, cell| {
        contact_sheet(&split, indices, ContactSheet { columns, cell })
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(&[], 2, [5, 5]),
        "contact sheet: 0 rows of 2 columns with cells of [5, 5] pixels are empty; use at least one of each"
    );
    assert!(error(&[0], 0, [5, 5]).contains("are empty"));
    assert!(error(&[0], 1, [0, 5]).contains("are empty"));
    for (columns, cell) in [
        (1, [10_000, 10_000]),
        (usize::MAX, [5, 5]),
        (1, [usize::MAX, 1]),
    ] {
        assert!(error(&[0], columns, cell).ends_with("are over 100000000 pixels; show fewer"));
    }
}
