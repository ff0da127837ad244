//! Trees in leaf and bare ones, bushes and hedges.

use super::{
    camera::Place,
    canvas::{Nearness, Point},
    class::Class,
    color::{Color, screen},
    dice::Dice,
    noise,
    polygon::Polygon,
    stage::{Sprite, Stage, Thing},
};

/// How a tree is clad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    Dense,
    Bare,
}

/// A tree or a bush; metres.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    place: Place,
    height: f32,
    /// Radius of the trunk, 0 for a bush.
    trunk: f32,
    leaves: Leaves,
    color: Color,
    bark: Color,
    /// Clumps of leaves: centre `[right, up]`, half axes, salt.
    clumps: Vec<(Point, [f32; 2], u32)>,
    /// Branches of a bare tree: from, to, width.
    branches: Vec<(Point, Point, f32)>,
    salt: u32,
}

/// The colours of leaves through the year.
const LEAVES: [[f32; 3]; 8] = [
    [74.0, 104.0, 42.0],
    [58.0, 86.0, 42.0],
    [96.0, 116.0, 52.0],
    [48.0, 68.0, 40.0],
    [112.0, 110.0, 50.0],
    [128.0, 100.0, 52.0],
    [104.0, 74.0, 50.0],
    [84.0, 92.0, 68.0],
];

impl Tree {
    /// Rolls the dice for a tree; `winter` is the chance that it is bare.
    pub(super) fn roll(dice: &mut Dice, place: Place, winter: f32) -> Self {
        let height = dice.between(4.5, 13.0);
        let leaves = if dice.chance(winter) {
            Leaves::Bare
        } else {
            Leaves::Dense
        };
        let stem = height * dice.between(0.2, 0.4);
        let half = [height * dice.between(0.2, 0.38), 0.5 * (height - stem)];
        let mut tree = Self::clad(dice, place, height, leaves);
        tree.trunk = height * dice.between(0.014, 0.026);
        tree.clumps = clumps(dice, [0.0, stem + half[1]], half, 9);
        if leaves == Leaves::Bare {
            tree.branches = branches(dice, stem, half, tree.trunk);
        }
        tree
    }

    /// Rolls the dice for a bush.
    pub(super) fn bush(dice: &mut Dice, place: Place) -> Self {
        let height = dice.between(0.8, 2.6);
        let half = [height * dice.between(0.5, 1.3), 0.5 * height];
        let mut tree = Self::clad(dice, place, height, Leaves::Dense);
        tree.clumps = clumps(dice, [0.0, half[1] - 0.1], half, 6);
        tree
    }

    fn clad(dice: &mut Dice, place: Place, height: f32, leaves: Leaves) -> Self {
        let [red, green, blue] = dice.pick(&LEAVES);
        let bark = dice.between(45.0, 95.0);
        Self {
            place,
            height,
            trunk: 0.0,
            leaves,
            color: screen(red, green, blue) * dice.about(0.5, 1.6),
            bark: screen(bark + 8.0, bark, bark - 10.0),
            clumps: Vec::new(),
            branches: Vec::new(),
            salt: dice.salt(),
        }
    }

    fn draw_trunk(&self, stage: &mut Stage, sprite: Sprite) {
        let half = self.trunk.max(0.5 * stage.thin / sprite.scale);
        let top = 0.62 * self.height;
        let outline = sprite.outline(&[
            [-1.25 * half, 0.0],
            [-half, 0.12 * self.height],
            [-0.75 * half, top],
            [0.75 * half, top],
            [half, 0.12 * self.height],
            [1.25 * half, 0.0],
        ]);
        let (light, bark, depth) = (stage.light, self.bark, sprite.depth);
        stage.paint(Class::Tree, &outline, depth, move |[x, y]: Point| {
            let right = (x - sprite.base[0]) / sprite.scale;
            let up = (sprite.base[1] - y) / sprite.scale;
            let rough = noise::rough(14.0 * right, 3.0 * up) - 0.5;
            light.through_air(bark * (1.0 + rough) * light.on_round(right / half), depth)
        });
    }

    fn draw_dense(&self, stage: &mut Stage, sprite: Sprite) {
        let (light, color, depth) = (stage.light, self.color, sprite.depth);
        let shift = (self.salt & 63) as f32;
        for &(center, half, salt) in &self.clumps {
            let middle = sprite.at(center);
            let size = half.map(|value| value * sprite.scale);
            let id = stage.canvas.solid(Class::Tree, move |[x, y]: Point| {
                let aside = (x - middle[0]) / size[0];
                let up = (middle[1] - y) / size[1];
                let [u, v] = [
                    (x - sprite.base[0]) / sprite.scale,
                    (sprite.base[1] - y) / sprite.scale,
                ];
                let lumps = noise::rough(1.7 * u + shift, 1.7 * v) - 0.5;
                let fine = noise::smooth(9.0 * u, 9.0 * v + shift) - 0.5;
                let fine = fine * noise::visible(0.12, 1.0 / sprite.scale);
                let falling = light.on([0.6 * aside, 0.25 + 0.5 * up, -0.55]);
                let shade = (0.75 + 0.3 * up + 1.3 * lumps + 1.1 * fine).max(0.06);
                light.through_air(color * shade * falling, depth)
            });
            let outline = Polygon::blob(middle, size, 0.22, salt);
            stage.canvas.fill(id, &outline, Nearness::at_depth(depth));
        }
    }

