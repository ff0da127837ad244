//! The parts of a vehicle: body, cabin and windows.

use super::{
    super::{camera::Place, color::grey, stage::Stage},
    Car, Look,
    shape::Shape,
};

impl Car {
    /// Draws what is below the windows.
    pub(super) fn draw_body(&self, stage: &mut Stage) {
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
            [[screen[0], belt], [self.shape.rear[0], belt]],
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

    /// Draws windows and roof.
    pub(super) fn draw_cabin(&self, stage: &mut Stage) {
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
}
