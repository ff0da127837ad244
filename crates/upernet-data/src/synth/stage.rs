//! What everything that is drawn has before it.

use super::{
    camera::{Camera, Face, Place},
    canvas::{Canvas, Nearness, Point, SurfaceId},
    class::Class,
    color::Color,
    light::Light,
    polygon::Polygon,
};

/// A canvas with the camera that looks and the light that falls.
pub(super) struct Stage {
    pub(super) canvas: Canvas,
    pub(super) camera: Camera,
    pub(super) light: Light,
    /// The least width of anything with a label of its own, in pixels.
    pub(super) thin: f32,
}

/// Something that stands in the street.
pub(super) trait Thing {
    /// Draws it over what is there.
    fn draw(&self, stage: &mut Stage);

    /// Draws the shadow that it casts on the ground.
    fn shade(&self, stage: &mut Stage) {
        let _ = stage;
    }
}

/// An upright plane that faces the camera, in metres from a point on the ground.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sprite {
    /// The point on the ground, in pixels.
    pub(super) base: Point,
    /// Pixels for each metre.
    pub(super) scale: f32,
    /// Metres from the camera.
    pub(super) depth: f32,
}

impl Stage {
    /// The upright plane through a place on the street; none behind the camera.
    pub(super) fn sprite(&self, place: Place) -> Option<Sprite> {
        let view = self.camera.view(place);
        let depth = view[2];
        (depth > 1.2).then(|| Sprite {
            base: self.camera.project(view),
            scale: self.camera.scale(depth),
            depth,
        })
    }

    /// The face with the given corners on the street, its first axis from the first to the second, its
    /// second from the first to the last, and its outline.
    pub(super) fn face(&self, corners: &[Place]) -> (Face, Polygon) {
        let views: Vec<Place> = corners
            .iter()
            .map(|&place| self.camera.view(place))
            .collect();
        let face = self.camera.face(views[0], views[1], views[views.len() - 1]);
        (face, self.camera.outline(&views))
    }

    /// Paints one outline with one surface.
    pub(super) fn paint(
        &mut self,
        class: Class,
        outline: &Polygon,
        depth: f32,
        color: impl Fn(Point) -> Color + Send + 'static,
    ) -> SurfaceId {
        let id = self.canvas.solid(class, color);
        self.canvas.fill(id, outline, Nearness::at_depth(depth));
        id
    }

    /// Paints one outline with one colour, as lit by `falling` light and seen through the air.
    pub(super) fn plain(
        &mut self,
        class: Class,
        outline: &Polygon,
        depth: f32,
        lit: Color,
    ) -> SurfaceId {
        let seen = self.light.through_air(lit, depth);
        self.paint(class, outline, depth, move |_| seen)
    }

    /// Casts the shadow of an upright thing with a base of the given half width and a height, metres.
    pub(super) fn cast(&mut self, place: Place, [half, height]: [f32; 2]) {
        let [right, _, depth] = self.camera.view(place);
        if depth < 1.0 {
            return;
        }
        let ground = |right: f32, depth: f32| [right, -self.camera.height, depth];
        let [across, away] = self.light.shadow().map(|reach| reach * height);
        let corners = [
            ground(right - half, depth),
            ground(right + half, depth),
            ground(right + half + across, (depth + away).max(0.3)),
            ground(right - half + across, (depth + away).max(0.3)),
        ];
        let sun = self.light.sun.luminance();
        let outline = self.camera.outline(&corners);
        if sun > 0.0 {
            let share = self.light.in_shadow();
            self.canvas.darken(&outline, share);
        }
        let blur = self.camera.scale(depth) * half * 1.3;
        let base = self.camera.project(ground(right, depth));
        let soft = Polygon::ellipse(base, [blur, 0.3 * blur]);
        self.canvas.darken(&soft, 0.7);
    }
}

impl Sprite {
    /// The point `right` and `up` of the base, in metres.
    pub(super) fn at(&self, [right, up]: Point) -> Point {
        [
            self.base[0] + right * self.scale,
            self.base[1] - up * self.scale,
        ]
    }

    /// The outline through points `[right, up]` in metres.
    pub(super) fn outline(&self, points: &[Point]) -> Polygon {
        Polygon::new(points.iter().map(|&point| self.at(point)).collect())
    }

    /// An ellipse around a point, in metres.
    pub(super) fn ellipse(&self, center: Point, half: [f32; 2]) -> Polygon {
        Polygon::ellipse(self.at(center), half.map(|value| value * self.scale))
    }

    /// A line from point to point, in metres.
    pub(super) fn line(&self, from: Point, to: Point, width: f32) -> Polygon {
        Polygon::line(self.at(from), self.at(to), width * self.scale)
    }
}
