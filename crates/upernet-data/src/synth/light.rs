//! Sun, sky and air.

use super::{
    camera::{Place, dot, unit},
    color::{Color, grey, screen},
    dice::Dice,
};

/// The light of a scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// What the sun gives to a surface that faces it.
    pub(super) sun: Color,
    /// What the sky gives to a surface that faces up.
    pub(super) sky: Color,
    /// To the sun, in views.
    pub(super) direction: Place,
    /// The sky at the horizon, and overhead.
    pub(super) dome: [Color; 2],
    /// How much of the sky is clouded, 0 to 1.
    pub(super) clouds: f32,
    /// Haze for each metre, and its colour.
    haze: f32,
    air: Color,
    /// How long the shutter is open.
    pub(super) exposure: f32,
}

impl Light {
    /// Rolls the dice for a weather.
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let overcast = dice.chance(0.4);
        let warm = dice.between(0.0, 1.0);
        let [ahead, aside] = dice.direction(6.0);
        let climb = dice.between(0.25, 1.3);
        let (sun, sky, clouds) = if overcast {
            let sun = Color([0.0; 3]);
            let tint = screen(244.0, 250.0, 255.0).mix(screen(255.0, 250.0, 240.0), warm);
            (sun, tint * dice.between(0.7, 1.1), dice.between(0.6, 1.0))
        } else {
            let tint = screen(255.0, 250.0, 240.0).mix(screen(255.0, 226.0, 180.0), warm);
            let sky = screen(225.0, 240.0, 255.0) * dice.between(0.2, 0.5);
            (tint * dice.between(0.8, 2.2), sky, dice.between(0.0, 0.6))
        };
        let bright = dice.between(1.2, 4.5);
        let horizon = screen(250.0, 252.0, 255.0).mix(screen(255.0, 240.0, 220.0), 0.5 * warm);
        let overhead = if overcast {
            grey(dice.between(170.0, 250.0))
        } else {
            let deep = screen(80.0, 130.0, 215.0);
            deep.mix(screen(190.0, 220.0, 250.0), dice.unit())
        };
        Self {
            sun,
            sky,
            direction: unit([aside, climb, ahead]),
            dome: [horizon * bright, overhead * bright],
            clouds,
            haze: dice.between(0.0003, 0.003) * if dice.chance(0.12) { 5.0 } else { 1.0 },
            air: (sky + sun * 0.25) * dice.between(0.6, 0.9),
            exposure: dice.pick(&[1.0, 1.0, 1.0, 0.5]) * dice.between(0.3, 1.3),
        }
    }

    /// What falls on a surface that faces a direction.
    pub(super) fn on(&self, normal: Place) -> Color {
        let open = 0.62 + 0.38 * normal[1];
        self.sky * open + self.sun * dot(normal, self.direction).max(0.0)
    }

    /// What falls on the ground.
    pub(super) fn on_ground(&self) -> Color {
        self.on([0.0, 1.0, 0.0])
    }

    /// What falls on a round thing that stands upright, from -1 at its left to 1 at its right.
    pub(super) fn on_round(&self, aside: f32) -> Color {
        let aside = aside.clamp(-1.0, 1.0);
        self.on([aside, 0.0, -(1.0 - aside * aside).sqrt()])
    }

    /// How much of the light on the ground is left in the shadow.
    pub(super) fn in_shadow(&self) -> f32 {
        self.sky.luminance() / self.on_ground().luminance()
    }

    /// How far the shadow of a metre of height reaches, `[right, depth]`.
    pub(super) fn shadow(&self) -> [f32; 2] {
        let [right, up, depth] = self.direction;
        [-right / up, -depth / up]
    }

    /// A colour as it is seen through the air.
    pub(super) fn through_air(&self, color: Color, depth: f32) -> Color {
        let amount = depth * self.haze;
        let left = 1.0 / (1.0 + amount + 0.5 * amount * amount);
        self.air.mix(color, left)
    }

    /// What glass or varnish reflects that faces a direction: the sky, or the street below it.
    pub(super) fn reflected(&self, up: f32) -> Color {
        let share = (0.5 + up).clamp(0.0, 1.0);
        (self.sky * 0.12).mix(self.dome[0].mix(self.dome[1], share), share)
    }
}
