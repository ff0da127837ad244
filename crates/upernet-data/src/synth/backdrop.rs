//! What closes the view at the horizon: far roofs and trees.

use super::{
    canvas::{Nearness, Point},
    class::Class,
    color::{grey, screen},
    dice::Dice,
    noise,
    polygon::Polygon,
    stage::Stage,
};

/// Draws far houses and trees across the whole photo.
pub(super) fn draw(dice: &mut Dice, stage: &mut Stage) {
    let [_, width] = stage.camera.size;
    let woods = dice.between(0.0, 1.0);
    let mut left = -0.05 * width;
    while left < 1.05 * width {
        let wide = width * dice.between(0.04, 0.16);
        let depth = dice.between(110.0, 170.0);
        if dice.chance(woods) {
            trees(dice, stage, [left, wide], depth);
        } else {
            houses(dice, stage, [left, wide], depth);
        }
        left += 0.8 * wide;
    }
}

fn houses(dice: &mut Dice, stage: &mut Stage, [left, wide]: [f32; 2], depth: f32) {
    let scale = stage.camera.scale(depth);
    let horizon = stage.camera.horizon;
    let top = horizon - dice.between(5.0, 13.0) * scale;
    let peak = if dice.chance(0.6) {
        dice.between(1.0, 3.0) * scale
    } else {
        0.0
    };
    let base = horizon + 2.5 * scale;
    let outline = Polygon::new(vec![
        [left, base],
        [left, top],
        [left + 0.5 * wide, top - peak],
        [left + wide, top],
        [left + wide, base],
    ]);
    let tone = dice.between(70.0, 190.0);
    let wall = screen(tone + 12.0, tone, tone - 12.0);
    let light = stage.light;
    let falling = light.on([0.0, 0.0, -1.0]);
    let salt = dice.salt();
    stage.paint(Class::Building, &outline, depth, move |[x, y]: Point| {
        let cells = [x / (2.0 * scale), y / (2.5 * scale)];
        let window = noise::fraction(cells[0]) < 0.5 && noise::fraction(cells[1]) < 0.5;
        let dark = noise::hash(noise::cell(cells[0]), noise::cell(cells[1]), salt);
        let color = if window {
            wall.mix(grey(40.0), 0.3 + 0.5 * dark)
        } else {
            wall
        };
        light.through_air(color * falling, depth)
    });
}

fn trees(dice: &mut Dice, stage: &mut Stage, [left, wide]: [f32; 2], depth: f32) {
    let scale = stage.camera.scale(depth);
    let horizon = stage.camera.horizon;
    let leaf = screen(
        dice.between(50.0, 110.0),
        dice.between(60.0, 110.0),
        dice.between(35.0, 70.0),
    );
    let light = stage.light;
    let falling = light.on([0.0, 0.5, -0.8]);
    let id = stage.canvas.solid(Class::Tree, move |[x, y]: Point| {
        let lumps = noise::rough(x / (1.6 * scale), y / (1.3 * scale)) - 0.4;
        light.through_air(leaf * (0.8 + 1.6 * lumps).max(0.1) * falling, depth)
    });
    let near = Nearness::at_depth(depth);
    for _ in 0..3 {
        let tall = scale * dice.between(2.5, 5.5);
        let center = [left + wide * dice.unit(), horizon + 1.5 * scale - tall];
        let half = [wide * dice.between(0.35, 0.6), tall];
        let crown = Polygon::blob(center, half, 0.25, dice.salt());
        stage.canvas.fill(id, &crown, near);
    }
}
