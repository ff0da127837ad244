use proptest::prelude::*;
use rstest::rstest;
use upernet_image::{image::Rgb, resize_labels};

use super::*;

const FILL: [u8; 3] = [1, 2, 3];

fn numbered(size: [usize; 2]) -> LabelMap {
    let labels = (0..size[0] * size[1]).map(|at| u16::try_from(at % 250).unwrap());
    LabelMap::new(size, labels.collect()).unwrap()
}

fn photo_of(labels: &LabelMap) -> RgbImage {
    let [height, width] = labels.size().map(|side| u32::try_from(side).unwrap());
    RgbImage::from_fn(width, height, |column, row| {
        let label = labels.label(row as usize, column as usize);
        Rgb([u8::try_from(label).unwrap(); 3])
    })
}

proptest! {
    // `resize_labels` adds up its places as Pillow does and may round to the other side of an edge, so
    // only sizes without centres on edges are compared: odd targets of odd sources, or enlarged evenly.
    #[test]
    fn labels_are_those_of_a_nearest_resize(
        source in [0_usize..20, 0_usize..20],
        target in [0_usize..30, 0_usize..30],
    ) {
        let [source, target] = [source, target].map(|size| size.map(|half| 2 * half + 1));
        let view = View::new(source, target, None);
        let labels = numbered(source);
        let found = view.labels(&labels, view.whole()).unwrap();
        prop_assert_eq!(found, resize_labels(&labels, target).unwrap());
    }

    #[test]
    fn a_window_is_a_part_of_the_whole(
        source in [1_usize..30, 1_usize..30],
        target in [1_usize..40, 1_usize..40],
        degrees in prop::option::of(-180.0_f64..180.0),
        parts in [0.0_f64..1.0, 0.0_f64..1.0],
    ) {
        let view = View::new(source, target, degrees);
        let labels = numbered(source);
        let photo = photo_of(&labels);
        let [top, left] = [0, 1].map(|axis| floor(target[axis] as f64 * parts[axis]));
        let window = Window { top, left, height: target[0] - top, width: target[1] - left };
        let whole = view.labels(&labels, view.whole()).unwrap();
        let part = view.labels(&labels, window).unwrap();
        let whole_photo = view.photo(&photo, view.whole(), FILL).unwrap();
        let part_photo = view.photo(&photo, window, FILL).unwrap();
        for row in 0..window.height {
            for column in 0..window.width {
                let [y, x] = [top + row, left + column];
                prop_assert_eq!(part.label(row, column), whole.label(y, x));
                let [y, x, row, column] = [y, x, row, column].map(|at| u32::try_from(at).unwrap());
                prop_assert_eq!(part_photo[(column, row)], whole_photo[(x, y)]);
            }
        }
    }

    #[test]
    fn what_is_filled_is_not_labelled(
        source in [1_usize..20, 1_usize..20],
        target in [1_usize..30, 1_usize..30],
        degrees in -180.0_f64..180.0,
    ) {
        let labels = LabelMap::new(source, vec![9; source[0] * source[1]]).unwrap();
        let view = View::new(source, target, Some(degrees));
        let turned = view.labels(&labels, view.whole()).unwrap();
        let photo = view.photo(&photo_of(&labels), view.whole(), FILL).unwrap();
        for (label, pixel) in turned.labels().iter().zip(photo.pixels()) {
            let expected = if *label == IGNORE_LABEL { FILL } else { [9; 3] };
            prop_assert_eq!(pixel.0, expected);
        }
    }
}

#[rstest]
#[case::none(0.0, &[0, 1, 2, 3, 4, 5, 6, 7, 8])]
#[case::quarter(90.0, &[6, 3, 0, 7, 4, 1, 8, 5, 2])]
#[case::half(180.0, &[8, 7, 6, 5, 4, 3, 2, 1, 0])]
#[case::back(-90.0, &[2, 5, 8, 1, 4, 7, 0, 3, 6])]
fn right_angles_turn_clockwise(#[case] degrees: f64, #[case] expected: &[u16]) {
    let labels = numbered([3, 3]);
    let view = View::new([3, 3], [3, 3], Some(degrees));
    let turned = view.labels(&labels, view.whole()).unwrap();
    assert_eq!(turned.labels(), expected);
    let photo = view.photo(&photo_of(&labels), view.whole(), FILL).unwrap();
    assert_eq!(photo, photo_of(&turned));
}

#[test]
fn corners_beyond_the_photo_are_filled() {
    let labels = LabelMap::new([5, 5], vec![7; 25]).unwrap();
    let view = View::new([5, 5], [5, 5], Some(45.0));
    let turned = view.labels(&labels, view.whole()).unwrap();
    let (row, column) = (0, 0);
    assert_eq!(turned.label(row, column), IGNORE_LABEL);
    assert_eq!(turned.label(2, 0), 7);
    assert_eq!(
        turned
            .labels()
            .iter()
            .filter(|&&label| label == 255)
            .count(),
        4
    );
}

#[test]
fn windows_without_bounds_are_refused() {
    let view = View::new([2, 2], [1 << 20, 1 << 20], None);
    let labels = numbered([2, 2]);
    let error = view.labels(&labels, view.whole()).unwrap_err().to_string();
    assert_eq!(
        error,
        "photo resized by random_resize: size [1048576, 1048576] is empty or too large"
    );
    assert!(view.photo(&photo_of(&labels), view.whole(), FILL).is_err());
}
