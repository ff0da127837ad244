//! Road, pavement and grass.

use super::{
    canvas::Point,
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    noise,
    stage::Stage,
    street::{Street, Zone},
};

/// What the ground is made of.
#[derive(Clone, Copy, Debug)]
struct Ground {
    asphalt: Color,
    paving: Color,
    kerb: Color,
    grass: Color,
    paint: Color,
    /// How strong spots and stains are.
    stains: f32,
    /// Edge of a paving slab in metres.
    slab: f32,
    /// Length of a dash of the middle line and of the gap after it, metres; no line if both are zero.
    dashes: [f32; 2],
    /// Lines along the kerb: how many.
    edge_lines: f32,
    edge_paint: Color,
    /// Metres along at which a crossing begins; far away if there is none.
    crossing: f32,
    salt: u32,
}

/// A place on the ground as the camera sees it.
#[derive(Clone, Copy, Debug)]
struct Patch {
    lateral: f32,
    along: f32,
    /// Metres that a pixel covers along the road, where it is longest.
    pixel: f32,
}

/// Covers everything below the horizon.
pub(super) fn cover(dice: &mut Dice, stage: &mut Stage, street: Street) {
    let ground = Ground::roll(dice);
    let (camera, light) = (stage.camera, stage.light);
    let paint = |stage: &mut Stage, class, color: fn(&Ground, &Street, Patch) -> Color| {
        let falling = light.on_ground();
        stage.canvas.solid(class, move |at: Point| {
            let Some(([lateral, along], depth)) = camera.ground(at) else {
                return light.dome[0];
            };
            let patch = Patch {
                lateral,
                along,
                pixel: depth * depth / (camera.focal * camera.height),
            };
            light.through_air(color(&ground, &street, patch) * falling, depth)
        })
    };
    let road = paint(stage, Class::Road, Ground::road);
    let pavement = paint(stage, Class::Pavement, Ground::pavement);
    let grass = paint(stage, Class::Tree, Ground::grass);
    stage.canvas.cover(|at| {
        let (place, _) = camera.ground(at)?;
        Some(match street.zone(place) {
            Zone::Road => road,
            Zone::Pavement => pavement,
            Zone::Grass => grass,
        })
    });
}

impl Ground {
    fn roll(dice: &mut Dice) -> Self {
        let tone = dice.about(60.0, 120.0);
        let tint = dice.about(-8.0, 8.0);
        let asphalt = screen(tone + tint, tone, tone - 0.7 * tint);
        let lighter = dice.between(12.0, 60.0);
        let paving = match dice.pick(&[0, 0, 0, 1, 2]) {
            0 => screen(tone + lighter + 5.0, tone + lighter, tone + lighter - 6.0),
            1 => screen(
                tone + lighter + 22.0,
                tone + lighter - 4.0,
                tone + lighter - 16.0,
            ),
            _ => screen(
                tone + lighter + 22.0,
                tone + lighter + 12.0,
                tone + lighter - 14.0,
            ),
        };
        Self {
            asphalt,
            paving,
            kerb: grey(tone + dice.between(20.0, 85.0)),
            grass: dice.pick(&[
                screen(84.0, 110.0, 48.0),
                screen(110.0, 118.0, 62.0),
                screen(66.0, 92.0, 46.0),
                screen(118.0, 108.0, 70.0),
            ]),
            paint: grey(dice.between(165.0, 235.0)),
            stains: dice.between(0.1, 0.5),
            slab: dice.pick(&[0.45, 0.6, 0.9]),
            dashes: dice.pick(&[
                [2.0, 4.0],
                [4.0, 2.0],
                [1.0, 5.0],
                [1000.0, 0.0],
                [0.0, 1000.0],
            ]),
            edge_lines: dice.pick(&[0.0, 0.0, 1.0, 2.0]),
            edge_paint: dice.pick(&[screen(214.0, 190.0, 90.0), grey(220.0)]),
            crossing: if dice.chance(0.25) {
                dice.between(5.0, 30.0)
            } else {
                10_000.0
            },
            salt: dice.salt(),
        }
    }

    fn road(&self, street: &Street, patch: Patch) -> Color {
        let Patch {
            lateral,
            along,
            pixel,
        } = patch;
        let spots = noise::rough(0.4 * lateral, 0.25 * along) - 0.5;
        let grain = noise::smooth(9.0 * lateral, 9.0 * along) - 0.5;
        let fine = noise::hash(
            noise::cell(22.0 * lateral),
            noise::cell(22.0 * along),
            self.salt,
        );
        let tracks = noise::smooth(1.1 * lateral + 40.0, 0.02 * along) - 0.5;
        let fine = (fine - 0.5) * noise::visible(0.05, pixel);
        let grain = grain * noise::visible(0.12, pixel);
        let mut shade = 1.0 + self.stains * (0.9 * spots + 0.5 * grain + 0.6 * tracks) + 0.5 * fine;
        let block = [noise::cell(lateral / 2.7), noise::cell(along / 7.0)];
        if noise::hash(block[0], block[1], self.salt) < 0.08 {
            shade *= 0.72;
        }
        if self.manhole(lateral, along) {
            shade *= 0.55;
        }
        let worn = (0.55 + 0.9 * noise::smooth(3.0 * lateral, 3.0 * along)).min(1.0);
        let near_kerb = street.side(lateral).kerb - lateral.abs() < 1.0;
        let paint = if near_kerb {
            self.edge_paint
        } else {
            self.paint
        };
        let painted = self.marking(street, patch);
        (self.asphalt * shade.max(0.2)).mix(paint, painted * worn)
    }

