use super::{
    super::color::{ALERT, WHITE, series_color},
    *,
};

fn series(points: Vec<[f64; 2]>, style: SeriesStyle) -> Series {
    Series {
        name: "training".to_owned(),
        points,
        style,
    }
}

fn chart(panels: Vec<Vec<Series>>, scale: AxisScale) -> CurveChart {
    let panels = panels.into_iter().map(|series| Panel {
        title: "loss".to_owned(),
        scale,
        series,
    });
    CurveChart {
        title: "run".to_owned(),
        x_label: "step".to_owned(),
        panels: panels.collect(),
    }
}

fn one(points: Vec<[f64; 2]>, style: SeriesStyle) -> RgbImage {
    curves(&chart(vec![vec![series(points, style)]], AxisScale::Linear))
}

/// Left, top, right and bottom of the pixels of exactly this colour below the names.
fn extent(picture: &RgbImage, color: [u8; 3]) -> Option<[u32; 4]> {
    let drawn = picture.enumerate_pixels();
    drawn
        .filter(|(_, y, pixel)| *y > 86 && pixel.0 == color)
        .fold(None, |extent, (x, y, _)| {
            let [left, top, right, bottom] = extent.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        })
}

/// The middle row of a colour in a column.
fn row(picture: &RgbImage, x: u32, color: [u8; 3]) -> Option<f32> {
    let rows = (87..picture.height()).filter(|y| picture.get_pixel(x, *y).0 == color);
    let rows: Vec<f32> = rows.map(|y| y as f32 + 0.5).collect();
    (!rows.is_empty()).then(|| rows.iter().sum::<f32>() / rows.len() as f32)
}

const BLUE: [u8; 3] = [0, 114, 178];

#[test]
fn a_straight_line_goes_through_its_pixels() {
    let picture = one(vec![[0.0, 0.0], [100.0, 50.0]], SeriesStyle::Line);
    assert_eq!(picture.dimensions(), (1200, 56 + 30 + 230 + 18 + 44));
    // The panel is 230 pixels high from row 86 on; a twentieth of the range is free above and below.
    let height = |share: f32| 86.0 + 230.0 * (1.0 - (share + 0.05) / 1.1);
    let [left, _, right, _] = extent(&picture, BLUE).unwrap();
    assert!(right == 1175 || right == 1176, "{right}");
    for share in [0.1, 0.25, 0.5, 0.9_f32] {
        let span = right as f32 - left as f32;
        let column = left as f32 + share * span;
        let x = (left..right).nth(pixel(column - left as f32)).unwrap();
        let found = row(&picture, x, BLUE).unwrap();
        assert!((found - height(share)).abs() < 1.5, "{share}: {found}");
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a column of a picture"
)]
fn pixel(place: f32) -> usize {
    place.round() as usize
}

#[test]
fn equal_ratios_are_equally_high_on_a_logarithmic_axis() {
    let points = vec![[0.0, 1e-5], [50.0, 1e-4], [100.0, 1e-3]];
    let panel = vec![series(points, SeriesStyle::Line)];
    let picture = curves(&chart(vec![panel], AxisScale::Logarithmic));
    let [left, _, right, _] = extent(&picture, BLUE).unwrap();
    let middle = row(&picture, left.midpoint(right), BLUE).unwrap();
    assert!((middle - (86.0 + 115.0)).abs() < 1.5, "{middle}");
}

#[test]
fn a_learning_rate_next_to_zero_does_not_flatten_the_others() {
    let points = (0..100).map(f64::from).map(|step| [step, 1e-3]);
    let mut points: Vec<_> = points.collect();
    points[0][1] = 1e-30;
    points[99][1] = 0.0;
    let panel = vec![series(points, SeriesStyle::Dots)];
    let picture = curves(&chart(vec![panel], AxisScale::Logarithmic));
    let flat = row(&picture, 600, BLUE).unwrap();
    assert!((flat - (86.0 + 230.0 * 0.05 / 1.1)).abs() < 1.5, "{flat}");
    assert!(extent(&picture, BLUE).unwrap()[3] <= 86 + 230 + 1);
}

#[test]
fn values_that_are_not_finite_leave_a_gap_and_a_cross() {
    let value = |step: f64| {
        if (40.0..60.0).contains(&step) {
            f64::NAN
        } else {
            step
        }
    };
    let points = (0..=100).map(f64::from).map(|step| [step, value(step)]);
    let picture = one(points.collect(), SeriesStyle::Line);
    let [left, _, right, _] = extent(&picture, BLUE).unwrap();
    let column = |share: u32| left + (right - left) * share / 100;
    assert!(row(&picture, column(30), BLUE).is_some());
    assert!(row(&picture, column(50), BLUE).is_none());
    assert!(row(&picture, column(70), BLUE).is_some());
    let [first, _, last, _] = extent(&picture, ALERT).unwrap();
    assert!(first < column(42) && last > column(57));

    let whole = one(vec![[0.0, 1.0], [1.0, 2.0]], SeriesStyle::Line);
    assert_eq!(extent(&whole, ALERT), None);
}