    fn draw_bare(&self, stage: &mut Stage, sprite: Sprite) {
        let (light, depth) = (stage.light, sprite.depth);
        let shift = (self.salt & 63) as f32;
        let bark = light.through_air(self.bark * 0.8 * light.on([0.0, 0.3, -0.8]), depth);
        let (center, half, _) = self.clumps[0];
        let near = Nearness::at_depth(depth);
        let twigs = stage.canvas.veil(Class::Tree, move |[x, y]: Point| {
            let right = (x - sprite.base[0]) / sprite.scale;
            let up = (sprite.base[1] - y) / sprite.scale;
            let off = [(right - center[0]) / half[0], (up - center[1]) / half[1]];
            let inside = noise::step(1.9, 0.5, (off[0] * off[0] + off[1] * off[1]).sqrt());
            let lace = noise::rough(7.3 * right + shift, 7.3 * up);
            let lumps = noise::smooth(0.8 * right, 0.8 * up + shift);
            let cover = noise::step(0.15, 0.95, lace + 0.35 * (lumps - 0.5));
            (bark, (0.3 + 0.7 * inside) * (0.12 + 0.88 * cover))
        });
        for &(center, half, salt) in &self.clumps {
            let size = half.map(|value| value * sprite.scale);
            let outline = Polygon::blob(sprite.at(center), size, 0.25, salt);
            stage.canvas.fill(twigs, &outline, near);
        }
        let wood = stage.canvas.solid(Class::Tree, move |_| bark);
        for &(from, to, width) in &self.branches {
            let branch = sprite.line(from, to, width);
            stage.canvas.fill(wood, &branch, near);
        }
    }
}

/// Branches that grow from a stem and divide, each `[right, up]` from, to, and its width.
fn branches(dice: &mut Dice, stem: f32, half: [f32; 2], trunk: f32) -> Vec<(Point, Point, f32)> {
    let center = [0.0, stem + half[1]];
    let mut grown = Vec::new();
    for index in 0..7 {
        let start = [0.0, stem * (0.8 + 0.08 * index as f32)];
        let [up, right] = dice.direction(0.55);
        let length = half[1] * dice.between(0.8, 1.5);
        let end = within(center, half, [right * length * 1.1, start[1] + up * length]);
        grown.push((start, end, 0.9 * trunk));
        for _ in 0..6 {
            let share = dice.between(0.3, 0.95);
            let fork = [0, 1].map(|axis| start[axis] + share * (end[axis] - start[axis]));
            let [ahead, aside] = dice.direction(0.5);
            let (reach, lean) = (0.45 * length, [right, up]);
            let tip = within(
                center,
                half,
                [
                    fork[0] + reach * (ahead * lean[0] + aside * lean[1]),
                    fork[1] + reach * (ahead * lean[1] - aside * lean[0]),
                ],
            );
            grown.push((fork, tip, 0.4 * trunk));
        }
    }
    grown
}

/// The point, or one on the way to it from the centre that is well inside of an ellipse.
fn within(center: Point, half: [f32; 2], point: Point) -> Point {
    let off = [0, 1].map(|axis| (point[axis] - center[axis]) / half[axis]);
    let away = (off[0] * off[0] + off[1] * off[1]).sqrt();
    let share = (0.85 / away.max(0.1)).min(1.0);
    [0, 1].map(|axis| center[axis] + share * (point[axis] - center[axis]))
}

/// Clumps that fill an ellipse, the lowest first.
fn clumps(
    dice: &mut Dice,
    center: Point,
    half: [f32; 2],
    count: usize,
) -> Vec<(Point, [f32; 2], u32)> {
    let mut found = vec![(center, half.map(|value| 0.8 * value), dice.salt())];
    for _ in 0..count {
        let [cos, sin] = dice.direction(8.0);
        let out = dice.between(0.3, 0.75);
        let size = dice.between(0.3, 0.5);
        let middle = [
            center[0] + out * half[0] * sin,
            center[1] + out * half[1] * cos,
        ];
        found.push((middle, half.map(|value| size * value), dice.salt()));
    }
    found[1..].sort_by(|a, b| a.0[1].total_cmp(&b.0[1]));
    found
}

impl Thing for Tree {
    fn draw(&self, stage: &mut Stage) {
        let Some(sprite) = stage.sprite(self.place) else {
            return;
        };
        match self.leaves {
            Leaves::Dense => {
                if self.trunk > 0.0 {
                    self.draw_trunk(stage, sprite);
                }
                self.draw_dense(stage, sprite);
            }
            Leaves::Bare => {
                self.draw_bare(stage, sprite);
                self.draw_trunk(stage, sprite);
            }
        }
    }

    fn shade(&self, stage: &mut Stage) {
        let half = if self.trunk > 0.0 {
            self.trunk
        } else {
            0.4 * self.height
        };
        stage.cast(self.place, [half, self.height]);
        let [right, _, depth] = stage.camera.view(self.place);
        let [across, away] = stage.light.shadow().map(|reach| 0.7 * reach * self.height);
        if stage.light.sun.luminance() == 0.0 || depth + away < 1.5 {
            return;
        }
        let share = stage.light.in_shadow();
        for &([aside, _], half, salt) in self.clumps.iter().skip(1) {
            let place = [
                right + across + 1.3 * aside,
                -stage.camera.height,
                depth + away,
            ];
            let center = stage.camera.project(place);
            let wide = half[0] * stage.camera.scale(depth + away);
            let dapple = Polygon::blob(center, [wide, 0.25 * wide], 0.4, salt);
            stage.canvas.darken(&dapple, 0.5 * (1.0 + share));
        }
    }
}
