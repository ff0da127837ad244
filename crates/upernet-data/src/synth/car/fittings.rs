//! The parts of a vehicle: wheels, lights and plates.

use super::{
    super::{
        camera::{Place, dot, minus, unit},
        canvas::Point,
        color::{grey, screen},
        stage::Stage,
    },
    Car, Look,
    shape::Shape,
};

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

impl Car {
    /// Draws the treads of the tyres, before the body covers most of them.
    pub(super) fn draw_treads(&self, stage: &mut Stage) {
        let Shape {
            length,
            half_width,
            wheel,
            ..
        } = self.shape;
        let inside = [0.0, 0.0, wheel];
        for aside in [-half_width, half_width] {
            for along in [0.31 * length + wheel, -0.3 * length - wheel] {
                let inner = aside - aside.signum() * 0.2;
                let tread = [
                    [along, inner, 0.0],
                    [along, aside, 0.0],
                    [along, aside, wheel],
                    [along, inner, wheel],
                ];
                self.panel(stage, inside, &tread, Look::Plain(grey(16.0)));
            }
        }
    }

    /// Draws the wheels on both sides.
    pub(super) fn draw_wheels(&self, stage: &mut Stage) {
        let Shape {
            length,
            half_width,
            wheel,
            ..
        } = self.shape;
        // Seen along the axle's edge, a wheel is nothing but its tread.
        let [middle, right] = [0.0, 1.0].map(|aside| self.view(stage, [0.0, aside, 0.0]));
        if dot(unit(minus(right, middle)), unit(middle)).abs() < 0.12 {
            return;
        }
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

    /// Draws lights, plates and grille.
    pub(super) fn draw_ends(&self, stage: &mut Stage) {
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
