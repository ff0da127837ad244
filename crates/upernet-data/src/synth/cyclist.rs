//! People on bicycles; the mask shows both as one.

use super::{
    camera::Place,
    canvas::{Nearness, Point},
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    person::{Clothes, cloth},
    stage::{Sprite, Stage, Thing},
};

/// A person on a bicycle; metres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cyclist {
    place: Place,
    /// How far the bicycle is seen from the side: 1 from the side, near 0 from behind; negative to the
    /// left.
    aside: f32,
    height: f32,
    frame: Color,
    helmet: Option<Color>,
    clothes: Clothes,
    /// Height of the near pedal, -1 to 1.
    pedal: f32,
}

impl Cyclist {
    /// Rolls the dice for a cyclist.
    pub(super) fn roll(dice: &mut Dice, place: Place) -> Self {
        let tone = |dice: &mut Dice| dice.between(10.0, 200.0);
        let color = screen(tone(dice), tone(dice), tone(dice));
        let along = dice.chance(0.5);
        Self {
            place,
            aside: dice.sign()
                * if along {
                    dice.between(0.12, 0.4)
                } else {
                    dice.between(0.6, 1.0)
                },
            height: dice.between(0.93, 1.07),
            frame: dice.pick(&[color, grey(30.0), grey(150.0)]),
            helmet: dice.chance(0.5).then_some(color),
            clothes: Clothes::roll(dice),
            pedal: dice.between(-1.0, 1.0),
        }
    }

    fn draw_wheels(&self, stage: &mut Stage, sprite: Sprite, thin: f32) {
        let radius = 0.34;
        for side in [-1.0, 1.0] {
            let center = [0.53 * side * self.aside, radius];
            let half = [(radius * self.aside.abs()).max(0.6 * thin), radius];
            let middle = sprite.at(center);
            let size = half.map(|value| value * sprite.scale);
            let light = stage.light;
            let tyre = grey(22.0) * light.on([0.0, 0.0, -1.0]);
            let hub = (thin / radius).clamp(0.1, 0.35);
            let id = stage.canvas.veil(Class::Bicyclist, move |[x, y]: Point| {
                let off = [(x - middle[0]) / size[0], (y - middle[1]) / size[1]];
                let away = (off[0] * off[0] + off[1] * off[1]).sqrt();
                let cover = if away > 1.0 - hub || away < 0.12 {
                    1.0
                } else {
                    0.35
                };
                (light.through_air(tyre, sprite.depth), cover)
            });
            let outline = sprite.ellipse(center, half);
            stage
                .canvas
                .fill(id, &outline, Nearness::at_depth(sprite.depth));
        }
    }

    fn draw_frame(&self, stage: &mut Stage, sprite: Sprite, thin: f32) {
        let across = self.aside;
        let at = |along: f32, up: f32| [along * across, up];
        let [hub, seat, crank, head, front] = [
            at(-0.53, 0.34),
            at(-0.24, 0.92),
            at(-0.05, 0.3),
            at(0.36, 0.9),
            at(0.53, 0.34),
        ];
        let tubes = [
            (hub, seat),
            (hub, crank),
            (crank, seat),
            (crank, head),
            (seat, head),
            (head, front),
            (head, at(0.3, 1.06)),
        ]
        .map(|(from, to)| sprite.line(from, to, thin));
        cloth(stage, Class::Bicyclist, sprite, &tubes, self.frame);
        // Handlebars stick out to both sides when seen from behind.
        let wide = 0.28 * (1.0 - across.abs());
        let bar = at(0.3, 1.06);
        let bars = sprite.line([bar[0] - wide, bar[1]], [bar[0] + wide, bar[1]], thin);
        cloth(stage, Class::Bicyclist, sprite, &[bars], grey(40.0));
    }

    fn draw_rider(&self, stage: &mut Stage, sprite: Sprite) {
        let (across, tall) = (self.aside, self.height);
        let at = |along: f32, up: f32| [along * across, up * tall];
        let class = Class::Bicyclist;
        let broad = 0.19 + 0.06 * (1.0 - across.abs());
        let spread = 0.1 * (1.0 - across.abs());
        let legs: Vec<_> = [-1.0, 1.0]
            .into_iter()
            .flat_map(|side| {
                let shift = side * spread;
                let knee = at(0.16, 0.72 + 0.1 * side * self.pedal);
                let foot = at(-0.02 + 0.1 * side, 0.28 + 0.15 * side * self.pedal);
                let hip = at(-0.22, 0.98);
                [
                    sprite.line([hip[0] + shift, hip[1]], [knee[0] + shift, knee[1]], 0.17),
                    sprite.line(
                        [knee[0] + shift, knee[1] + 0.04],
                        [foot[0] + shift, foot[1]],
                        0.13,
                    ),
                ]
            })
            .collect();
        cloth(stage, class, sprite, &legs, self.clothes.legs);
        let arms = [-1.0, 1.0].map(|side| {
            let shoulder = at(0.06, 1.42);
            let hand = at(0.3, 1.06);
            sprite.line(
                [
                    shoulder[0] + side * 0.7 * broad * (1.0 - across.abs()),
                    shoulder[1],
                ],
                [hand[0] + side * 0.28 * (1.0 - across.abs()), hand[1]],
                0.11,
            )
        });
        cloth(stage, class, sprite, &arms, self.clothes.top * 0.85);
        let (hip, chest, neck) = (at(-0.24, 0.92), at(0.05, 1.38), at(0.1, 1.5));
        let torso = sprite.outline(&[
            [hip[0] - 0.8 * broad, hip[1]],
            [chest[0] - broad, chest[1]],
            [neck[0] - 0.5 * broad, neck[1]],
            [neck[0] + 0.5 * broad, neck[1]],
            [chest[0] + broad, chest[1]],
            [hip[0] + 0.8 * broad, hip[1]],
        ]);
        cloth(stage, class, sprite, &[torso], self.clothes.top);
        let head = at(0.17, 1.63);
        cloth(
            stage,
            class,
            sprite,
            &[sprite.ellipse(head, [0.105, 0.135])],
            self.clothes.skin,
        );
        let cap = sprite.ellipse([head[0], head[1] + 0.05], [0.12, 0.09]);
        let color = self.helmet.unwrap_or(self.clothes.hair);
        cloth(stage, class, sprite, &[cap], color);
    }
}

impl Thing for Cyclist {
    fn draw(&self, stage: &mut Stage) {
        let Some(sprite) = stage.sprite(self.place) else {
            return;
        };
        if 1.7 * self.height * sprite.scale < 4.5 * stage.thin {
            return;
        }
        let thin = (0.4 * stage.thin / sprite.scale).clamp(0.045, 0.12);
        self.draw_wheels(stage, sprite, thin);
        self.draw_frame(stage, sprite, thin);
        self.draw_rider(stage, sprite);
    }

    fn shade(&self, stage: &mut Stage) {
        stage.cast(self.place, [0.15 + 0.5 * self.aside.abs(), 1.6]);
    }
}
