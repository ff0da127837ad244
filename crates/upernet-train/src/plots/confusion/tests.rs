use super::*;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class {class}")).collect()
}

fn chart(class_names: &[String], rows: &[Vec<u64>]) -> RgbImage {
    confusion(&ConfusionChart { class_names, rows })
}

/// The colour at a corner of a cell, where no letters are.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place on a picture"
)]
fn corner(picture: &RgbImage, layout: &Layout, row: usize, column: usize) -> color::Color {
    let place = |start: f32, class: usize| (start + class as f32 * layout.cell) as u32 + 2;
    let x = place(layout.cells.left, column);
    let y = place(layout.cells.top, row);
    picture.get_pixel(x, y).0
}

#[test]
fn cells_have_the_colours_of_their_shares() {
    let rows = [vec![75, 25, 0], vec![0, 0, 0], vec![0, 0, 7]];
    let names = names(3);
    let picture = chart(&names, &rows);
    let layout = Layout::new(&Matrix::new(&ConfusionChart {
        class_names: &names,
        rows: &rows,
    }));
    let expected = |share: f32| color::share_color(share.sqrt());
    assert_eq!(corner(&picture, &layout, 0, 0), expected(0.75));
    assert_eq!(corner(&picture, &layout, 0, 1), expected(0.25));
    assert_eq!(corner(&picture, &layout, 0, 2), expected(0.0));
    assert_eq!(corner(&picture, &layout, 1, 1), GRID);
    assert_eq!(corner(&picture, &layout, 2, 2), expected(1.0));
}

#[test]
fn sizes_follow_the_number_of_classes() {
    let sizes = [0, 1, 2, 11, 40, 41, 150, 2000, 2500].map(|count| {
        let rows = vec![vec![1; 3]; count];
        let picture = chart(&names(count), &rows);
        assert!(picture.width() <= 2400 && picture.height() <= 2400);
        picture.width()
    });
    assert!(sizes[3] > sizes[2]);
    assert_eq!(sizes[7], sizes[8], "later classes are left out");
}

#[test]
fn what_is_missing_counts_as_nothing() {
    let whole = chart(&names(2), &[vec![5, 0], vec![0, 0]]);
    assert_eq!(chart(&names(2), &[vec![5]]), whole);
    let numbered = chart(&["0".to_owned(), "1".to_owned()], &[vec![5, 0], vec![0, 0]]);
    assert_eq!(chart(&[], &[vec![5, 0], vec![0, 0]]), numbered);
    let foreign = ["道路".to_owned(), " ".to_owned()];
    assert_eq!(chart(&foreign, &[vec![5, 0], vec![0, 0]]), numbered);
    let even = vec![vec![u64::MAX; 3]; 3];
    assert_eq!(chart(&[], &even), chart(&[], &vec![vec![1; 3]; 3]));
    assert!(chart(&["name ".repeat(5000)], &[]).width() < 1000);
}

#[test]
fn percentages_are_not_rounded_to_none_or_all() {
    let shares = [0.001, 0.012, 0.5, 0.994, 0.996, 1.0];
    assert_eq!(shares.map(percent), ["<1", "1", "50", "99", ">99", "100"]);
}

#[test]
fn long_names_and_many_classes_keep_to_the_picture() {
    for count in [2, 40] {
        let long = vec!["a class with a very long name, ".repeat(9); count];
        let rows = vec![vec![3; count]; count];
        let picture = chart(&long, &rows);
        let (width, height) = picture.dimensions();
        let edge = (0..width).flat_map(|x| [(x, 0), (x, height - 1)]);
        let edge = edge.chain((0..height).flat_map(|y| [(0, y), (width - 1, y)]));
        for (x, y) in edge {
            assert_eq!(picture.get_pixel(x, y).0, WHITE, "{count}: {x} {y}");
        }
    }
}
