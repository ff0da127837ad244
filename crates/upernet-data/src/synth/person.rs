//! People on foot.

use super::{
    camera::Place,
    canvas::{Nearness, Point},
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    noise,
    polygon::Polygon,
    stage::{Sprite, Stage, Thing},
};

/// What a person wears.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clothes {
    pub(super) top: Color,
    pub(super) legs: Color,
    pub(super) shoes: Color,
    pub(super) skin: Color,
    pub(super) hair: Color,
}

/// A person on foot; metres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    place: Place,
    height: f32,
    /// How far the feet are apart, and to which side the person goes.
    stride: f32,
    broad: f32,
    clothes: Clothes,
    /// Length of a coat or skirt below the waist.
    coat: f32,
    bag: Option<Color>,
    salt: u32,
}

impl Clothes {
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let cloth = |dice: &mut Dice| {
            let dark = dice.between(18.0, 90.0);
            let tone = |dice: &mut Dice| dice.between(15.0, 220.0);
            let vivid = screen(tone(dice), tone(dice), tone(dice));
            dice.pick(&[
                grey(dark),
                grey(0.7 * dark),
                screen(0.7 * dark, 0.8 * dark, 1.3 * dark),
                vivid,
                grey(dark + 110.0),
            ])
        };
        let skin = dice.between(0.35, 1.05);
        let hair = dice.between(15.0, 120.0);
        Self {
            top: cloth(dice),
            legs: dice.pick(&[
                grey(28.0),
                grey(45.0),
                screen(40.0, 52.0, 84.0),
                screen(64.0, 84.0, 120.0),
                screen(130.0, 116.0, 90.0),
            ]),
            shoes: grey(dice.pick(&[18.0, 30.0, 60.0, 190.0])),
            skin: screen(222.0, 172.0, 142.0) * skin,
            hair: screen(hair + 10.0, hair, 0.8 * hair),
        }
    }
}

impl Person {
    /// Rolls the dice for a person.
    pub(super) fn roll(dice: &mut Dice, place: Place) -> Self {
        Self {
            place,
            height: dice.about(1.5, 1.92),
            stride: dice.between(-0.55, 0.55),
            broad: dice.between(0.21, 0.29),
            clothes: Clothes::roll(dice),
            coat: if dice.chance(0.35) {
                dice.between(0.05, 0.2)
            } else {
                0.0
            },
            bag: dice.chance(0.35).then(|| grey(dice.between(20.0, 150.0))),
            salt: dice.salt(),
        }
    }
}

/// Paints a part of a person or a bicycle, with folds and shade.
pub(super) fn cloth(
    stage: &mut Stage,
    class: Class,
    sprite: Sprite,
    parts: &[Polygon],
    color: Color,
) {
    let (light, depth) = (stage.light, sprite.depth);
    let bounds: Vec<[f32; 4]> = parts.iter().filter_map(Polygon::bounds).collect();
    let left = bounds
        .iter()
        .fold(f32::MAX, |least, bounds| least.min(bounds[0]));
    let right = bounds
        .iter()
        .fold(f32::MIN, |most, bounds| most.max(bounds[2]));
    let (middle, half) = (0.5 * (left + right), (0.5 * (right - left)).max(0.5));
    let id = stage.canvas.solid(class, move |[x, y]: Point| {
        let [u, v] = [x / sprite.scale, y / sprite.scale];
        let folds = noise::rough(6.0 * u, 4.0 * v) - 0.5;
        let falling = light.on_round(0.9 * (x - middle) / half);
        light.through_air(color * (1.0 + 0.7 * folds) * falling, depth)
    });
    for part in parts {
        stage.canvas.fill(id, part, Nearness::at_depth(depth));
    }
}

impl Thing for Person {
    fn draw(&self, stage: &mut Stage) {
        let Some(sprite) = stage.sprite(self.place) else {
            return;
        };
        if self.height * sprite.scale < 4.5 * stage.thin {
            return;
        }
        let (tall, broad) = (self.height, self.broad);
        let (hip, shoulder, neck) = (0.5 * tall, 0.82 * tall, 0.86 * tall);
        let class = Class::Pedestrian;
        let clothes = self.clothes;
        let legs = [-1.0, 1.0].map(|side| {
            let foot = [0.5 * side * self.stride + 0.09 * side, 0.04];
            sprite.line([0.07 * side, hip + 0.05], foot, 0.17)
        });
        cloth(stage, class, sprite, &legs, clothes.legs);
        let shoes = [-1.0, 1.0].map(|side| {
            let foot = [0.5 * side * self.stride + 0.09 * side, 0.05];
            sprite.ellipse([foot[0] + 0.05 * self.stride, foot[1]], [0.13, 0.06])
        });
        cloth(stage, class, sprite, &shoes, clothes.shoes);
        let arms = [-1.0, 1.0].map(|side| {
            let hand = [
                side * (broad + 0.03) - 0.35 * side * self.stride,
                hip - 0.02,
            ];
            sprite.line([side * (broad - 0.03), shoulder - 0.03], hand, 0.11)
        });
        cloth(stage, class, sprite, &arms, clothes.top * 0.9);
        let torso = sprite.outline(&[
            [-0.8 * broad, hip - self.coat * tall],
            [-0.72 * broad, 0.62 * tall],
            [-broad, shoulder - 0.04],
            [-0.6 * broad, neck - 0.01],
            [0.6 * broad, neck - 0.01],
            [broad, shoulder - 0.04],
            [0.72 * broad, 0.62 * tall],
            [0.8 * broad, hip - self.coat * tall],
        ]);
        cloth(stage, class, sprite, &[torso], clothes.top);
        if let Some(color) = self.bag {
            let side = if self.salt & 1 == 0 { 1.0 } else { -1.0 };
            let bag = sprite.ellipse([side * broad, 0.52 * tall], [0.13, 0.19]);
            cloth(stage, class, sprite, &[bag], color);
        }
        let head = [
            sprite.ellipse([0.02 * self.stride, 0.925 * tall], [0.1, 0.13]),
            sprite.line([0.0, neck - 0.06], [0.0, 0.92 * tall], 0.1),
        ];
        cloth(stage, class, sprite, &head, clothes.skin);
        let hair = sprite.ellipse([0.0, 0.96 * tall], [0.105, 0.085]);
        cloth(stage, class, sprite, &[hair], clothes.hair);
    }

    fn shade(&self, stage: &mut Stage) {
        stage.cast(self.place, [self.broad, self.height]);
    }
}
