//! Buildings: boxes along the street, with flat or pitched roofs.

use super::{
    camera::{Camera, Face, Place},
    class::Class,
    color::{Color, grey, screen},
    dice::Dice,
    facade::Facade,
    light::Light,
    noise,
    polygon::Polygon,
    stage::{Stage, Thing},
};

/// A building on one side of the street.
#[derive(Clone, Copy, Debug)]
pub(super) struct Building {
    /// -1 on the left, 1 on the right.
    side: f32,
    /// Metres from the middle of the road to the front, and on to the back.
    front: f32,
    back: f32,
    /// Metres along from the near to the far end.
    from: f32,
    to: f32,
    facade: Facade,
    /// Height of the ridge above the walls, 0 for a flat roof.
    ridge: f32,
    roof: Color,
    chimney: bool,
}

/// The colours of tiles and slates.
const ROOFS: [[f32; 3]; 6] = [
    [92.0, 92.0, 98.0],
    [74.0, 76.0, 82.0],
    [132.0, 80.0, 62.0],
    [110.0, 70.0, 58.0],
    [120.0, 112.0, 104.0],
    [88.0, 78.0, 70.0],
];

impl Building {
    /// Rolls the dice for a building with its front at `front` metres from the middle of the road.
    pub(super) fn roll(
        dice: &mut Dice,
        side: f32,
        front: f32,
        [from, to]: [f32; 2],
        height: f32,
    ) -> Self {
        let [red, green, blue] = dice.pick(&ROOFS);
        let pitched = height < 11.0 && dice.chance(0.65);
        Self {
            side,
            front,
            back: front + dice.between(7.0, 13.0),
            from,
            to,
            facade: Facade::roll(dice, height, to - from),
            ridge: if pitched { dice.between(1.6, 3.6) } else { 0.0 },
            roof: screen(red, green, blue) * dice.about(0.6, 1.4),
            chimney: pitched && dice.chance(0.7),
        }
    }

    fn wall(&self, stage: &mut Stage, corners: &[Place]) {
        let (face, outline) = stage.face(corners);
        if outline.is_empty() {
            return;
        }
        let (facade, light) = (self.facade, stage.light);
        let falling = light.on(face.normal());
        let id = stage.canvas.solid(Class::Building, move |at| {
            let spot = face.spot(at);
            light.through_air(facade.color(spot, &light, falling), spot.depth)
        });
        stage.canvas.fill(id, &outline, face.nearness());
    }

    fn roof(&self, stage: &mut Stage, corners: &[Place]) {
        let (face, outline) = stage.face(corners);
        // From steeply below, the wall hides the roof.
        if outline.is_empty() || face.normal()[1] < 0.0 {
            return;
        }
        let (tiles, light) = (self.roof, stage.light);
        let falling = light.on(face.normal());
        let id = stage.canvas.solid(Class::Building, move |at| {
            let spot = face.spot(at);
            let row = noise::fraction(spot.v / 0.35) - 0.5;
            let spots = noise::rough(0.5 * spot.u, 0.5 * spot.v) - 0.5;
            let shade = 1.0 + 0.5 * spots + 0.5 * row * noise::visible(0.35, spot.pixel);
            light.through_air(tiles * shade * falling, spot.depth)
        });
        stage.canvas.fill(id, &outline, face.nearness());
    }

    fn chimney(&self, stage: &mut Stage) {
        let top = self.facade.height + self.ridge;
        let lateral = self.side * 0.5 * (self.front + self.back);
        let Some(sprite) = stage.sprite([lateral, 0.0, self.from + 0.6]) else {
            return;
        };
        let outline = sprite.outline(&[
            [-0.5, top - 1.2],
            [-0.5, top + 1.1],
            [0.5, top + 1.1],
            [0.5, top - 1.2],
        ]);
        let lit = grey(105.0) * stage.light.on([0.0, 0.0, -1.0]);
        stage.plain(Class::Building, &outline, sprite.depth, lit);
    }
}

impl Thing for Building {
    fn draw(&self, stage: &mut Stage) {
        let [front, back] = [self.side * self.front, self.side * self.back];
        let height = self.facade.height;
        let middle = 0.5 * (front + back);
        if self.ridge > 0.0 {
            let top = height + self.ridge;
            // The roof reaches over the wall, and down as far as it slopes.
            let eaves = front - 0.3 * self.side;
            let low = height - 0.6 * self.ridge / (self.back - self.front);
            self.roof(
                stage,
                &[
                    [eaves, low, self.from],
                    [eaves, low, self.to],
                    [middle, top, self.to],
                    [middle, top, self.from],
                ],
            );
            if self.chimney {
                self.chimney(stage);
            }
            self.wall(
                stage,
                &[
                    [front, 0.0, self.from],
                    [back, 0.0, self.from],
                    [back, height, self.from],
                    [middle, top, self.from],
                    [front, height, self.from],
                ],
            );
        } else {
            self.wall(
                stage,
                &[
                    [front, 0.0, self.from],
                    [back, 0.0, self.from],
                    [back, height, self.from],
                    [front, height, self.from],
                ],
            );
        }
        self.wall(
            stage,
            &[
                [front, 0.0, self.from],
                [front, 0.0, self.to],
                [front, height, self.to],
                [front, height, self.from],
            ],
        );
    }

    fn shade(&self, stage: &mut Stage) {
        if stage.light.sun.luminance() == 0.0 {
            return;
        }
        let reach = stage.light.shadow().map(|reach| reach * self.facade.height);
        let front = self.side * self.front;
        let camera = stage.camera;
        let views = [self.from, self.to].map(|along| camera.view([front, 0.0, along]));
        let outline = shadow(&camera, views, reach);
        let share = stage.light.in_shadow();
        stage.canvas.darken(&outline, share);
    }
}

/// The ground between the foot of a wall and the shadow of its top.
fn shadow(camera: &Camera, [near, far]: [Place; 2], [right, depth]: [f32; 2]) -> Polygon {
    let moved = |view: Place| [view[0] + right, view[1], view[2] + depth];
    camera.outline(&[near, far, moved(far), moved(near)])
}

/// A building across the end of the street.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    lateral: [f32; 2],
    along: f32,
    facade: Facade,
}

impl Closing {
    /// Rolls the dice for a building from one lateral position to another.
    pub(super) fn roll(dice: &mut Dice, lateral: [f32; 2], along: f32, height: f32) -> Self {
        Self {
            lateral,
            along,
            facade: Facade::roll(dice, height, lateral[1] - lateral[0]),
        }
    }
}

impl Thing for Closing {
    fn draw(&self, stage: &mut Stage) {
        let [left, right] = self.lateral;
        let height = self.facade.height;
        let corners = [
            [left, 0.0, self.along],
            [right, 0.0, self.along],
            [right, height, self.along],
            [left, height, self.along],
        ];
        let (face, outline): (Face, Polygon) = stage.face(&corners);
        let (facade, light): (Facade, Light) = (self.facade, stage.light);
        let falling = light.on(face.normal());
        let id = stage.canvas.solid(Class::Building, move |at| {
            let spot = face.spot(at);
            light.through_air(facade.color(spot, &light, falling), spot.depth)
        });
        stage.canvas.fill(id, &outline, face.nearness());
    }
}
