//! Fences: railings, pickets, boards.
//!
//! The mask shows a fence as a whole panel, gaps and all, as annotators draw it.

use super::{
    camera::Spot,
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    noise,
    stage::{Stage, Thing},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Railing,
    Pickets,
    Boards,
    Barrier,
}

/// A fence from one place to another, `[lateral, along]` in metres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fence {
    from: [f32; 2],
    to: [f32; 2],
    height: f32,
    kind: Kind,
    color: Color,
    gap: f32,
    salt: u32,
}

impl Fence {
    /// Rolls the dice for a fence.
    pub(super) fn roll(dice: &mut Dice, from: [f32; 2], to: [f32; 2]) -> Self {
        let kind = dice.pick(&[
            Kind::Railing,
            Kind::Railing,
            Kind::Pickets,
            Kind::Boards,
            Kind::Barrier,
        ]);
        let dark = dice.between(25.0, 90.0);
        let light = dice.between(150.0, 230.0);
        let wood = dice.between(0.5, 1.3);
        let color = match kind {
            Kind::Railing => dice.pick(&[
                grey(0.6 * dark),
                screen(0.5 * dark, 0.8 * dark, 0.6 * dark),
                grey(light),
            ]),
            Kind::Pickets => dice.pick(&[grey(light), screen(150.0, 120.0, 90.0) * wood]),
            Kind::Boards => screen(140.0, 104.0, 72.0) * wood,
            Kind::Barrier => dice.pick(&[grey(light), grey(150.0)]),
        };
        let height = match kind {
            Kind::Barrier => dice.between(0.9, 1.3),
            _ => dice.between(1.1, 2.1),
        };
        Self {
            from,
            to,
            height,
            kind,
            color,
            gap: dice.between(0.14, 0.26),
            salt: dice.salt(),
        }
    }

    /// The colour at a spot and how much it covers.
    fn pattern(&self, spot: Spot) -> (Color, f32) {
        let Spot { u, v, pixel, .. } = spot;
        let up = v / self.height;
        let post = noise::fraction(u / 2.4) < 0.05;
        let rail = (0.12..0.2).contains(&up) || (0.82..0.9).contains(&up);
        // Bars that are too thin to be seen one by one become an even veil.
        let near = noise::visible(0.5 * self.gap, pixel);
        let part = noise::fraction(u / self.gap);
        let tone = noise::hash(noise::cell(u / self.gap), 1.0, self.salt) - 0.5;
        match self.kind {
            Kind::Railing => {
                let bar = if part < 0.3 { 1.0 } else { 0.25 };
                let cover = if post || rail {
                    1.0
                } else {
                    0.55 + near * (bar - 0.55)
                };
                (self.color, cover)
            }
            Kind::Pickets => {
                let tip = up > 0.93 && (part - 0.31).abs() > 0.2;
                let bar = if part < 0.62 && !tip { 1.0 } else { 0.1 };
                let cover = if rail {
                    1.0
                } else {
                    0.65 + near * (bar - 0.65)
                };
                (self.color * (1.0 + 0.3 * tone), cover)
            }
            Kind::Boards => {
                let joint = if part < 0.12 { 0.5 } else { 0.0 };
                let grain = noise::rough(12.0 * u, 0.8 * v) - 0.5;
                let shade = 1.0 + 0.4 * tone + 0.5 * grain - near * joint;
                (self.color * shade.max(0.2), 1.0)
            }
            Kind::Barrier => {
                let beam = (0.42..0.95).contains(&up);
                let ridge = if (0.6..0.75).contains(&up) { 0.6 } else { 1.0 };
                let cover = if beam {
                    1.0
                } else if post {
                    0.95
                } else {
                    0.3
                };
                (self.color * ridge, cover)
            }
        }
    }
}

impl Thing for Fence {
    fn draw(&self, stage: &mut Stage) {
        let ([left, near], [right, far]) = (self.from, self.to);
        let (face, outline) = stage.face(&[
            [left, 0.0, near],
            [right, 0.0, far],
            [right, self.height, far],
            [left, self.height, near],
        ]);
        if outline.is_empty() {
            return;
        }
        let (fence, light) = (*self, stage.light);
        let falling = light.on(face.normal()) * 0.7 + light.sky * 0.3;
        let id = if self.kind == Kind::Boards {
            stage.canvas.solid(Class::Fence, move |at| {
                let spot = face.spot(at);
                light.through_air(fence.pattern(spot).0 * falling, spot.depth)
            })
        } else {
            stage.canvas.veil(Class::Fence, move |at| {
                let spot = face.spot(at);
                let (color, cover) = fence.pattern(spot);
                (light.through_air(color * falling, spot.depth), cover)
            })
        };
        stage.canvas.fill(id, &outline, face.nearness());
    }

    fn shade(&self, stage: &mut Stage) {
        let ([left, near], [right, far]) = (self.from, self.to);
        let camera = stage.camera;
        let views = [[left, 0.0, near], [right, 0.0, far]].map(|place| camera.view(place));
        let [across, away] = stage.light.shadow().map(|reach| reach * self.height);
        let moved = views.map(|view| [view[0] + across, view[1], view[2] + away]);
        if stage.light.sun.luminance() > 0.0 {
            let outline = camera.outline(&[views[0], views[1], moved[1], moved[0]]);
            let share = 0.6 * stage.light.in_shadow() + 0.4;
            stage.canvas.darken(&outline, share);
        }
    }
}
