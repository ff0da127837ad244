//! From the street to the photo and back.
//!
//! A place on the street is `[lateral, up, along]` in metres: to the right of the middle of the road,
//! above the ground, along the road from where the camera stands. A view is `[right, up, depth]` in
//! metres from the camera. Looking up or down shifts the horizon, so that what is upright stays upright.

use super::{
    canvas::{Nearness, Point},
    dice::Dice,
    polygon::Polygon,
};

/// A place on the street, or a view from the camera: see the module.
pub(super) type Place = [f32; 3];

/// Nothing nearer than this is seen, in metres.
const NEAREST: f32 = 0.6;

/// Where the camera is and how it looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera {
    /// `[height, width]` of the photo in pixels.
    pub(super) size: [f32; 2],
    /// Pixels for a metre at a depth of one metre.
    pub(super) focal: f32,
    /// The row of the horizon in pixels.
    pub(super) horizon: f32,
    /// Metres above the ground.
    pub(super) height: f32,
    lateral: f32,
    /// Cosine and sine of the turn from the direction of the road.
    turn: [f32; 2],
    /// Metres that the road has swerved for each square metre along.
    bend: f32,
}

/// A flat surface as the camera sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    origin: Place,
    axes: [Place; 2],
    normal: Place,
    distance: f32,
    focal: f32,
    center: Point,
}

/// A point of a face.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// Metres along the first axis of the face.
    pub(super) u: f32,
    /// Metres along the second axis of the face.
    pub(super) v: f32,
    /// Metres in front of the camera.
    pub(super) depth: f32,
    /// Metres that a pixel covers there, were it seen straight on.
    pub(super) pixel: f32,
}

impl Camera {
    /// Rolls the dice for a camera on a road of `half` its width.
    pub(super) fn roll(dice: &mut Dice, [height, width]: [usize; 2], half: f32) -> Self {
        let size = [height as f32, width as f32];
        let extent = 0.5 * (size[1] + 4.0 / 3.0 * size[0]);
        let tilt = dice.about(0.42, 0.64);
        Self {
            size,
            focal: extent * dice.about(0.72, 1.12),
            horizon: size[0] * tilt,
            height: dice.about(1.15, 1.9),
            lateral: dice.between(-0.72, 0.35) * half,
            turn: dice.direction(0.15),
            bend: if dice.chance(0.35) {
                dice.between(-0.0025, 0.0025)
            } else {
                0.0
            },
        }
    }

    /// What is seen at a place on the street.
    pub(super) fn view(&self, [lateral, up, along]: Place) -> Place {
        let right = lateral + self.bend * along * along - self.lateral;
        let [cos, sin] = self.turn;
        [
            cos * right - sin * along,
            up - self.height,
            sin * right + cos * along,
        ]
    }

    /// Pixels for a metre at a depth.
    pub(super) fn scale(&self, depth: f32) -> f32 {
        self.focal / depth
    }

    /// The point of the photo at which a view appears.
    pub(super) fn project(&self, [right, up, depth]: Place) -> Point {
        let scale = self.scale(depth);
        [
            0.5 * self.size[1] + right * scale,
            self.horizon - up * scale,
        ]
    }

    /// The outline of a flat thing given by its views; empty if it is behind the camera.
    pub(super) fn outline(&self, views: &[Place]) -> Polygon {
        let mut points = Vec::with_capacity(views.len() + 2);
        for (index, &view) in views.iter().enumerate() {
            let next = views[(index + 1) % views.len()];
            if view[2] >= NEAREST {
                points.push(self.project(view));
            }
            if (view[2] >= NEAREST) != (next[2] >= NEAREST) {
                let share = (NEAREST - view[2]) / (next[2] - view[2]);
                let cut = |axis: usize| view[axis] + share * (next[axis] - view[axis]);
                points.push(self.project([cut(0), cut(1), NEAREST]));
            }
        }
        Polygon::new(points)
    }

    /// The ground at a point: `[lateral, along]` on the street, and its depth; nothing above the horizon.
    pub(super) fn ground(&self, [x, y]: Point) -> Option<([f32; 2], f32)> {
        let below = y - self.horizon;
        if below <= 0.05 {
            return None;
        }
        let depth = self.focal * self.height / below;
        let right = (x - 0.5 * self.size[1]) / self.focal * depth;
        let [cos, sin] = self.turn;
        let along = cos * depth - sin * right;
        let lateral = cos * right + sin * depth + self.lateral - self.bend * along * along;
        Some(([lateral, along], depth))
    }

