//! COCO's compressed runs.
//!
//! Source: `rleFrString` in cocoapi's `common/maskApi.c`. Each number is written in groups of five bits,
//! lowest first, 48 added to make it printable; bit 6 says that more follow, and the sign is that of the
//! last group. From the fourth number on, the number two before is to be added.

/// Reads the lengths of runs, outside and inside in turn; at most `most` of them.
pub(super) fn decompress(text: &str, most: usize) -> Result<Vec<u32>, String> {
    let damaged = || "damaged compressed runs".to_owned();
    let mut counts: Vec<i64> = Vec::new();
    let mut bytes = text.bytes();
    while let Some(first) = bytes.next() {
        if counts.len() == most {
            return Err("more runs than pixels".to_owned());
        }
        let mut value = number(first, &mut bytes).ok_or_else(damaged)?;
        if counts.len() > 2 {
            value += counts[counts.len() - 2];
        }
        if !(0..=i64::from(u32::MAX)).contains(&value) {
            return Err(damaged());
        }
        counts.push(value);
    }
    Ok(counts
        .into_iter()
        .filter_map(|count| u32::try_from(count).ok())
        .collect())
}

fn number(first: u8, rest: &mut impl Iterator<Item = u8>) -> Option<i64> {
    /// Seven groups hold every 32-bit number.
    const MOST_GROUPS: u32 = 7;
    let mut byte = first;
    let mut value = 0_i64;
    for group in 0..MOST_GROUPS {
        let bits = byte.checked_sub(48).filter(|&bits| bits < 64)?;
        value |= i64::from(bits & 0x1f) << (5 * group);
        if bits & 0x20 == 0 {
            let is_negative = bits & 0x10 != 0;
            return Some(if is_negative {
                value | (-1 << (5 * (group + 1)))
            } else {
                value
            });
        }
        byte = rest.next()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `rleToString` of the same file, the other way round.
    fn compress(counts: &[u32]) -> String {
        let mut text = String::new();
        for (index, &count) in counts.iter().enumerate() {
            let before = if index > 2 {
                i64::from(counts[index - 2])
            } else {
                0
            };
            let mut value = i64::from(count) - before;
            loop {
                let mut bits = u8::try_from(value & 0x1f).unwrap();
                value >>= 5;
                let more = if bits & 0x10 == 0 {
                    value != 0
                } else {
                    value != -1
                };
                bits |= if more { 0x20 } else { 0 };
                text.push(char::from(bits + 48));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// By hand: 6 -> '6', 1 -> '1', 40 = 8 + 1 * 32 -> 'X', '1', 4 - 1 = 3 -> '3', 5 - 40 = -35 = 29 - 2 * 32
    /// -> 'm', 'N', then differences of zero, and 21 - 5 = 16, whose fifth bit needs a group of zeros.
    #[test]
    fn an_example_by_hand() {
        let counts = [6, 1, 40, 4, 5, 4, 5, 4, 21];
        assert_eq!(decompress("61X13mN000`0", 90).unwrap(), counts);
        assert_eq!(compress(&counts), "61X13mN000`0");
    }

    #[test]
    fn damage_is_named() {
        for text in ["!", "X", "XXXXXXXXXX", "N", "~"] {
            assert_eq!(
                decompress(text, 9).unwrap_err(),
                "damaged compressed runs",
                "{text}"
            );
        }
        assert_eq!(decompress("111", 2).unwrap_err(), "more runs than pixels");
    }

    proptest! {
        #[test]
        fn every_list_survives(counts in prop::collection::vec(any::<u32>(), 0..50)) {
            prop_assert_eq!(decompress(&compress(&counts), 50).unwrap(), counts);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            prop_assert!(decompress(&text, 100).map_or(true, |counts| counts.len() <= 100));
        }
    }
}