#[test]
fn a_lone_value_is_a_dot() {
    for style in [SeriesStyle::Line, SeriesStyle::Dots, SeriesStyle::Smoothed] {
        let picture = one(vec![[7.0, 0.25]], style);
        let [left, top, right, bottom] = extent(&picture, BLUE).unwrap();
        assert!((3..8).contains(&(right - left)) && (3..8).contains(&(bottom - top)));
        assert!(top.midpoint(bottom).abs_diff(86 + 115) <= 1);
    }
}

#[test]
fn jumping_values_are_pale_below_their_mean() {
    let points = (0..2000).map(|step| [f64::from(step), f64::from(step % 2)]);
    let picture = one(points.collect(), SeriesStyle::Smoothed);
    let x = 900;
    let middle = row(&picture, x, BLUE).unwrap();
    assert!((middle - (86.0 + 115.0)).abs() < 6.0, "{middle}");
    let [_, top, _, bottom] = extent(&picture, super::super::color::pale(BLUE, 0.35)).unwrap();
    assert!(top < 100 && bottom > 300, "{top} {bottom}");
}

#[test]
fn outliers_of_jumping_values_stay_in_their_panel() {
    let mut points: Vec<_> = (0..2000).map(|step| [f64::from(step), 1.0]).collect();
    points[999][1] = f64::NAN;
    points[1000][1] = 1e12;
    points[1001][1] = f64::NAN;
    let panel = || vec![series(points.clone(), SeriesStyle::Smoothed)];
    let picture = curves(&chart(vec![panel(), panel()], AxisScale::Linear));
    // Between the panels there are only titles and names, at the left and at the right.
    for y in 86 + 230 + 3..86 + 230 + 18 + 30 - 3 {
        for x in 300..900 {
            assert_eq!(picture.get_pixel(x, y).0, WHITE, "{x} {y}");
        }
    }
}

#[test]
fn charts_without_values_say_so() {
    let nothing = curves(&chart(vec![], AxisScale::Linear));
    assert_eq!(nothing.width(), 1200);
    for points in [vec![], vec![[f64::NAN, 1.0]]] {
        let empty = one(points, SeriesStyle::Line);
        assert_eq!(extent(&empty, BLUE), None);
        // "no values yet" stands in the middle of the panel.
        let around = (560..680).flat_map(|x| (190..212).map(move |y| (x, y)));
        let ink = around.filter(|(x, y)| empty.get_pixel(*x, *y).0[0] < 140);
        assert!(ink.count() > 50);
    }
    one(vec![[1.0, f64::NAN]; 3], SeriesStyle::Smoothed);
}

#[test]
fn every_kind_of_value_is_survived() {
    let hostile = [
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        -0.0,
        1e300,
        -1e300,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    for scale in [AxisScale::Linear, AxisScale::Logarithmic] {
        for style in [SeriesStyle::Line, SeriesStyle::Dots, SeriesStyle::Smoothed] {
            let mut points = Vec::new();
            for step in hostile {
                points.extend(hostile.map(|value| [step, value]));
                let _ = curves(&chart(vec![vec![series(points.clone(), style)]], scale));
            }
        }
    }
}

#[test]
fn many_series_and_panels_are_told_apart_or_left_out() {
    let line = |index: u32| {
        let height = f64::from(index);
        let mut series = series(vec![[0.0, height], [9.0, height]], SeriesStyle::Line);
        series.name = format!("the IoU of class {index}");
        series
    };
    let picture = curves(&chart(vec![(0..7).map(line).collect()], AxisScale::Linear));
    for index in 0..7 {
        let (color, _) = series_color(index);
        assert!(extent(&picture, color).is_some(), "{index}");
    }
    let panels = |count| curves(&chart(vec![vec![line(0)]; count], AxisScale::Linear));
    assert_eq!(panels(40).dimensions(), panels(32).dimensions());
}

#[test]
fn two_hundred_thousand_values_keep_their_peak() {
    let mut points: Vec<_> = (0..200_000).map(|step| [f64::from(step), 0.0]).collect();
    points[133_337][1] = 1.0;
    let picture = one(points, SeriesStyle::Line);
    let [left, _, right, _] = extent(&picture, BLUE).unwrap();
    let x = left + (right - left) * 2 / 3;
    let peak = (x - 2..=x + 2).find(|x| (92..110).any(|y| picture.get_pixel(*x, y).0 != WHITE));
    assert!(peak.is_some());
}
