//! Random numbers that depend on nothing but what they are for.

use rand::SeedableRng;
use rand_pcg::Pcg64;

/// The generator of this crate: its numbers stay the same from version to version.
pub type Random = Pcg64;

/// The generator for one purpose: the `index`-th sample of the `stream`-th kind of draw under `seed`.
///
/// Nothing is carried from draw to draw, so work may be done in any order, on any thread, or taken up in
/// the middle, with the same result.
///
/// ```
/// use rand::RngExt;
///
/// let draw = |seed, index| upernet_data::random(seed, 0, index).random::<u64>();
/// assert_eq!(draw(7, 3), draw(7, 3));
/// assert_ne!(draw(7, 3), draw(7, 4));
/// ```
#[must_use]
pub fn random(seed: u64, stream: u64, index: u64) -> Random {
    // SplitMix64's finaliser (Steele, Lea and Flood 2014) spreads neighbouring indices far apart.
    let mix = |value: u64| {
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    let seed = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let stream = mix(seed ^ mix(stream.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    Random::seed_from_u64(mix(stream ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}