    /// The face through three views: its origin, and one point on each axis.
    pub(super) fn face(&self, origin: Place, first: Place, second: Place) -> Face {
        let axes = [unit(minus(first, origin)), unit(minus(second, origin))];
        let normal = unit(cross(axes[0], axes[1]));
        let distance = dot(normal, origin);
        // Towards the camera, whichever way round the axes are.
        let side = if distance > 0.0 { -1.0 } else { 1.0 };
        Face {
            origin,
            axes,
            normal: normal.map(|value| side * value),
            distance: (side * distance).min(-1e-3),
            focal: self.focal,
            center: [0.5 * self.size[1], self.horizon],
        }
    }
}

impl Face {
    /// Where the ray through a point of the photo meets the face.
    pub(super) fn spot(&self, [x, y]: Point) -> Spot {
        let ray = [
            (x - self.center[0]) / self.focal,
            (self.center[1] - y) / self.focal,
            1.0,
        ];
        let depth = (self.distance / dot(self.normal, ray).min(-1e-6)).min(1000.0);
        let offset = minus(ray.map(|value| value * depth), self.origin);
        Spot {
            u: dot(offset, self.axes[0]),
            v: dot(offset, self.axes[1]),
            depth,
            pixel: depth / self.focal,
        }
    }

    /// How near it is over the photo.
    pub(super) fn nearness(&self) -> Nearness {
        let [right, up, ahead] = self.normal.map(|value| value / self.distance);
        let [x, y] = self.center;
        Nearness {
            right: right / self.focal,
            down: -up / self.focal,
            corner: ahead - right * x / self.focal + up * y / self.focal,
        }
    }

    /// The direction that it faces, in views.
    pub(super) fn normal(&self) -> Place {
        self.normal
    }
}

pub(super) fn dot(a: Place, b: Place) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn minus(a: Place, b: Place) -> Place {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn cross(a: Place, b: Place) -> Place {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// The vector with length 1.
pub(super) fn unit(vector: Place) -> Place {
    let length = dot(vector, vector).sqrt().max(1e-9);
    vector.map(|value| value / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> Camera {
        let mut dice = Dice::new(5, 1, 2);
        Camera {
            bend: 0.002,
            ..Camera::roll(&mut dice, [240, 320], 4.0)
        }
    }

    #[test]
    fn the_ground_is_found_where_it_is_seen() {
        let camera = camera();
        for place in [[-3.0, 0.0, 6.0], [2.0, 0.0, 15.0], [9.0, 0.0, 40.0]] {
            let seen = camera.project(camera.view(place));
            let ([lateral, along], depth) = camera.ground(seen).unwrap();
            // The bend is undone with the metres along before it, exactly.
            assert!((lateral - place[0]).abs() < 0.02, "{lateral}");
            assert!((along - place[2]).abs() < 0.02, "{along}");
            assert!((depth - camera.view(place)[2]).abs() < 0.02, "{depth}");
        }
        assert!(camera.ground([100.0, camera.horizon - 1.0]).is_none());
    }

    #[test]
    fn spots_of_a_face_are_found_where_they_are_seen() {
        let camera = camera();
        let views = [[-4.0, -1.5, 5.0], [-4.5, -1.5, 30.0], [-4.0, 6.0, 5.0]];
        let face = camera.face(views[0], views[1], views[2]);
        let up = 3.0;
        let middle = [-4.25, -1.5 + up, 17.5];
        let seen = camera.project(middle);
        let spot = face.spot(seen);
        assert!((spot.v - up).abs() < 0.01, "{spot:?}");
        assert!(
            (spot.u - (0.25_f32 * 0.25 + 12.5 * 12.5).sqrt()).abs() < 0.02,
            "{spot:?}"
        );
        let near = face.nearness();
        let inverse = near.corner + near.right * seen[0] + near.down * seen[1];
        assert!((1.0 / inverse - 17.5).abs() < 0.02, "{inverse}");
        assert!(dot(face.normal(), middle) < 0.0);
    }

    #[test]
    fn what_is_behind_the_camera_is_cut_off() {
        let camera = camera();
        let behind = camera.outline(&[[-1.0, 0.0, -5.0], [1.0, 0.0, -5.0], [0.0, 1.0, -2.0]]);
        assert!(behind.is_empty());
        let across = camera.outline(&[
            [-2.0, -1.0, -5.0],
            [-2.0, -1.0, 9.0],
            [-2.0, 1.0, 9.0],
            [-2.0, 1.0, -5.0],
        ]);
        let [left, _, right, _] = across.bounds().unwrap();
        assert!(
            (left - camera.project([-2.0, 0.0, NEAREST])[0]).abs() < 0.1,
            "{left}"
        );
        assert!(
            (right - camera.project([-2.0, 0.0, 9.0])[0]).abs() < 0.1,
            "{right}"
        );
    }
}
