//! From light on the samples to the photo and its mask.

use upernet_image::{LabelMap, image::RgbImage};

use super::{
    canvas::{Canvas, Material, Row, position},
    color::Color,
    dice::Dice,
    noise::scramble,
};
use crate::Sample;

/// How the camera turns light into a photo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Film {
    exposure: f32,
    balance: Color,
    saturation: f32,
    vignette: f32,
    /// How much darker dark and brighter bright parts get.
    contrast: f32,
    /// Share of a pixel's light that falls into its corners, 0.5 when sharp.
    softness: f32,
    noise: f32,
    black: f32,
    salt: u32,
}

impl Film {
    /// Rolls the dice for a camera's electronics.
    pub(super) fn roll(dice: &mut Dice, exposure: f32) -> Self {
        Self {
            exposure,
            balance: Color([
                dice.about(0.82, 1.12),
                dice.about(0.94, 1.06),
                dice.about(0.88, 1.24),
            ]),
            saturation: dice.about(0.5, 1.25),
            vignette: dice.between(0.0, 0.45),
            contrast: dice.between(0.0, 0.9),
            softness: dice.between(0.45, 0.85),
            noise: dice.between(0.5, 5.0),
            black: dice.between(0.0, 0.006),
            salt: dice.salt(),
        }
    }

    /// Develops what is on a canvas.
    pub(super) fn develop(&self, canvas: &Canvas) -> Sample {
        let [rows, columns] = canvas.size();
        let (height, width) = (rows / 2, columns - 1);
        let mut labels = Vec::with_capacity(height * width);
        let mut bytes = Vec::with_capacity(3 * height * width);
        let mut corners = [(); 2].map(|()| vec![Color([0.0; 3]); columns]);
        let mut centers = vec![Color([0.0; 3]); columns];
        shade(canvas, 0, &mut corners[1]);
        for row in 0..height {
            corners.swap(0, 1);
            shade(canvas, 2 * row + 1, &mut centers);
            shade(canvas, 2 * row + 2, &mut corners[1]);
            let class = |&id: &u16| canvas.surfaces()[usize::from(id)].class as u16;
            labels.extend(canvas.row(2 * row + 1).front[..width].iter().map(class));
            let down = (row as f32 + 0.5) / height as f32 - 0.5;
            for (column, &center) in centers[..width].iter().enumerate() {
                let [above, below] =
                    [&corners[0], &corners[1]].map(|line| line[column] + line[column + 1]);
                let light =
                    center * (1.0 - self.softness) + (above + below) * (0.25 * self.softness);
                let right = (column as f32 + 0.5) / width as f32 - 0.5;
                let far = 2.0 * (right * right + down * down);
                let key = scramble(self.salt ^ u32::try_from(row * width + column).unwrap_or(0));
                bytes.extend(self.pixel(light * (1.0 - self.vignette * far), key));
            }
        }
        let image = u32::try_from(width)
            .ok()
            .zip(u32::try_from(height).ok())
            .and_then(|(width, height)| RgbImage::from_raw(width, height, bytes));
        Sample {
            image: image.expect("three bytes for each pixel"),
            labels: LabelMap::new([height, width], labels).expect("a label for each pixel"),
        }
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a byte after the clamp"
    )]
    fn pixel(&self, light: Color, key: u32) -> [u8; 3] {
        let light = light * self.balance * self.exposure;
        let light = Color([light.luminance(); 3]).mix(light, self.saturation);
        let Color(channels) = light;
        let mut key = key;
        channels.map(|value| {
            let value = value.max(0.0) + self.black;
            let toned = (1.1 * value / (1.0 + value * value).sqrt()).sqrt();
            let toned = toned.min(1.0);
            let toned = toned + self.contrast * (toned * toned * (3.0 - 2.0 * toned) - toned);
            key = scramble(key.wrapping_add(1));
            // Two uniform numbers make a triangle, which is noise enough.
            let grain = ((key & 0xffff) as f32 + (key >> 16) as f32) / 65_535.0 - 1.0;
            (255.0 * toned + self.noise * 2.0 * grain + 0.5).clamp(0.0, 255.0) as u8
        })
    }
}

/// The colours of a row of samples.
fn shade(canvas: &Canvas, number: usize, samples: &mut [Color]) {
    let Row {
        front,
        behind,
        light,
    } = canvas.row(number);
    let surfaces = canvas.surfaces();
    for (column, sample) in samples.iter_mut().enumerate() {
        let at = position(number, column);
        let color = match &surfaces[usize::from(front[column])].material {
            Material::Solid(color) => color(at),
            Material::Veil(veil) => {
                let (color, cover) = veil(at);
                match &surfaces[usize::from(behind[column])].material {
                    Material::Solid(behind) if cover < 1.0 => behind(at).mix(color, cover),
                    _ => color,
                }
            }
        };
        *sample = color * (f32::from(light[column]) / 255.0);
    }
}
