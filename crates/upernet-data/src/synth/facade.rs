//! What the wall of a building looks like: bricks or plaster, windows, doors, shops, billboards.

use super::{
    camera::Spot,
    color::{Color, grey, screen},
    dice::Dice,
    light::Light,
    noise,
};

/// The wall of a building, in metres from its lower corner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facade {
    wall: Color,
    frame: Color,
    shop: Color,
    /// Height of a course of bricks in metres, 0 for plaster.
    course: f32,
    stains: f32,
    /// How much lighter ledges are than the wall.
    trim: f32,
    /// Width of a bay with one window, and height of a storey.
    bay: [f32; 2],
    /// Share of the bay that the window takes, across and up.
    window: [f32; 2],
    /// Panes in each window, across and up.
    panes: [f32; 2],
    /// Height of the shop windows on the ground floor, 0 without.
    ground_floor: f32,
    /// A billboard: its corner and its size; no size, no billboard.
    billboard: [f32; 4],
    /// Below this height the wall lies in the shadow of what is opposite.
    shaded: f32,
    pub(super) height: f32,
    salt: u32,
}

/// The tones that walls have, and how often.
const WALLS: [[f32; 3]; 14] = [
    [142.0, 84.0, 66.0],
    [120.0, 76.0, 62.0],
    [168.0, 120.0, 88.0],
    [186.0, 158.0, 116.0],
    [172.0, 150.0, 120.0],
    [206.0, 190.0, 156.0],
    [222.0, 218.0, 208.0],
    [196.0, 196.0, 194.0],
    [150.0, 148.0, 142.0],
    [118.0, 116.0, 112.0],
    [96.0, 88.0, 82.0],
    [206.0, 178.0, 150.0],
    [168.0, 176.0, 180.0],
    [84.0, 78.0, 80.0],
];

impl Facade {
    /// Rolls the dice for a building of the given height; `city` shops have windows on the street.
    pub(super) fn roll(dice: &mut Dice, height: f32, length: f32) -> Self {
        let tone = dice.pick(&WALLS);
        let shade = dice.about(0.6, 1.15);
        let [red, green, blue] =
            tone.map(|value| (value * shade + dice.about(-14.0, 14.0)).min(245.0));
        let glass = dice.chance(0.1);
        let shop = dice.chance(0.4);
        let ground_floor = if shop { dice.between(2.6, 3.6) } else { 0.0 };
        let billboard = if dice.chance(0.15) {
            let left = dice.between(0.0, 0.7 * length);
            let low = dice.between(3.5, (height - 1.0).max(3.6));
            [left, low, dice.between(1.0, 4.0), dice.between(0.8, 2.4)]
        } else {
            [0.0; 4]
        };
        Self {
            wall: screen(red, green, blue),
            frame: grey(dice.pick(&[235.0, 225.0, 200.0, 60.0, 110.0])),
            shop: screen(
                dice.between(20.0, 210.0),
                dice.between(20.0, 190.0),
                dice.between(20.0, 200.0),
            ),
            course: dice.pick(&[0.0, 0.0, 0.15, 0.15, 0.3, 0.6]),
            stains: dice.between(0.1, 0.6),
            trim: dice.pick(&[0.0, 0.0, 0.3, 0.6, -0.25]),
            bay: [dice.between(1.6, 3.8), dice.between(2.7, 3.6)],
            window: if glass {
                [0.92, 0.82]
            } else {
                [dice.between(0.32, 0.66), dice.between(0.4, 0.62)]
            },
            panes: [
                dice.pick(&[1.0, 2.0, 2.0, 3.0]),
                dice.pick(&[1.0, 2.0, 2.0, 4.0]),
            ],
            ground_floor,
            billboard,
            shaded: if dice.chance(0.5) {
                dice.between(0.0, height)
            } else {
                0.0
            },
            height,
            salt: dice.salt(),
        }
    }

    /// The colour at a spot, for `falling` light on the wall.
    pub(super) fn color(&self, spot: Spot, light: &Light, falling: Color) -> Color {
        let Spot { u, v, .. } = spot;
        let falling = if v < self.shaded + 0.3 * u {
            light.sky * 0.62
        } else {
            falling
        };
        let [left, low, wide, tall] = self.billboard;
        if (left..left + wide).contains(&u) && (low..low + tall).contains(&v) {
            return self.poster((u - left) / wide, (v - low) / tall) * falling;
        }
        if v < self.ground_floor {
            return self.ground_floor(spot, light, falling);
        }
        self.storeys(spot, light, falling)
    }