    /// Whether there is the lid of a manhole.
    fn manhole(&self, lateral: f32, along: f32) -> bool {
        let [across, ahead] = [lateral / 2.3, along / 7.7];
        let cells = [noise::cell(across), noise::cell(ahead)];
        let off = [
            (noise::fraction(across) - 0.5) * 2.3,
            (noise::fraction(ahead) - 0.5) * 7.7,
        ];
        noise::hash(cells[0], cells[1], !self.salt) < 0.12
            && off[0] * off[0] + off[1] * off[1] < 0.1
    }

    /// How much of the road is painted at a place.
    fn marking(
        &self,
        street: &Street,
        Patch {
            lateral,
            along,
            pixel,
        }: Patch,
    ) -> f32 {
        let side = street.side(lateral);
        let clear = side.mouth[0] < along && along < side.mouth[1];
        let [dash, gap] = self.dashes;
        let inside = noise::fraction(along / (dash + gap)) * (dash + gap) < dash;
        let middle = line(lateral, 0.0, 0.11, pixel) * f32::from(u8::from(inside && !clear));
        let from_kerb = side.kerb - lateral.abs();
        let edge = line(from_kerb, 0.3, 0.1, pixel) * self.edge_lines.min(1.0)
            + line(from_kerb, 0.52, 0.1, pixel) * (self.edge_lines - 1.0).max(0.0);
        let edge = if clear || from_kerb < 0.0 { 0.0 } else { edge };
        let zebra = self.crossing < along
            && along < self.crossing + 3.0
            && from_kerb > 0.3
            && noise::fraction(lateral) < 0.5;
        let stop = (self.crossing - 1.6 < along && along < self.crossing - 1.2)
            && (-from_kerb < 0.0)
            && lateral < 0.0;
        (middle + edge + f32::from(u8::from(zebra || stop))).min(1.0)
    }

    fn pavement(
        &self,
        street: &Street,
        Patch {
            lateral,
            along,
            pixel,
        }: Patch,
    ) -> Color {
        let out = lateral.abs() - street.side(lateral).kerb;
        if (0.0..0.22).contains(&out) {
            let joint = noise::fraction(along / 0.9) < 0.04;
            let shade = if joint && pixel < 0.05 { 0.6 } else { 1.0 };
            return self.kerb * shade;
        }
        let cells = [
            noise::cell(lateral / self.slab),
            noise::cell(along / self.slab),
        ];
        let inside = [
            noise::fraction(lateral / self.slab),
            noise::fraction(along / self.slab),
        ];
        let joint = inside.iter().any(|&part| part * self.slab < 0.025);
        let near = noise::visible(0.1, pixel);
        let slab = noise::hash(cells[0], cells[1], self.salt) - 0.5;
        let spots = noise::rough(0.7 * lateral, 0.7 * along) - 0.5;
        let shade =
            1.0 + 0.25 * near * slab + self.stains * spots - if joint { 0.35 * near } else { 0.0 };
        let bit = [noise::cell(7.0 * lateral), noise::cell(7.0 * along)];
        if pixel < 0.12 && noise::hash(bit[0], bit[1], !self.salt) < 0.002 {
            // Litter and leaves.
            return self
                .paint
                .mix(self.grass, noise::hash(bit[1], bit[0], self.salt));
        }
        self.paving * shade.max(0.2)
    }

    fn grass(
        &self,
        _: &Street,
        Patch {
            lateral,
            along,
            pixel,
        }: Patch,
    ) -> Color {
        let tufts = noise::rough(3.0 * lateral, 3.0 * along) - 0.5;
        let blades = noise::hash(
            noise::cell(25.0 * lateral),
            noise::cell(25.0 * along),
            self.salt,
        );
        let spots = noise::rough(0.3 * lateral, 0.3 * along) - 0.5;
        let shade = 1.0
            + 0.9 * tufts * noise::visible(0.3, pixel)
            + 0.7 * (blades - 0.5) * noise::visible(0.04, pixel)
            + 0.8 * spots;
        self.grass * shade.max(0.15)
    }
}

/// How much of a pixel is covered by a line along the road.
fn line(lateral: f32, center: f32, width: f32, pixel: f32) -> f32 {
    // Across the road a pixel is much shorter than along.
    let soft = (0.15 * pixel).max(0.01);
    let off = (lateral - center).abs() - 0.5 * width;
    (0.5 - off / soft).clamp(0.0, 1.0)
}
