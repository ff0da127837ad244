//! Lamp posts, poles and bollards.

use super::{
    camera::Place,
    canvas::Point,
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    stage::{Sprite, Stage, Thing},
};

/// A lamp post, a pole or a bollard; metres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pole {
    place: Place,
    height: f32,
    half: f32,
    color: Color,
    /// Length of the arm over the road, to the right if positive; 0 without a lamp.
    arm: f32,
    /// Height of a light band around it as on bollards, 0 without.
    band: f32,
}

impl Pole {
    /// Rolls the dice for a lamp post whose lamp hangs over the road.
    pub(super) fn lamp(dice: &mut Dice, place: Place) -> Self {
        let arm = if dice.chance(0.6) {
            dice.between(0.8, 2.2)
        } else {
            0.0
        };
        Self {
            place,
            height: dice.between(5.0, 10.0),
            half: dice.between(0.07, 0.12),
            color: pole_color(dice),
            arm: if place[0] > 0.0 { -arm } else { arm },
            band: 0.0,
        }
    }

    /// Rolls the dice for a bollard.
    pub(super) fn bollard(dice: &mut Dice, place: Place) -> Self {
        Self {
            place,
            height: dice.between(0.85, 1.2),
            half: dice.between(0.07, 0.13),
            color: pole_color(dice),
            arm: 0.0,
            band: if dice.chance(0.5) { 0.15 } else { 0.0 },
        }
    }

    /// A pole that carries something at `height`.
    pub(super) fn post(dice: &mut Dice, place: Place, height: f32) -> Self {
        Self {
            place,
            height,
            half: dice.between(0.04, 0.08),
            color: pole_color(dice),
            arm: 0.0,
            band: 0.0,
        }
    }

    /// Half the width that is drawn, in metres: never less than what can be seen.
    fn drawn_half(&self, stage: &Stage, sprite: Sprite) -> f32 {
        self.half.max(0.5 * stage.thin / sprite.scale)
    }

    fn draw_lamp(&self, stage: &mut Stage, sprite: Sprite, half: f32) {
        let top = self.height;
        let arm = sprite.line([0.0, top - half], [self.arm, top + 0.25], 1.6 * half);
        let lit = self.color * stage.light.on([0.0, 0.0, -1.0]);
        stage.plain(Class::Pole, &arm, sprite.depth, lit);
        let reach = 0.35 + 2.0 * half;
        let head = sprite.ellipse([self.arm, top + 0.2], [reach, 0.1 + half]);
        let lit = grey(150.0) * stage.light.on([0.0, -0.5, -0.8]);
        stage.plain(Class::Pole, &head, sprite.depth, lit);
    }
}

fn pole_color(dice: &mut Dice) -> Color {
    dice.pick(&[
        grey(150.0),
        grey(120.0),
        grey(95.0),
        grey(60.0),
        grey(40.0),
        grey(28.0),
        screen(40.0, 60.0, 48.0),
        screen(150.0, 140.0, 120.0),
    ])
}

impl Thing for Pole {
    fn draw(&self, stage: &mut Stage) {
        let Some(sprite) = stage.sprite(self.place) else {
            return;
        };
        // Too far away to be told from what is behind it.
        if 2.0 * self.half * sprite.scale < 0.3 * stage.thin && self.height > 1.5 {
            return;
        }
        if self.height * sprite.scale < 2.5 * stage.thin {
            return;
        }
        let half = self.drawn_half(stage, sprite);
        let foot = (0.12 * self.height).min(1.0);
        let outline = sprite.outline(&[
            [-1.3 * half, 0.0],
            [-1.3 * half, foot],
            [-half, 1.1 * foot],
            [-half, self.height],
            [half, self.height],
            [half, 1.1 * foot],
            [1.3 * half, foot],
            [1.3 * half, 0.0],
        ]);
        let (light, color, depth) = (stage.light, self.color, sprite.depth);
        let band = [self.height - 2.0 * self.band, self.height - self.band];
        stage.paint(Class::Pole, &outline, depth, move |[x, y]: Point| {
            let aside = (x - sprite.base[0]) / sprite.scale / half;
            let up = (sprite.base[1] - y) / sprite.scale;
            let color = if band[0] < up && up < band[1] {
                grey(225.0)
            } else {
                color
            };
            light.through_air(color * light.on_round(aside), depth)
        });
        if self.arm != 0.0 {
            self.draw_lamp(stage, sprite, half);
        }
    }

    fn shade(&self, stage: &mut Stage) {
        stage.cast(self.place, [self.half, self.height]);
    }
}
