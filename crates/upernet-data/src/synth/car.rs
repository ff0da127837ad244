//! Cars, vans and buses: a body and a cabin on wheels, seen from any side.

use super::{
    camera::{Place, dot, minus, unit},
    canvas::{Nearness, Point},
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    noise,
    stage::{Stage, Thing},
};

/// Lengths of a vehicle in metres; `along` counts forwards from its middle.
#[derive(Clone, Copy, Debug)]
struct Shape {
    length: f32,
    half_width: f32,
    /// Heights of the underside, the front of the bonnet, the lower edge of the windows, the roof.
    sill: f32,
    bonnet: f32,
    belt: f32,
    roof: f32,
    /// Where windscreen and rear window meet the body, and where they meet the roof.
    screen: [f32; 2],
    rear: [f32; 2],
    wheel: f32,
    /// Where the side windows end towards the rear, as with vans.
    windows: f32,
}

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

impl Shape {
    fn roll(dice: &mut Dice) -> Self {
        let scale = dice.between(0.92, 1.08);
        let hatch = Self {
            length: 3.9,
            half_width: 0.85,
            sill: 0.28,
            bonnet: 0.78,
            belt: 0.95,
            roof: 1.46,
            screen: [0.95, 0.3],
            rear: [-1.9, -1.45],
            wheel: 0.31,
            windows: -1.6,
        };
        let saloon = Self {
            length: 4.5,
            rear: [-1.65, -0.95],
            windows: -1.3,
            ..hatch
        };
        let estate = Self {
            length: 4.6,
            rear: [-2.2, -1.9],
            windows: -1.9,
            ..hatch
        };
        let high = Self {
            length: 4.5,
            half_width: 0.93,
            sill: 0.38,
            bonnet: 1.0,
            belt: 1.12,
            roof: 1.78,
            rear: [-2.1, -1.9],
            wheel: 0.37,
            windows: -1.9,
            ..hatch
        };
        let van = Self {
            length: 5.2,
            half_width: 0.98,
            sill: 0.35,
            bonnet: 1.05,
            belt: 1.2,
            roof: 2.3,
            screen: [1.9, 1.2],
            rear: [-2.58, -2.52],
            wheel: 0.35,
            windows: 0.5,
        };
        let bus = Self {
            length: 10.5,
            half_width: 1.25,
            sill: 0.35,
            bonnet: 1.1,
            belt: 1.25,
            roof: 3.1,
            screen: [5.2, 5.1],
            rear: [-5.2, -5.15],
            wheel: 0.48,
            windows: -4.9,
        };
        let chosen = dice.pick(&[hatch, hatch, hatch, saloon, saloon, estate, high, van, bus]);
        Self {
            length: chosen.length * scale,
            half_width: chosen.half_width * dice.between(0.95, 1.05),
            roof: chosen.roof * dice.between(0.95, 1.05),
            ..chosen
        }
    }
}

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
                    light.reflected(normal[1] + 0.5 * spot.v - 0.3) * 0.28
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

    fn draw_body(&self, stage: &mut Stage) {
        let Shape {
            length,
            half_width: half,
            sill,
            bonnet,
            belt,
            screen,
            ..
        } = self.shape;
        let (front, rear) = (0.5 * length, -0.5 * length);
        let inside = [0.0, 0.0, 0.6];
        let low = 0.12;
        let under = half - 0.12;
        for aside in [-under, under] {
            let corners = [
                [rear + 0.2, aside, low],
                [front - 0.2, aside, low],
                [front - 0.2, aside, sill],
                [rear + 0.2, aside, sill],
            ];
            self.panel(stage, inside, &corners, Look::Plain(grey(18.0)));
        }
        for (end, bottom) in [(front - 0.25, 0.14), (rear + 0.25, 0.14)] {
            let corners = [
                [end, -under, bottom],
                [end, under, bottom],
                [end, under, sill],
                [end, -under, sill],
            ];
            self.panel(stage, inside, &corners, Look::Plain(grey(18.0)));
        }
        for aside in [-half, half] {
            let corners = [
                [rear, aside, sill],
                [front, aside, sill],
                [front, aside, bonnet],
                [screen[0], aside, belt],
                [rear, aside, belt],
            ];
            self.panel(stage, inside, &corners, Look::Paint);
        }
        let tops = [
            [[front, bonnet], [screen[0], belt]],
            [[self.shape.rear[0], belt], [rear, belt]],
            [[front, sill], [front, bonnet]],
            [[rear, sill], [rear, belt]],
        ];
        for [from, to] in tops {
            let corners = [
                [from[0], -half, from[1]],
                [from[0], half, from[1]],
                [to[0], half, to[1]],
                [to[0], -half, to[1]],
            ];
            self.panel(stage, inside, &corners, Look::Paint);
        }
    }

    fn draw_cabin(&self, stage: &mut Stage) {
        let Shape {
            half_width: half,
            belt,
            roof,
            screen,
            rear,
            windows,
            ..
        } = self.shape;
        let inside = [0.0, 0.0, 0.5 * (belt + roof)];
        let (wide, narrow) = (
            0.97 * half,
            if roof > 2.0 { 0.93 * half } else { 0.76 * half },
        );
        let strips = [
            (
                [screen[0], belt],
                [screen[1], roof],
                [wide, narrow],
                Look::Paint,
            ),
            (
                [rear[0], belt],
                [rear[1], roof],
                [wide, narrow],
                Look::Paint,
            ),
            (
                [screen[1], roof],
                [rear[1], roof],
                [narrow, narrow],
                Look::Paint,
            ),
        ];
        for (from, to, [lower, upper], look) in strips {
            let corners = [
                [from[0], -lower, from[1]],
                [from[0], lower, from[1]],
                [to[0], upper, to[1]],
                [to[0], -upper, to[1]],
            ];
            self.panel(stage, inside, &corners, look);
        }
        for (from, to) in [(screen, [belt, roof]), (rear, [belt, roof])] {
            let at = |share: f32, across: f32| {
                let width = wide + share * (narrow - wide);
                [
                    from[0] + share * (from[1] - from[0]),
                    across * 0.9 * width,
                    to[0] + share * (to[1] - to[0]),
                ]
            };
            let corners = [at(0.08, -1.0), at(0.08, 1.0), at(0.88, 1.0), at(0.88, -1.0)];
            self.panel(stage, inside, &corners, Look::Glass);
        }
        for side in [-1.0, 1.0] {
            let corners = [
                [rear[0], side * wide, belt],
                [screen[0], side * wide, belt],
                [screen[1], side * narrow, roof],
                [rear[1], side * narrow, roof],
            ];
            self.panel(stage, inside, &corners, Look::Paint);
            self.draw_side_windows(stage, inside, [side * wide, side * narrow], windows);
        }
    }

    /// Side windows with pillars between them.
    fn draw_side_windows(
        &self,
        stage: &mut Stage,
        inside: Place,
        [lower, upper]: [f32; 2],
        last: f32,
    ) {
        let Shape {
            belt,
            roof,
            screen,
            rear,
            ..
        } = self.shape;
        let count = ((screen[0] - last) / 1.25).round().clamp(1.0, 8.0);
        let mut index = 0.0;
        while index < count {
            let at = |share: f32, height: f32| {
                let front = screen[0] - 0.12 + height * (screen[1] - screen[0]);
                let back = (rear[0] + 0.1 + height * (rear[1] - rear[0])).max(last);
                let aside = lower + height * (upper - lower);
                [
                    front + share * (back - front),
                    aside,
                    belt + height * (roof - belt),
                ]
            };
            let (from, to) = ((index + 0.04) / count, (index + 0.94) / count);
            let corners = [at(to, 0.08), at(from, 0.08), at(from, 0.84), at(to, 0.84)];
            self.panel(stage, inside, &corners, Look::Glass);
            index += 1.0;
        }
    }

    fn draw_wheels(&self, stage: &mut Stage) {
        let Shape {
            length,
            half_width,
            wheel,
            ..
        } = self.shape;
        for aside in [-half_width, half_width] {
            for along in [0.31 * length, -0.3 * length] {
                for (share, tone) in [(1.0, 22.0), (0.62, 130.0), (0.2, 50.0)] {
                    let radius = share * wheel;
                    let rim: Vec<Place> = RIM
                        .iter()
                        .map(|&[right, up]| {
                            [along + radius * right, 1.01 * aside, wheel + radius * up]
                        })
                        .collect();
                    let look = Look::Plain(grey(tone));
                    self.panel(stage, [along, 0.0, wheel], &rim, look);
                }
            }
        }
    }

    /// Lights, plates and grille.
    fn draw_ends(&self, stage: &mut Stage) {
        let Shape {
            length,
            half_width: half,
            sill,
            bonnet,
            belt,
            ..
        } = self.shape;
        let (front, rear) = (0.505 * length, -0.505 * length);
        let inside = [0.0, 0.0, 0.6];
        let mut patch = |along: f32, [left, right]: [f32; 2], [low, high]: [f32; 2], look: Look| {
            let corners = [
                [along, left, low],
                [along, right, low],
                [along, right, high],
                [along, left, high],
            ];
            self.panel(stage, inside, &corners, look);
        };
        let tall = bonnet - sill;
        for side in [-1.0, 1.0] {
            let lamp = [side * 0.6 * half, side * 0.95 * half];
            patch(
                front,
                lamp,
                [bonnet - 0.42 * tall, bonnet - 0.1 * tall],
                Look::Shine(grey(215.0)),
            );
            let lamp = [side * 0.72 * half, side * 0.97 * half];
            let red = screen(200.0, 26.0, 24.0) * self.rear_lights;
            patch(
                rear,
                lamp,
                [belt - 0.4 * tall, belt - 0.04 * tall],
                Look::Shine(red),
            );
        }
        patch(
            front,
            [-0.5 * half, 0.5 * half],
            [bonnet - 0.4 * tall, bonnet - 0.15 * tall],
            Look::Plain(grey(24.0)),
        );
        patch(
            front,
            [-0.97 * half, 0.97 * half],
            [sill, sill + 0.22 * tall],
            Look::Plain(grey(50.0)),
        );
        patch(
            rear,
            [-0.97 * half, 0.97 * half],
            [sill, sill + 0.22 * tall],
            Look::Plain(grey(50.0)),
        );
        patch(
            front,
            [-0.26, 0.26],
            [sill + 0.22 * tall, sill + 0.45 * tall],
            Look::Plain(self.plate),
        );
        patch(
            rear,
            [-0.26, 0.26],
            [sill + 0.35 * tall, sill + 0.58 * tall],
            Look::Plain(self.plate),
        );
    }
}

/// A twelve-cornered wheel: `(1 - t^2, 2 t) / (1 + t^2)` at 30 degree steps.
const RIM: [Point; 12] = [
    [1.0, 0.0],
    [0.866_025_4, 0.5],
    [0.5, 0.866_025_4],
    [0.0, 1.0],
    [-0.5, 0.866_025_4],
    [-0.866_025_4, 0.5],
    [-1.0, 0.0],
    [-0.866_025_4, -0.5],
    [-0.5, -0.866_025_4],
    [0.0, -1.0],
    [0.5, -0.866_025_4],
    [0.866_025_4, -0.5],
];

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
