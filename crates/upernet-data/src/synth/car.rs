//! Cars, vans and buses: a body and a cabin on wheels, seen from any side.

mod body;
mod fittings;
mod shape;

use self::shape::Shape;
use super::{
    camera::{Place, dot, minus, unit},
    canvas::{Nearness, Point},
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    noise,
    stage::{Stage, Thing},
};

/// A car, a van or a bus on the road.
#[derive(Clone, Copy, Debug)]
pub(super) struct Car {
    place: Place,
    /// The way it points, `[lateral, along]`.
    heading: [f32; 2],
    shape: Shape,
    paint: Color,
    rear_lights: f32,
    plate: Color,
    salt: u32,
}

/// The colours that cars have.
const PAINTS: [[f32; 3]; 14] = [
    [186.0, 190.0, 194.0],
    [150.0, 154.0, 158.0],
    [96.0, 100.0, 106.0],
    [44.0, 46.0, 50.0],
    [22.0, 22.0, 26.0],
    [232.0, 232.0, 230.0],
    [30.0, 48.0, 100.0],
    [52.0, 90.0, 150.0],
    [150.0, 24.0, 28.0],
    [110.0, 26.0, 34.0],
    [30.0, 74.0, 56.0],
    [176.0, 162.0, 128.0],
    [210.0, 180.0, 50.0],
    [120.0, 150.0, 170.0],
];

impl Car {
    /// Rolls the dice for a vehicle that points along `heading`, `[lateral, along]`.
    pub(super) fn roll(dice: &mut Dice, place: Place, heading: [f32; 2]) -> Self {
        let [red, green, blue] = dice.pick(&PAINTS);
        Self {
            place,
            heading,
            shape: Shape::roll(dice),
            paint: screen(red, green, blue) * dice.about(0.7, 1.3),
            rear_lights: dice.pick(&[0.5, 0.5, 1.6]),
            plate: dice.pick(&[grey(230.0), screen(235.0, 205.0, 60.0)]),
            salt: dice.salt(),
        }
    }

    /// Half of what it takes up along its heading.
    pub(super) fn half_length(&self) -> f32 {
        0.5 * self.shape.length
    }

    /// The same vehicle at other metres along the road.
    pub(super) fn moved_to(self, along: f32) -> Self {
        let [lateral, up, _] = self.place;
        Self {
            place: [lateral, up, along],
            ..self
        }
    }

    /// The view of a point: along its heading, to its right, up.
    fn view(&self, stage: &Stage, [along, aside, up]: Place) -> Place {
        let [lateral, ahead] = self.heading;
        stage.camera.view([
            self.place[0] + along * lateral + aside * ahead,
            up,
            self.place[2] + along * ahead - aside * lateral,
        ])
    }

    /// Paints a part if its outer side is seen; `inside` is a point within the vehicle.
    fn panel(&self, stage: &mut Stage, inside: Place, corners: &[Place], look: Look) {
        let views: Vec<Place> = corners.iter().map(|&at| self.view(stage, at)).collect();
        let face = stage
            .camera
            .face(views[0], views[1], views[views.len() - 1]);
        let outwards = minus(views[0], self.view(stage, inside));
        if dot(face.normal(), outwards) < 0.0 {
            return;
        }
        let outline = stage.camera.outline(&views);
        let (light, normal) = (stage.light, face.normal());
        let falling = light.on(normal);
        let (paint, salt) = (self.paint, self.salt);
        let id = stage.canvas.solid(Class::Car, move |at: Point| {
            let spot = face.spot(at);
            let color = match look {
                Look::Paint => {
                    let bow = (0.35 * normal[1] + 0.25 * spot.v - 0.05).clamp(-0.4, 0.5);
                    let dirt = 1.0 + 0.25 * (noise::smooth(1.5 * spot.u, 1.5 * spot.v) - 0.5);
                    paint * falling * dirt * (0.82 + 0.4 * bow)
                        + light.reflected(bow) * (0.05 + 0.12 * bow.max(0.0))
                }
                Look::Glass => {
                    let seats = noise::smooth(2.0 * spot.u + (salt & 31) as f32, 1.4 * spot.v);
                    light.reflected(normal[1] + 0.5 * spot.v - 0.3) * 0.17
                        + light.sky * (0.05 * seats)
                }
                Look::Plain(color) => color * falling,
                Look::Shine(color) => color,
            };
            light.through_air(color, spot.depth)
        });
        let depth = self.view(stage, [0.0, 0.0, 0.0])[2];
        stage
            .canvas
            .fill(id, &outline, Nearness::at_depth(depth.max(0.8)));
    }
}

/// What a part of a car is made of.
#[derive(Clone, Copy, Debug)]
enum Look {
    Paint,
    Glass,
    Plain(Color),
    Shine(Color),
}

impl Thing for Car {
    fn draw(&self, stage: &mut Stage) {
        let depth = self.view(stage, [0.0, 0.0, 0.0])[2];
        let high = self.shape.roof * stage.camera.scale(depth.max(0.1));
        if depth < 1.0 || high < 2.0 * stage.thin {
            return;
        }
        self.draw_treads(stage);
        self.draw_body(stage);
        self.draw_cabin(stage);
        self.draw_wheels(stage);
        self.draw_ends(stage);
    }

    fn shade(&self, stage: &mut Stage) {
        let Shape {
            length,
            half_width: half,
            roof,
            ..
        } = self.shape;
        let base: Vec<Place> = [[0.5, -1.0], [0.5, 1.0], [-0.5, 1.0], [-0.5, -1.0]]
            .iter()
            .map(|&[along, aside]| {
                self.view(stage, [1.04 * along * length, 1.08 * aside * half, 0.0])
            })
            .collect();
        let under = stage.camera.outline(&base);
        let share = stage.light.in_shadow();
        if stage.light.sun.luminance() > 0.0 {
            let [across, away] = stage.light.shadow().map(|reach| 0.8 * reach * roof);
            for (index, &view) in base.iter().enumerate() {
                let next = base[(index + 1) % base.len()];
                let moved = |view: Place| [view[0] + across, view[1], view[2] + away];
                let outline = stage
                    .camera
                    .outline(&[view, next, moved(next), moved(view)]);
                stage.canvas.darken(&outline, (1.0 + share) * 0.5);
            }
        }
        stage.canvas.darken(&under, 0.3);
    }
}

/// The vector `[lateral, along]` of a way along the road, turned by a slope.
pub(super) fn heading(towards: f32, slope: f32) -> [f32; 2] {
    let [lateral, _, along] = unit([slope, 0.0, towards]);
    [lateral, along]
}
