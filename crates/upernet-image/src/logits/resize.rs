//! Twice resized logits in full, for those who want to keep them.

use rayon::prelude::*;

use super::Logits;
use super::axis::AxisTaps;

/// Rows handed over at once at most.
const PIECE_ROWS: usize = 256;

/// Computes class after class: its grid stretched to the target's width, then piece after piece.
pub(super) fn stream<E>(
    logits: &Logits<'_>,
    [rows, columns]: &[AxisTaps; 2],
    mut sink: impl FnMut(&[f32]) -> Result<(), E>,
) -> Result<(), E> {
    let width = columns.len();
    let mut stretched = vec![0.0; rows.source() * width];
    let mut piece = vec![0.0; PIECE_ROWS.min(rows.len()) * width];
    for label in 0..logits.num_labels {
        stretch(logits.plane(label), columns, &mut stretched);
        for taps in rows.taps().chunks(PIECE_ROWS) {
            let piece = &mut piece[..taps.len() * width];
            piece
                .par_chunks_mut(width)
                .zip(taps)
                .for_each(|(output, taps)| {
                    output.fill(0.0);
                    for (index, weight) in taps.iter() {
                        for (value, sample) in output.iter_mut().zip(&stretched[index * width..]) {
                            *value += weight * sample;
                        }
                    }
                });
            sink(piece)?;
        }
    }
    Ok(())
}

/// Interpolates along every row of a grid.
fn stretch(plane: &[f32], columns: &AxisTaps, stretched: &mut [f32]) {
    stretched
        .par_chunks_mut(columns.len())
        .zip(plane.par_chunks(columns.source()))
        .for_each(|(output, row)| {
            for (value, taps) in output.iter_mut().zip(columns.taps()) {
                *value = taps.iter().map(|(index, weight)| weight * row[index]).sum();
            }
        });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::argmax::{Candidates, argmax};
    use super::*;

    /// The slow obvious version: a plain bilinear resize of one plane, in f64.
    fn plain_resize(values: &[f64], source: [usize; 2], target: [usize; 2]) -> Vec<f64> {
        let neighbours = |axis: usize, position: usize| {
            let scale = source[axis] as f64 / target[axis] as f64;
            let point = ((position as f64 + 0.5) * scale - 0.5).max(0.0);
            let lower = point.floor().min(source[axis] as f64 - 1.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a floor"
            )]
            let index = lower as usize;
            (index, (index + 1).min(source[axis] - 1), point - lower)
        };
        let mut resized = Vec::new();
        for row in 0..target[0] {
            let (top, bottom, down) = neighbours(0, row);
            for column in 0..target[1] {
                let (left, right, along) = neighbours(1, column);
                let at = |y: usize, x: usize| values[y * source[1] + x];
                let upper = at(top, left) * (1.0 - along) + at(top, right) * along;
                let lower = at(bottom, left) * (1.0 - along) + at(bottom, right) * along;
                resized.push(upper * (1.0 - down) + lower * down);
            }
        }
        resized
    }

    fn oracle(logits: &Logits<'_>, model_size: [usize; 2], target: [usize; 2]) -> Vec<Vec<f64>> {
        (0..logits.num_labels)
            .map(|label| {
                let plane: Vec<f64> = logits.plane(label).iter().map(|&v| f64::from(v)).collect();
                let middle = plain_resize(&plane, logits.size, model_size);
                plain_resize(&middle, model_size, target)
            })
            .collect()
    }

    #[derive(Debug)]
    struct Case {
        num_labels: usize,
        sizes: [[usize; 2]; 3],
        values: Vec<f32>,
    }

    fn case() -> impl Strategy<Value = Case> {
        let sizes = prop::array::uniform3(prop::array::uniform2(1_usize..=40));
        (1_usize..=9, sizes, any::<bool>()).prop_flat_map(|(num_labels, sizes, few_values)| {
            let count = num_labels * sizes[0][0] * sizes[0][1];
            // Few values make many exact ties between classes.
            let value = if few_values {
                (-2_i8..=2).prop_map(f32::from).boxed()
            } else {
                (-9.0_f32..9.0).boxed()
            };
            proptest::collection::vec(value, count).prop_map(move |values| Case {
                num_labels,
                sizes,
                values,
            })
        })
    }

    proptest! {
        #[test]
        fn equal_to_the_obvious_version(case in case()) {
            let [size, model_size, target] = case.sizes;
            let logits = Logits::new(&case.values, case.num_labels, size).unwrap();
            let expected = oracle(&logits, model_size, target);
            let resized = logits.resized(model_size, target).unwrap();
            for (value, expected) in resized.iter().zip(expected.iter().flatten()) {
                prop_assert!((f64::from(*value) - expected).abs() < 1e-4, "{value} {expected}");
            }
            let labels = logits.argmax_resized(model_size, target).unwrap();
            for (pixel, &label) in labels.labels().iter().enumerate() {
                let highest = expected.iter().map(|plane| plane[pixel]).fold(f64::MIN, f64::max);
                let chosen = expected[usize::from(label)][pixel];
                prop_assert!(highest - chosen < 1e-4, "pixel {pixel}: {chosen} under {highest}");
            }
        }

        #[test]
        fn bounds_leave_out_no_winner(case in case()) {
            let [size, model_size, target] = case.sizes;
            let logits = Logits::new(&case.values, case.num_labels, size).unwrap();
            let axes = logits.axes(model_size, target).unwrap();
            let bounded = argmax(&logits, &axes, Candidates::Bounded);
            prop_assert_eq!(bounded, argmax(&logits, &axes, Candidates::All));
        }
    }

    #[test]
    fn of_equal_logits_the_first_wins() {
        let plane = [0.3, -1.0, 2.0, 0.7];
        let values = [plane.map(|v| v - 1.0), plane, plane].concat();
        let logits = Logits::new(&values, 3, [2, 2]).unwrap();
        let labels = logits.argmax_resized([7, 9], [33, 65]).unwrap();
        assert!(labels.labels().iter().all(|&label| label == 1));
    }

    #[test]
    fn a_sinks_error_ends_the_stream() {
        let logits = Logits::new(&[0.0; 4], 4, [1, 1]).unwrap();
        let mut pieces = 0;
        let result = logits.stream_resized([2, 2], [300, 2], |piece| {
            pieces += 1;
            assert!(piece.len() <= PIECE_ROWS * 2);
            if pieces == 3 {
                Err(std::io::Error::other("disk full"))
            } else {
                Ok(())
            }
        });
        assert_eq!(result.unwrap_err().to_string(), "disk full");
        assert_eq!(pieces, 3);
    }
}
