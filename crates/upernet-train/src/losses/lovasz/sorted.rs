//! What a pixel's error counts in the Lovasz extension of the Jaccard loss.

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

/// The mean loss over classes, and its slope in each probability.
pub(super) struct Weighted {
    pub(super) loss: f64,
    /// `[K, pixels]`.
    pub(super) slopes: Vec<f32>,
}

/// Sorts the errors of each class that is present.
///
/// `probabilities`: `[K, pixels]`; `labels`: `[pixels]`; `present`: the `K` classes.
pub(super) fn weights(probabilities: &[f32], labels: &[Option<u32>], present: &[u32]) -> Weighted {
    let mut slopes = vec![0.0; probabilities.len()];
    let share = 1.0 / present.len() as f64;
    let losses: Vec<f64> = present
        .par_iter()
        .zip(probabilities.par_chunks_exact(labels.len()))
        .zip(slopes.par_chunks_exact_mut(labels.len()))
        .map(|((&class, probabilities), slopes)| {
            class_weights(probabilities, labels, class, share, slopes)
        })
        .collect();
    Weighted {
        loss: losses.iter().sum(),
        slopes,
    }
}

/// The loss of one class, times `share`, and its slopes. Algorithm 1 of Berman and others 2018.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the index is the key's lower half; slopes are rounded once, at the end"
)]
fn class_weights(
    probabilities: &[f32],
    labels: &[Option<u32>],
    class: u32,
    share: f64,
    slopes: &mut [f32],
) -> f64 {
    let error = |pixel: usize| {
        let target = if labels[pixel] == Some(class) {
            1.0
        } else {
            0.0
        };
        (target - probabilities[pixel]).abs()
    };
    // Errors are not negative, so their bits sort as they do: largest first, then by position.
    let mut keys: Vec<u64> = (0_u32..)
        .zip(labels)
        .filter(|(_, label)| label.is_some())
        .map(|(pixel, _)| {
            let bits = !error(pixel as usize).to_bits();
            u64::from(bits) << 32 | u64::from(pixel)
        })
        .collect();
    keys.sort_unstable();

    let members = labels.iter().filter(|&&label| label == Some(class)).count() as f64;
    let (mut hit, mut others, mut jaccard, mut loss) = (0.0_f64, 0.0_f64, 0.0, 0.0);
    for key in keys {
        let pixel = key as u32 as usize;
        let is_member = labels[pixel] == Some(class);
        if is_member {
            hit += 1.0;
        } else {
            others += 1.0;
        }
        let next = 1.0 - (members - hit) / (members + others);
        let weight = share * (next - jaccard);
        jaccard = next;
        loss += weight * f64::from(error(pixel));
        slopes[pixel] = if is_member { -weight } else { weight } as f32;
    }
    loss
}
