//! Saturation and hue of pixels.
//!
//! Source: Smith, *Color gamut transform pairs* (1978), the hexcone of HSV; the way back without cases
//! is the usual `f(n) = V - V S max(0, min(k, 4 - k, 1))`, `k = (n + H / 60 degrees) mod 6`.

/// How the colours of a photo change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ColorChange {
    /// What the saturation is multiplied by; it ends at 1.
    pub saturation: Option<f32>,
    /// What is added to the hue, in steps of two degrees.
    pub hue: Option<f32>,
}

/// Pixels that are computed side by side.
const LANES: usize = 16;

/// Samples of some pixels: red, green and blue.
type Planes = [[f32; LANES]; 3];

impl ColorChange {
    /// Changes pixels, red first.
    pub(super) fn apply(self, pixels: &mut [[u8; 3]]) {
        let factor = self.saturation.unwrap_or(1.0);
        match self.hue {
            Some(steps) => {
                let turn = (steps / 30.0).rem_euclid(6.0);
                for_each_chunk(pixels, |planes| turn_hue(planes, factor, turn));
            }
            None if self.saturation.is_some() => {
                for_each_chunk(pixels, |planes| saturate(planes, factor));
            }
            None => {}
        }
    }
}

/// Takes pixels apart into planes, which the compiler makes vectors of, and puts them together again.
fn for_each_chunk(pixels: &mut [[u8; 3]], change: impl Fn(&mut Planes)) {
    let (chunks, rest) = pixels.as_chunks_mut::<LANES>();
    for chunk in chunks {
        change_chunk(chunk, &change);
    }
    let mut last = [[0; 3]; LANES];
    last[..rest.len()].copy_from_slice(rest);
    change_chunk(&mut last, &change);
    rest.copy_from_slice(&last[..rest.len()]);
}

fn change_chunk(pixels: &mut [[u8; 3]; LANES], change: impl Fn(&mut Planes)) {
    let mut planes = [0, 1, 2].map(|channel| pixels.map(|pixel| f32::from(pixel[channel])));
    change(&mut planes);
    for (channel, plane) in planes.into_iter().enumerate() {
        for (pixel, sample) in pixels.iter_mut().zip(plane) {
            pixel[channel] = to_byte(sample);
        }
    }
}

/// Multiplies the saturation; hue and value stay.
fn saturate([reds, greens, blues]: &mut Planes, factor: f32) {
    for lane in 0..LANES {
        let pixel = [reds[lane], greens[lane], blues[lane]];
        let [value, chroma] = value_and_chroma(pixel);
        // Grey has no saturation to multiply; the quotient only has to be finite.
        let factor = factor.min(value / chroma.max(1.0));
        [reds[lane], greens[lane], blues[lane]] =
            pixel.map(|sample| value - (value - sample) * factor);
    }
}

/// Multiplies the saturation and adds `turn` sixths of a circle, 0 to 6, to the hue.
fn turn_hue([reds, greens, blues]: &mut Planes, factor: f32, turn: f32) {
    for lane in 0..LANES {
        let [red, green, blue] = [reds[lane], greens[lane], blues[lane]];
        let [value, chroma] = value_and_chroma([red, green, blue]);
        let from_green = green >= value;
        let difference = if from_green { blue - red } else { red - green };
        let start = if from_green { 2.0 } else { 4.0 };
        let from_red = red >= value;
        let difference = if from_red { green - blue } else { difference };
        let start = if from_red { 0.0 } else { start };
        let hue = wrapped(start + difference / chroma.max(1.0) + turn);
        let chroma = (chroma * factor).min(value);
        [reds[lane], greens[lane], blues[lane]] = [5.0, 3.0, 1.0].map(|offset: f32| {
            let place = wrapped(offset + hue);
            value - chroma * place.min(4.0 - place).clamp(0.0, 1.0)
        });
    }
}

fn value_and_chroma([red, green, blue]: [f32; 3]) -> [f32; 2] {
    let value = red.max(green).max(blue);
    [value, value - red.min(green).min(blue)]
}

/// Brings a hue of -6 to 12 sixths of a circle to 0 to 6.
fn wrapped(hue: f32) -> f32 {
    let hue = if hue >= 6.0 { hue - 6.0 } else { hue };
    if hue < 0.0 { hue + 6.0 } else { hue }
}

/// Rounds a sample of 0 to 255.
fn to_byte(sample: f32) -> u8 {
    // At 2^23 the last bit of a float counts 1, so the sum is rounded and its low byte the number.
    const ONES: f32 = 8_388_608.0;
    (sample + ONES).to_bits().to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn change(saturation: f32, hue: f32, pixel: [u8; 3]) -> [u8; 3] {
        let mut pixels = [pixel];
        ColorChange {
            saturation: Some(saturation),
            hue: Some(hue),
        }
        .apply(&mut pixels);
        pixels[0]
    }

    // Python 3.11.7: h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in pixel))
    // [round(255 * c) for c in colorsys.hsv_to_rgb((h + hue / 180) % 1, min(1, s * saturation), v)]
    #[rstest]
    #[case::red(1.0, 18.0, [255, 0, 0], [255, 153, 0])]
    #[case::warm(0.5, -18.0, [200, 120, 40], [200, 120, 128])]
    #[case::sky(1.5, 7.5, [90, 140, 220], [25, 51, 220])]
    #[case::leaf(1.25, -12.25, [60, 130, 50], [83, 130, 30])]
    #[case::dark(0.8, 17.0, [12, 7, 30], [26, 12, 30])]
    #[case::full(1.5, -5.0, [250, 20, 10], [250, 0, 31])]
    #[case::back(1.0, -18.0, [255, 0, 40], [255, 0, 193])]
    #[case::violet(0.6, 18.0, [180, 20, 240], [240, 108, 197])]
    fn colours_are_those_of_the_hexcone(
        #[case] saturation: f32,
        #[case] hue: f32,
        #[case] pixel: [u8; 3],
        #[case] expected: [u8; 3],
    ) {
        assert_eq!(change(saturation, hue, pixel), expected);
    }

    #[test]
    fn saturation_alone_is_saturation_with_no_turn() {
        for pixel in [
            [10, 200, 90],
            [255, 0, 0],
            [3, 4, 250],
            [77, 77, 77],
            [0, 0, 0],
        ] {
            for factor in [0.5, 0.9, 1.0, 1.3] {
                let mut pixels = [pixel];
                ColorChange {
                    saturation: Some(factor),
                    hue: None,
                }
                .apply(&mut pixels);
                let both = change(factor, 0.0, pixel);
                for (alone, both) in pixels[0].into_iter().zip(both) {
                    assert!(alone.abs_diff(both) <= 1, "{pixel:?} {factor}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_largest_sample_stays(pixel: [u8; 3], saturation in 0.5_f32..1.5, hue in -18.0_f32..18.0) {
            let changed = change(saturation, hue, pixel);
            prop_assert_eq!(changed.iter().max(), pixel.iter().max());
        }

        #[test]
        fn grey_stays_grey(gray: u8, saturation in 0.5_f32..1.5, hue in -18.0_f32..18.0) {
            prop_assert_eq!(change(saturation, hue, [gray; 3]), [gray; 3]);
        }
    }
}
