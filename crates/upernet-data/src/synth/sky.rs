//! The sky: a dome with clouds and the glow of the sun.

use super::{
    camera::{Camera, dot, unit},
    canvas::{Material, Point, Surface},
    class::Class,
    color::{Color, grey},
    dice::Dice,
    light::Light,
    noise,
};

/// Rolls the dice for the clouds of a sky.
pub(super) fn sky(dice: &mut Dice, camera: Camera, light: Light) -> Surface {
    let shift = [dice.between(0.0, 90.0), dice.between(0.0, 90.0)];
    let size = dice.between(0.5, 2.5);
    let stretch = dice.between(0.35, 1.0);
    let shade = dice.between(0.45, 0.95);
    let color = move |[x, y]: Point| {
        let up = ((camera.horizon - y) / camera.focal).max(0.0);
        let right = (x - 0.5 * camera.size[1]) / camera.focal;
        let height = up / (0.35 + up);
        let dome = light.dome[0].mix(light.dome[1], height);
        let flat = size / (0.18 + up);
        let rough = noise::rough(right * flat * stretch + shift[0], flat + shift[1]);
        let cover = noise::step(
            0.85 - 0.8 * light.clouds,
            1.15 - 0.8 * light.clouds,
            rough + 0.1,
        );
        let thick = noise::smooth(right * flat * 2.0 + shift[1], 2.0 * flat);
        let cloud = light.dome[0] * (1.15 - (1.0 - shade) * thick);
        let glow = dot(unit([right, up, 1.0]), light.direction).max(0.0);
        let glow = glow * glow * glow * glow;
        dome.mix(cloud, cover) + sun(light) * (0.9 * glow * glow * glow)
    };
    Surface {
        class: Class::Sky,
        material: Material::Solid(Box::new(color)),
    }
}

fn sun(light: Light) -> Color {
    light.sun + grey(30.0)
}
