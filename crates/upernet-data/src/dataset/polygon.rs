//! Polygons to pixels, without anti-aliasing.
//!
//! The rule: a pixel belongs to a polygon if its centre does, by the even-odd rule; a centre exactly on
//! an edge belongs to the side right of it, and one on a horizontal edge to the side below. Polygons that
//! share an edge therefore share no pixel and leave none out. (pycocotools and Pillow also colour pixels
//! that an outline only touches, so their masks are up to a pixel wider.)

/// More crossings of rows and edges than a contour that follows every pixel of a large photo has.
const MOST_CROSSINGS: usize = 8 << 20;

/// A run of pixels of one row: from the first index on, `length` pixels, rows laid end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) length: usize,
}

/// Returns the runs of pixels of a `[height, width]` picture that a closed polygon of `(x, y)` covers.
///
/// Coordinates are in pixels from the top left corner; what lies outside of the picture is cut off.
pub(crate) fn covered(
    [height, width]: [usize; 2],
    points: &[[f32; 2]],
) -> Result<Vec<Run>, String> {
    if points.iter().flatten().any(|value| !value.is_finite()) {
        return Err("a polygon has a coordinate that is no number".to_owned());
    }
    let mut crossings = Vec::new();
    for (index, &from) in points.iter().enumerate() {
        let to = points[(index + 1) % points.len()];
        add_crossings(
            &mut crossings,
            height,
            from.map(f64::from),
            to.map(f64::from),
        )?;
    }
    crossings.sort_unstable_by(|some: &(usize, f64), other| {
        some.0.cmp(&other.0).then(some.1.total_cmp(&other.1))
    });
    // A closed outline crosses each row an even number of times.
    let (pairs, _) = crossings.as_chunks::<2>();
    let runs = pairs.iter().filter_map(|&[(row, left), (_, right)]| {
        let [first, end] = [left, right].map(|x| first_centre_from(x, width));
        (first < end).then_some(Run {
            start: row * width + first,
            length: end - first,
        })
    });
    Ok(runs.collect())
}

/// Adds where an edge crosses the line through the centres of each row.
fn add_crossings(
    crossings: &mut Vec<(usize, f64)>,
    height: usize,
    from: [f64; 2],
    to: [f64; 2],
) -> Result<(), String> {
    // From the upper end down, so that a shared edge gives the same numbers to both polygons.
    let (upper, lower) = if from[1] <= to[1] {
        (from, to)
    } else {
        (to, from)
    };
    let [first, end] = [upper, lower].map(|[_, y]| first_centre_from(y, height));
    if crossings.len() + (end - first) > MOST_CROSSINGS {
        return Err("a polygon is too intricate to be a drawn one".to_owned());
    }
    let slope = (lower[0] - upper[0]) / (lower[1] - upper[1]);
    let crossing = |row: usize| upper[0] + (row as f64 + 0.5 - upper[1]) * slope;
    crossings.extend((first..end).map(|row| (row, crossing(row))));
    Ok(())
}

/// The first pixel, at most `limit`, whose centre is not before the place.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the picture before"
)]
fn first_centre_from(place: f64, limit: usize) -> usize {
    (place - 0.5).ceil().clamp(0.0, limit as f64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The picture as rows of `#` and `.`.
    fn drawn(size: [usize; 2], points: &[[f32; 2]]) -> Vec<String> {
        let mut pixels = vec![b'.'; size[0] * size[1]];
        for run in covered(size, points).unwrap() {
            for pixel in &mut pixels[run.start..run.start + run.length] {
                assert_eq!(*pixel, b'.', "a pixel is covered once");
                *pixel = b'#';
            }
        }
        let rows = pixels.chunks(size[1]);
        rows.map(|row| String::from_utf8(row.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn whole_pixels_are_whole_pixels() {
        let square = [[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]];
        assert_eq!(
            drawn([4, 6], &square),
            ["......", ".###..", ".###..", "......"]
        );
    }

    #[test]
    fn centres_decide() {
        // Centres at 0.5, 1.5, ...: the left and upper edges are inside, the right and lower ones not.
        let square = [[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]];
        assert_eq!(drawn([3, 4], &square), ["##..", "##..", "...."]);
        let thin = [[0.6, 0.0], [1.4, 0.0], [1.4, 3.0], [0.6, 3.0]];
        assert_eq!(drawn([3, 4], &thin), ["....", "....", "...."]);
        // Row centre y has x from 0 to y.
        let triangle = [[0.0, 0.0], [4.0, 4.0], [0.0, 4.0]];
        assert_eq!(drawn([4, 4], &triangle), ["....", "#...", "##..", "###."]);
    }

    #[test]
    fn crossing_itself_leaves_a_hole() {
        // Two windings of the same square cancel out under the even-odd rule.
        let twice = [
            [0.0, 0.0],
            [2.0, 0.0],
            [2.0, 2.0],
            [0.0, 2.0],
            [0.0, 0.0],
            [2.0, 0.0],
            [2.0, 2.0],
            [0.0, 2.0],
        ];
        assert_eq!(drawn([2, 2], &twice), ["..", ".."]);
    }

    #[test]
    fn what_is_outside_is_cut_off() {
        let large = [[-1e9, -5.0], [1e9, -5.0], [1e9, 1e9], [-1e9, 1e9]];
        assert_eq!(drawn([2, 3], &large), ["###", "###"]);
        assert!(covered([2, 2], &[]).unwrap().is_empty());
        assert!(
            covered([2, 2], &[[1.0, 1.0], [2.0, 2.0]])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let error = covered([2, 2], &[[f32::NAN, 0.0], [1.0, 1.0], [0.0, 1.0]]).unwrap_err();
        assert_eq!(error, "a polygon has a coordinate that is no number");
        let zigzag: Vec<[f32; 2]> = (0..20_000_u16)
            .map(|i| [f32::from(i), f32::from(i % 2) * 1e6])
            .collect();
        let error = covered([1000, 10], &zigzag).unwrap_err();
        assert_eq!(error, "a polygon is too intricate to be a drawn one");
    }

    proptest! {
        /// A square cut by any line through it into two polygons: each pixel is in exactly one.
        #[test]
        fn neighbours_share_no_pixel(top in 0.0_f32..9.0, bottom in 0.0_f32..9.0) {
            let left = [[0.0, 0.0], [top, 0.0], [bottom, 7.0], [0.0, 7.0]];
            let right = [[top, 0.0], [9.0, 0.0], [9.0, 7.0], [bottom, 7.0]];
            let [left, right] = [left, right].map(|points| drawn([7, 9], &points).concat());
            prop_assert!(left.bytes().zip(right.bytes()).all(|(a, b)| a != b), "{left} {right}");
        }
    }
}
