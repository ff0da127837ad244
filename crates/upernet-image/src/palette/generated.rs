//! Well-spread colours for any number of classes.
//!
//! Greedy farthest-point choice among 4,096 colours in Oklab, where distance is close to what the eye
//! sees. Source: Ottosson, *A perceptual color space for image processing* (2020),
//! <https://bottosson.github.io/posts/oklab/>.

use std::sync::OnceLock;

/// Samples per channel of the candidates' grid, 17 apart.
const LEVELS: usize = 16;

/// Oklab lightness, in steps of [`STEPS`] to one, that reads on both light and dark pictures.
const LIGHTNESS: std::ops::RangeInclusive<i64> = 3_800..=9_000;
const STEPS: f64 = 10_000.0;

/// Returns the first `count` colours of the one endless sequence.
pub(super) fn spread_colors(count: usize) -> Vec<[u8; 3]> {
    // Few classes are the rule; the whole order takes some milliseconds more and is made at most once.
    static FIRST: OnceLock<Vec<[u8; 3]>> = OnceLock::new();
    static ALL: OnceLock<Vec<[u8; 3]>> = OnceLock::new();
    const FEW: usize = 256;
    let order = if count <= FEW {
        FIRST.get_or_init(|| farthest_first(FEW))
    } else {
        ALL.get_or_init(|| farthest_first(LEVELS.pow(3)))
    };
    order.iter().copied().cycle().take(count).collect()
}

/// Starts at a strong red, then always takes the candidate farthest from all chosen ones.
///
/// Candidates of readable lightness come first, the others when these are used up.
fn farthest_first(count: usize) -> Vec<[u8; 3]> {
    let colors = candidates();
    let places: Vec<[i64; 3]> = colors.iter().map(|&color| oklab(color)).collect();
    let mut gaps = vec![i64::MAX; colors.len()];
    let mut next = colors
        .iter()
        .position(|&color| color == [221, 51, 51])
        .unwrap_or(0);
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count.min(colors.len()) {
        chosen.push(colors[next]);
        for (gap, place) in gaps.iter_mut().zip(&places) {
            *gap = (*gap).min(squared_distance(place, &places[next]));
        }
        // A chosen colour has gap zero, all others more: it is never chosen again.
        let rank = |&index: &usize| {
            let readable = gaps[index] > 0 && LIGHTNESS.contains(&places[index][0]);
            (readable, gaps[index], std::cmp::Reverse(index))
        };
        next = (0..colors.len()).max_by_key(rank).unwrap_or(0);
    }
    chosen
}

fn candidates() -> Vec<[u8; 3]> {
    let level = |index: usize| u8::try_from(index % LEVELS * 17).unwrap_or(u8::MAX);
    (0..LEVELS.pow(3))
        .map(|index| {
            [
                level(index / LEVELS / LEVELS),
                level(index / LEVELS),
                level(index),
            ]
        })
        .collect()
}

fn squared_distance(a: &[i64; 3], b: &[i64; 3]) -> i64 {
    a.iter().zip(b).map(|(a, b)| (a - b).pow(2)).sum()
}

/// Oklab in whole steps, so that the last bit of a platform's `powf` cannot change the order.
#[expect(
    clippy::cast_possible_truncation,
    reason = "values are within a few times STEPS"
)]
fn oklab(color: [u8; 3]) -> [i64; 3] {
    let [red, green, blue] = color.map(|sample| linear(f64::from(sample) / 255.0));
    let long = (0.412_221_470_8 * red + 0.536_332_536_3 * green + 0.051_445_992_9 * blue).cbrt();
    let medium = (0.211_903_498_2 * red + 0.680_699_545_1 * green + 0.107_396_956_6 * blue).cbrt();
    let short = (0.088_302_461_9 * red + 0.281_718_837_6 * green + 0.629_978_700_5 * blue).cbrt();
    [
        0.210_454_255_3 * long + 0.793_617_785_0 * medium - 0.004_072_046_8 * short,
        1.977_998_495_1 * long - 2.428_592_205_0 * medium + 0.450_593_709_9 * short,
        0.025_904_037_1 * long + 0.782_771_766_2 * medium - 0.808_675_766_0 * short,
    ]
    .map(|value| (value * STEPS).round() as i64)
}

/// Undoes the sRGB curve.
fn linear(sample: f64) -> f64 {
    if sample <= 0.040_45 {
        sample / 12.92
    } else {
        ((sample + 0.055) / 1.055).powf(2.4)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn oklab_of_the_corners() {
        // Published with the colour space: white is (1, 0, 0), red (0.628, 0.225, 0.126).
        assert_eq!(oklab([0; 3]), [0, 0, 0]);
        assert_eq!(oklab([255; 3]), [10_000, 0, 0]);
        let red = oklab([255, 0, 0]);
        assert!(
            squared_distance(&red, &[6_280, 2_249, 1_258]) < 10,
            "{red:?}"
        );
    }

    #[test]
    fn no_duplicates_and_shorter_is_a_beginning() {
        let all = spread_colors(5_000);
        let unique: HashSet<_> = all[..4_096].iter().collect();
        assert_eq!(unique.len(), 4_096);
        assert_eq!(all[4_096], all[0]);
        for count in [0, 1, 2, 19, 150, 256, 257] {
            assert_eq!(spread_colors(count), all[..count]);
        }
    }

    /// Distances in Oklab steps: 200 (0.02) is about where neighbours on a map become hard to tell.
    #[test]
    fn colors_lie_apart() {
        for (count, least) in [(11, 2_000), (19, 1_500), (150, 550), (256, 400)] {
            let places: Vec<_> = spread_colors(count).into_iter().map(oklab).collect();
            let closest = (0..count)
                .flat_map(|i| (0..i).map(move |j| (i, j)))
                .map(|(i, j)| squared_distance(&places[i], &places[j]))
                .min()
                .unwrap();
            assert!(
                closest >= least * least,
                "{count} colours: {}",
                closest.isqrt()
            );
            assert!(places.iter().all(|place| LIGHTNESS.contains(&place[0])));
        }
    }
}
