//! Colours that stay apart with every kind of colour vision.

/// Red, green, blue.
pub(super) type Color = [u8; 3];

pub(super) const WHITE: Color = [255, 255, 255];
/// Words and numbers.
pub(super) const INK: Color = [38, 42, 48];
/// What is said beside the matter.
pub(super) const MUTED: Color = [104, 110, 120];
/// Lines along an axis.
pub(super) const FRAME: Color = [168, 174, 182];
/// Lines at ticks.
pub(super) const GRID: Color = [228, 231, 235];
/// Lines between ticks, and places without data.
pub(super) const FAINT: Color = [242, 243, 245];
/// What went wrong.
pub(super) const ALERT: Color = [213, 94, 0];

/// Okabe and Ito's colours, those first that stand out from white; vermilion, their sixth, is
/// [`ALERT`] too.
const SERIES: [Color; 7] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [213, 94, 0],
    [0, 0, 0],
];

/// Returns the colour of a panel's series, and after how many rounds through the colours it came.
pub(super) fn series_color(index: usize) -> (Color, usize) {
    (SERIES[index % SERIES.len()], index / SERIES.len())
}

/// Mixes a colour with white: 0 gives white, 1 the colour.
pub(super) fn pale(color: Color, share: f32) -> Color {
    color.map(|channel| byte(255.0 + (f32::from(channel) - 255.0) * share))
}

/// Returns the colour of a share from 0 (almost white) to 1 (dark blue).
///
/// Lightness falls evenly, so order is seen without hue. Oklab is by Björn Ottosson (2020),
/// <https://bottosson.github.io/posts/oklab/>.
pub(super) fn share_color(share: f32) -> Color {
    let share = if share.is_nan() {
        0.0
    } else {
        share.clamp(0.0, 1.0)
    };
    let lightness = 0.985 - 0.69 * share;
    let chroma = 0.004 + 0.085 * (std::f32::consts::PI * share).sin() + 0.055 * share;
    let hue = (232.0 + 30.0 * share).to_radians();
    oklab(lightness, chroma * hue.cos(), chroma * hue.sin())
}

/// Returns the colour of letters that are read well on `ground`.
pub(super) fn ink_on(ground: Color) -> Color {
    let [red, green, blue] = ground.map(f32::from);
    if 0.299 * red + 0.587 * green + 0.114 * blue > 140.0 {
        INK
    } else {
        WHITE
    }
}

fn oklab(lightness: f32, a: f32, b: f32) -> Color {
    let long = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let middle = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let short = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * long - 3.307_711_6 * middle + 0.230_969_93 * short,
        -1.268_438 * long + 2.609_757_4 * middle - 0.341_319_4 * short,
        -0.004_196_086_3 * long - 0.703_418_6 * middle + 1.707_614_7 * short,
    ]
    .map(|linear| byte(255.0 * gamma(linear.clamp(0.0, 1.0))))
}

/// The curve of sRGB, IEC 61966-2-1.
fn gamma(linear: f32) -> f32 {
    if linear <= 0.003_130_8 {
        12.92 * linear
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a byte's range"
)]
fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oklab_of_white_and_of_red_are_the_authors() {
        assert_eq!(oklab(1.0, 0.0, 0.0), WHITE);
        // The post's table gives red of sRGB as 0.627955, 0.224863, 0.125846.
        assert_eq!(oklab(0.627_955, 0.224_863, 0.125_846), [255, 0, 0]);
    }

    #[test]
    fn more_is_darker() {
        let light = |share: f32| {
            let [red, green, blue] = share_color(share).map(f32::from);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        for step in 0..100_u8 {
            let share = f32::from(step) / 100.0;
            assert!(light(share) > light(share + 0.01), "at {share}");
        }
        assert_eq!(ink_on(share_color(0.0)), INK);
        assert_eq!(ink_on(share_color(1.0)), WHITE);
        assert_eq!(share_color(f32::NAN), share_color(0.0));
    }

    #[test]
    fn series_beyond_the_colours_start_over() {
        assert_eq!(series_color(0), ([0, 114, 178], 0));
        assert_eq!(series_color(7), ([0, 114, 178], 1));
    }
}
