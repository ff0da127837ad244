//! Traffic signs, traffic lights and boards on their poles.

use super::{
    camera::Place,
    canvas::Point,
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    noise,
    pole::Pole,
    stage::{Sprite, Stage, Thing},
};

/// What a pole carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Disc,
    Triangle,
    Board,
    Light,
}

/// A sign on a pole; metres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sign {
    place: Place,
    pole: Pole,
    kind: Kind,
    /// Height of its centre.
    center: f32,
    half: [f32; 2],
    rim: Color,
    face: Color,
    mark: Color,
    salt: u32,
}

impl Sign {
    /// Rolls the dice for a traffic sign or a board.
    pub(super) fn roll(dice: &mut Dice, place: Place) -> Self {
        let kind = dice.pick(&[
            Kind::Disc,
            Kind::Disc,
            Kind::Triangle,
            Kind::Board,
            Kind::Board,
            Kind::Light,
        ]);
        Self::of(dice, place, kind)
    }

    /// Rolls the dice for a traffic light.
    pub(super) fn traffic_light(dice: &mut Dice, place: Place) -> Self {
        Self::of(dice, place, Kind::Light)
    }

    fn of(dice: &mut Dice, place: Place, kind: Kind) -> Self {
        let half = match kind {
            Kind::Disc => [dice.between(0.3, 0.48); 2],
            Kind::Triangle => [dice.between(0.38, 0.55); 2],
            Kind::Board => [dice.between(0.3, 0.9), dice.between(0.3, 1.0)],
            Kind::Light => {
                let half = dice.between(0.17, 0.23);
                [half, 2.6 * half]
            }
        };
        let center = half[1] + dice.between(1.7, 2.9);
        let red = screen(190.0, 28.0, 34.0);
        let blue = screen(24.0, 70.0, 160.0);
        let vivid = screen(
            dice.between(10.0, 250.0),
            dice.between(10.0, 240.0),
            dice.between(10.0, 240.0),
        );
        let (rim, face) = match kind {
            Kind::Disc => dice.pick(&[
                (red, grey(235.0)),
                (grey(230.0), blue),
                (red, red),
                (grey(230.0), blue),
            ]),
            Kind::Triangle => (red, grey(235.0)),
            Kind::Board => (
                grey(225.0),
                dice.pick(&[
                    blue,
                    screen(0.0, 90.0, 60.0),
                    grey(230.0),
                    vivid,
                    vivid,
                    screen(230.0, 190.0, 40.0),
                ]),
            ),
            Kind::Light => (grey(20.0), grey(30.0)),
        };
        Self {
            place,
            pole: Pole::post(dice, place, center),
            kind,
            center,
            half,
            rim,
            face,
            mark: if face.luminance() > 0.4 {
                grey(25.0)
            } else {
                grey(240.0)
            },
            salt: dice.salt(),
        }
    }

    fn draw_face(&self, stage: &mut Stage, sprite: Sprite) {
        let (sign, light, depth) = (*self, stage.light, sprite.depth);
        let lit = light.on([0.0, 0.15, -0.95]);
        let [wide, tall] = self.half;
        let middle = sprite.at([0.0, self.center]);
        let outline = match self.kind {
            Kind::Disc => sprite.ellipse([0.0, self.center], self.half),
            Kind::Triangle => sprite.outline(&[
                [-wide, self.center - 0.8 * tall],
                [0.0, self.center + tall],
                [wide, self.center - 0.8 * tall],
            ]),
            Kind::Board | Kind::Light => sprite.outline(&[
                [-wide, self.center - tall],
                [-wide, self.center + tall],
                [wide, self.center + tall],
                [wide, self.center - tall],
            ]),
        };
        stage.paint(Class::SignSymbol, &outline, depth, move |[x, y]: Point| {
            let across = (x - middle[0]) / (wide * sprite.scale);
            let up = (middle[1] - y) / (tall * sprite.scale);
            let (color, shines) = sign.pattern(across, up);
            let seen = if shines { color } else { color * lit };
            light.through_air(seen, depth)
        });
    }

    /// The colour at a point of the face, -1 to 1 across and up, and whether it gives light.
    fn pattern(&self, across: f32, up: f32) -> (Color, bool) {
        let away = across * across + up * up;
        let glyph = noise::hash(
            noise::cell(4.0 * across + 9.0),
            noise::cell(5.0 * up + 9.0),
            self.salt,
        ) > 0.5;
        match self.kind {
            Kind::Disc if away > 0.62 => (self.rim, false),
            Kind::Disc if across.abs() < 0.5 && up.abs() < 0.42 && glyph => (self.mark, false),
            Kind::Triangle => {
                let inner = up < 0.62 - 2.4 * across.abs() * 0.75 && up > -0.58;
                let bar = across.abs() < 0.12 && (-0.45..0.2).contains(&up);
                (
                    if bar {
                        self.mark
                    } else if inner {
                        self.face
                    } else {
                        self.rim
                    },
                    false,
                )
            }
            Kind::Board => {
                let border = across.abs() > 0.9 || up.abs() > 0.9;
                let line = noise::fraction(2.5 * up + 0.25) < 0.45;
                let text = across.abs() < 0.75 && up.abs() < 0.75 && line && glyph;
                (
                    if border {
                        self.rim
                    } else if text {
                        self.mark
                    } else {
                        self.face
                    },
                    false,
                )
            }
            Kind::Light => self.lamps(across, up),
            Kind::Disc => (self.face, false),
        }
    }

    fn lamps(&self, across: f32, up: f32) -> (Color, bool) {
        let lit = self.salt % 3;
        let lamps = [
            (0.62, screen(255.0, 40.0, 30.0)),
            (0.0, screen(255.0, 170.0, 30.0)),
            (-0.62, screen(60.0, 255.0, 150.0)),
        ];
        for (index, (center, color)) in (0_u32..).zip(lamps) {
            let off = (up - center) * 2.6;
            if across * across + off * off < 0.42 {
                return if index == lit {
                    (color * 1.3, true)
                } else {
                    (color * 0.08, false)
                };
            }
        }
        (self.face, false)
    }
}

impl Thing for Sign {
    fn draw(&self, stage: &mut Stage) {
        let Some(sprite) = stage.sprite(self.place) else {
            return;
        };
        // Too small to tell, so not there at all.
        if 2.0 * self.half[0].max(self.half[1]) * sprite.scale < 2.0 * stage.thin {
            return;
        }
        self.pole.draw(stage);
        self.draw_face(stage, sprite);
    }

    fn shade(&self, stage: &mut Stage) {
        stage.cast(self.place, [0.1, self.center + self.half[1]]);
    }
}
