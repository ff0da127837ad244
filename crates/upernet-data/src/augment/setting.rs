//! What the numbers of a config file may be.

use crate::Error;

/// Longest side of a crop or of a photo padded, in pixels.
const LONGEST_SIDE: usize = 1 << 15;

/// Refuses what is no probability.
pub(super) fn check_probability(name: &'static str, probability: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&probability) {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        problem: format!("{probability} is no probability; use a number from 0 to 1"),
    })
}

/// Refuses a range whose ends are not in order, or not between `least` and `most`.
pub(super) fn check_range(
    name: &'static str,
    [low, high]: [f64; 2],
    [least, most]: [f64; 2],
) -> Result<(), Error> {
    if least <= low && low <= high && high <= most {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        problem: format!(
            "[{low}, {high}] is no range; use two numbers from {least} to {most}, the smaller first"
        ),
    })
}

/// Refuses a number below zero or above `most`.
pub(super) fn check_number(name: &'static str, number: f64, most: f64) -> Result<(), Error> {
    if (0.0..=most).contains(&number) {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        problem: format!("{number} is out of range; use a number from 0 to {most}"),
    })
}

/// Refuses a size with a side of zero or one that no network could take.
pub(super) fn check_size(name: &'static str, size: [usize; 2]) -> Result<(), Error> {
    if size.iter().all(|side| (1..=LONGEST_SIDE).contains(side)) {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        problem: format!(
            "{size:?} is no size; use [height, width] with sides from 1 to {LONGEST_SIDE} pixels"
        ),
    })
}