    fn storeys(&self, spot: Spot, light: &Light, falling: Color) -> Color {
        let Spot { u, v, pixel, .. } = spot;
        let above = v - self.ground_floor;
        let [bay, storey] = self.bay;
        let cells = [noise::cell(u / bay), noise::cell(above / storey)];
        let inside = [noise::fraction(u / bay), noise::fraction(above / storey)];
        let off = [
            (inside[0] - 0.5).abs() / (0.5 * self.window[0]),
            (inside[1] - 0.52).abs() / (0.5 * self.window[1]),
        ];
        if self.ground_floor == 0.0 && cells[1] < 0.5 && self.door(cells[0], off[0], v) {
            return self.shop * falling;
        }
        let last = (cells[1] + 0.9) * storey > self.height - self.ground_floor;
        if off[0] > 1.16 || off[1] > 1.14 || last {
            let sill = off[0] < 1.25
                && (-1.35..-1.1).contains(&((inside[1] - 0.52) * 2.0 / self.window[1]));
            let wall = if sill && !last {
                self.frame * 0.8
            } else {
                self.masonry(u, v, pixel)
            };
            return wall * falling;
        }
        if off[0] > 1.0 || off[1] > 1.0 {
            return self.frame * falling;
        }
        let pane = [0, 1].map(|axis| {
            let across = (inside[axis] - [0.5, 0.52][axis]) / self.window[axis] + 0.5;
            noise::fraction(across * self.panes[axis]) / self.panes[axis]
                * self.window[axis]
                * self.bay[axis]
        });
        if pane.iter().any(|&metres| metres < 0.06) && pixel < 0.12 {
            return self.frame * falling;
        }
        self.glass(cells, inside[1], light)
    }

    /// Whether a door is at a height of the ground floor, `off` the middle of a bay.
    fn door(&self, bay: f32, off: f32, up: f32) -> bool {
        off < 0.9 && up < 2.15 && noise::hash(bay, 9.0, self.salt) < 0.3
    }

    /// Glass reflects sky or street, or lets one see a curtain.
    fn glass(&self, cells: [f32; 2], up: f32, light: &Light) -> Color {
        let chance = noise::hash(cells[0], cells[1], self.salt);
        let sky = light.dome[0].mix(light.dome[1], 0.5);
        if chance < 0.12 {
            return grey(190.0) * light.sky * 0.6;
        }
        if chance > 0.985 {
            return screen(255.0, 220.0, 150.0) * 0.7;
        }
        let reflected = (chance - 0.12) * 0.28 * (0.4 + up);
        sky * reflected + light.sky * 0.02
    }

    fn ground_floor(&self, spot: Spot, light: &Light, falling: Color) -> Color {
        let Spot { u, v, pixel, .. } = spot;
        let fascia = self.ground_floor - 0.7;
        if v > fascia {
            let letters = noise::hash(noise::cell(u / 0.35), 0.0, self.salt) > 0.35
                && (0.18..0.52).contains(&(v - fascia))
                && noise::fraction(u / 0.35) < 0.7
                && noise::fraction(u / 9.0) > 0.3;
            let color = if letters { grey(225.0) } else { self.shop };
            return color * falling;
        }
        let width = 1.3 * self.bay[0];
        let inside = noise::fraction(u / width) * width;
        if inside < 0.2 || v < 0.35 {
            let trim = self.shop.mix(self.masonry(u, v, pixel), 0.4);
            return trim * falling;
        }
        let door = noise::hash(noise::cell(u / width), 3.0, self.salt) < 0.3;
        if door && inside < 1.2 && v < 2.1 {
            return self.shop * 0.5 * falling;
        }
        let goods = noise::rough(2.2 * u, 2.6 * v) - 0.35;
        let inner = grey(150.0) * light.sky * goods.max(0.0) * 0.9;
        light.dome[0] * 0.05 * (0.3 + v) + inner
    }

    /// Bricks or plaster.
    fn masonry(&self, u: f32, v: f32, pixel: f32) -> Color {
        let spots = noise::rough(0.35 * u, 0.35 * v) - 0.5;
        let streaks = noise::smooth(2.2 * u, 0.25 * v) - 0.5;
        let mut shade = 1.0 + self.stains * (0.9 * spots + 0.6 * streaks) + self.ledge(v);
        let near = noise::visible(self.course, pixel);
        if near > 0.0 {
            let row = noise::cell(v / self.course);
            let along = u / (2.6 * self.course) + 0.5 * row;
            let brick = noise::hash(noise::cell(along), row, self.salt) - 0.5;
            let joint = noise::fraction(v / self.course) < 0.15 || noise::fraction(along) < 0.06;
            shade *= 1.0 + near * (0.5 * brick + if joint { 0.25 } else { 0.0 });
        } else {
            let grain = noise::smooth(7.0 * u, 7.0 * v) - 0.5;
            shade *= 1.0 + 0.25 * grain * noise::visible(0.15, pixel);
        }
        self.wall * shade.max(0.2)
    }

    /// Ledges between storeys and under the roof catch the light, and what is below them does not.
    fn ledge(&self, v: f32) -> f32 {
        let below_roof = self.height - v;
        if (0.0..0.3).contains(&below_roof) {
            return self.trim;
        }
        if (0.3..0.5).contains(&below_roof) {
            return -0.3;
        }
        let storey = noise::fraction((v - self.ground_floor) / self.bay[1]) * self.bay[1];
        if storey < 0.16 { 0.6 * self.trim } else { 0.0 }
    }

    /// A billboard: a ground, a stripe, a disc.
    fn poster(&self, across: f32, up: f32) -> Color {
        let tone = |part: f32| {
            let channel = |index: f32| 255.0 * noise::hash(part, index, self.salt);
            screen(channel(0.0), channel(1.0), channel(2.0))
        };
        let disc = (across - 0.4) * (across - 0.4) + (up - 0.55) * (up - 0.55) < 0.08;
        if !(0.04..0.96).contains(&across) || !(0.06..0.94).contains(&up) {
            grey(220.0)
        } else if up < 0.25 {
            tone(5.0)
        } else if disc {
            tone(6.0)
        } else {
            tone(7.0)
        }
    }
}
