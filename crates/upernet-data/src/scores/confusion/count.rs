//! The loop over pixels.

/// Pixels looked at together: one vector register of labels.
const RUN: usize = 16;

/// Returns the first pixel whose labels, truth and prediction, cannot be counted.
pub(super) fn first_fault(
    num_labels: usize,
    ignore_id: u16,
    [truth, predicted]: [&[u16]; 2],
) -> Option<usize> {
    // Labels fit 16 bits, so more classes than that accept every label.
    let last = u16::try_from(num_labels - 1).unwrap_or(u16::MAX);
    let fault = |(&truth, &predicted): (&u16, &u16)| {
        u16::from(truth != ignore_id) & (u16::from(truth > last) | u16::from(predicted > last))
    };
    // Without a way out of the loop, the compiler makes it one over vectors.
    let pairs = || truth.iter().zip(predicted);
    let any = pairs().fold(0, |any, pair| any | fault(pair));
    if any == 0 {
        return None;
    }
    pairs().position(|pair| fault(pair) != 0)
}

/// Adds pixels to a matrix `[num_labels, num_labels]`, truth by row.
///
/// Real masks are mostly runs, where all pixels of a vector fall into one cell: these are added at once.
/// Adding them one by one would wait, each time, for the cell that the pixel before has just written.
///
/// # Panics
///
/// Panics if [`first_fault`] finds one.
pub(super) fn add_pixels(
    pixels: &mut [u64],
    num_labels: usize,
    ignore_id: u16,
    [truth, predicted]: [&[u16]; 2],
) {
    let mut add = |truth: u16, predicted: u16, count: u64| {
        if truth != ignore_id {
            pixels[usize::from(truth) * num_labels + usize::from(predicted)] += count;
        }
    };
    let (truth_runs, truth_rest) = truth.as_chunks::<RUN>();
    let (predicted_runs, predicted_rest) = predicted.as_chunks::<RUN>();
    for (truth, predicted) in truth_runs.iter().zip(predicted_runs) {
        let (first_truth, first_predicted) = (truth[0], predicted[0]);
        let differences = truth
            .iter()
            .zip(predicted)
            .fold(0, |all, (&truth, &predicted)| {
                all | (truth ^ first_truth) | (predicted ^ first_predicted)
            });
        if differences == 0 {
            add(first_truth, first_predicted, RUN as u64);
            continue;
        }
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            add(truth, predicted, 1);
        }
    }
    for (&truth, &predicted) in truth_rest.iter().zip(predicted_rest) {
        add(truth, predicted, 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs of pixels, some longer than a vector, with a few ignored.
    fn labels() -> impl Strategy<Value = [Vec<u16>; 2]> {
        let pair = (prop_oneof![4 => 0_u16..5, 1 => Just(255)], 0_u16..5);
        proptest::collection::vec((pair, 1_usize..40), 0..12).prop_map(|runs| {
            let spread = |side: fn((u16, u16)) -> u16| {
                let run = |&(pair, length): &((u16, u16), usize)| vec![side(pair); length];
                runs.iter().flat_map(run).collect()
            };
            [spread(|pair| pair.0), spread(|pair| pair.1)]
        })
    }

    proptest! {
        #[test]
        fn runs_are_counted_like_pixels([truth, predicted] in labels()) {
            let mut expected = vec![0; 25];
            for (&truth, &predicted) in truth.iter().zip(&predicted) {
                if truth != 255 {
                    expected[usize::from(truth * 5 + predicted)] += 1;
                }
            }
            let mut pixels = vec![0; 25];
            add_pixels(&mut pixels, 5, 255, [&truth, &predicted]);
            prop_assert_eq!(pixels, expected);
        }
    }

    #[test]
    fn the_first_fault_is_found() {
        let fault = |truth: &[u16], predicted: &[u16]| first_fault(3, 255, [truth, predicted]);
        assert_eq!(fault(&[0, 1, 2, 255], &[2, 1, 0, 255]), None);
        assert_eq!(fault(&[0, 3, 2, 4], &[0, 0, 0, 0]), Some(1));
        assert_eq!(fault(&[0, 1, 2], &[0, 0, 3]), Some(2));
        assert_eq!(fault(&[255, 0], &[9, 255]), Some(1));
        assert_eq!(fault(&[], &[]), None);
        let mut long = vec![0; 100];
        long[77] = 65_535;
        assert_eq!(fault(&long, &[0; 100]), Some(77));
    }
}
