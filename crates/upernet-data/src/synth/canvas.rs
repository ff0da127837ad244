//! What covers each sample of a scene: mask and photo come from the same surfaces, so they cannot part.
//!
//! There is a sample at each corner of a pixel and one in its centre: even rows of samples hold the
//! corners, odd rows the centres. Only which surface covers a sample is drawn here; its colour is computed
//! once, when everything is drawn.

use super::{class::Class, color::Color, polygon::Polygon};

/// A point of the photo, `[x, y]` in pixels from the upper left corner.
pub(super) type Point = [f32; 2];

/// The colour of an opaque surface at a point.
type Solid = Box<dyn Fn(Point) -> Color + Send>;

/// The colour of a surface at a point and how much of what is behind it is covered, from 0 to 1.
type Veil = Box<dyn Fn(Point) -> (Color, f32) + Send>;

/// What a surface looks like.
pub(super) enum Material {
    Solid(Solid),
    Veil(Veil),
}

/// Something with one class and one look.
pub(super) struct Surface {
    pub(super) class: Class,
    pub(super) material: Material,
}

/// Names a surface of a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SurfaceId(u16);

/// How near a flat surface is: the inverse of its depth, which is linear on the photo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearness {
    pub(super) right: f32,
    pub(super) down: f32,
    pub(super) corner: f32,
}

/// The samples of a scene.
pub(super) struct Canvas {
    /// Rows of samples, and the most samples in a row.
    size: [usize; 2],
    surfaces: Vec<Surface>,
    front: Vec<u16>,
    behind: Vec<u16>,
    nearness: Vec<f32>,
    light: Vec<u8>,
}

/// One row of samples.
pub(super) struct Row<'canvas> {
    /// The surface that is seen.
    pub(super) front: &'canvas [u16],
    /// The opaque surface behind it if it is a veil.
    pub(super) behind: &'canvas [u16],
    /// How much light is left in the shadows, of 255.
    pub(super) light: &'canvas [u8],
}

impl Nearness {
    /// The same everywhere, at a depth in metres.
    pub(super) fn at_depth(depth: f32) -> Self {
        Self {
            right: 0.0,
            down: 0.0,
            corner: 1.0 / depth,
        }
    }
}

impl Canvas {
    /// A canvas for a photo of `[height, width]` pixels, covered by one surface at no depth.
    pub(super) fn new([height, width]: [usize; 2], backdrop: Surface) -> Self {
        let size = [2 * height + 1, width + 1];
        let samples = size[0] * size[1];
        Self {
            size,
            surfaces: vec![backdrop],
            front: vec![0; samples],
            behind: vec![0; samples],
            nearness: vec![0.0; samples],
            light: vec![255; samples],
        }
    }

    /// Rows of samples, and the most samples in a row; a row of centres has one less.
    pub(super) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Adds an opaque surface, yet without any extent.
    pub(super) fn solid(
        &mut self,
        class: Class,
        color: impl Fn(Point) -> Color + Send + 'static,
    ) -> SurfaceId {
        self.add(class, Material::Solid(Box::new(color)))
    }

    /// Adds a surface that one sees through, yet without any extent.
    pub(super) fn veil(
        &mut self,
        class: Class,
        color: impl Fn(Point) -> (Color, f32) + Send + 'static,
    ) -> SurfaceId {
        self.add(class, Material::Veil(Box::new(color)))
    }

    fn add(&mut self, class: Class, material: Material) -> SurfaceId {
        let id = u16::try_from(self.surfaces.len()).expect("a scene has few surfaces");
        self.surfaces.push(Surface { class, material });
        SurfaceId(id)
    }

    /// Lets a surface cover the inside of a polygon, where nothing nearer is.
    pub(super) fn fill(&mut self, id: SurfaceId, polygon: &Polygon, nearness: Nearness) {
        let veil = matches!(self.surfaces[usize::from(id.0)].material, Material::Veil(_));
        let [_, width] = self.size;
        polygon.for_each_span(self.size, |row, columns| {
            let [x, y] = position(row, 0);
            let start = nearness.corner + nearness.down * y + nearness.right * x;
            for column in columns {
                let near = start + nearness.right * column as f32;
                let sample = row * width + column;
                if near < self.nearness[sample] {
                    continue;
                }
                self.nearness[sample] = near;
                if !veil {
                    self.light[sample] = 255;
                    self.behind[sample] = id.0;
                }
                self.front[sample] = id.0;
            }
        });
    }

    /// Covers samples one by one, at no depth, where `choose` names a surface.
    pub(super) fn cover(&mut self, choose: impl Fn(Point) -> Option<SurfaceId>) {
        let [height, width] = self.size;
        for row in 0..height {
            for column in 0..width {
                if let Some(id) = choose(position(row, column)) {
                    self.front[row * width + column] = id.0;
                    self.behind[row * width + column] = id.0;
                }
            }
        }
    }

    /// Leaves `share` of the light on what is drawn so far inside of a polygon.
    pub(super) fn darken(&mut self, polygon: &Polygon, share: f32) {
        let [_, width] = self.size;
        let table: Vec<u8> = (0..=255_u8).map(|light| scaled(light, share)).collect();
        polygon.for_each_span(self.size, |row, columns| {
            for light in &mut self.light[row * width + columns.start..row * width + columns.end] {
                *light = table[usize::from(*light)];
            }
        });
    }

    /// A row of samples.
    pub(super) fn row(&self, row: usize) -> Row<'_> {
        let range = row * self.size[1]..(row + 1) * self.size[1];
        Row {
            front: &self.front[range.clone()],
            behind: &self.behind[range.clone()],
            light: &self.light[range],
        }
    }

    /// The surfaces, by the numbers in a [`Row`].
    pub(super) fn surfaces(&self) -> &[Surface] {
        &self.surfaces
    }
}

/// Where a sample lies on the photo.
pub(super) fn position(row: usize, column: usize) -> Point {
    [
        column as f32 + if row.is_multiple_of(2) { 0.0 } else { 0.5 },
        row as f32 * 0.5,
    ]
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a byte is a byte"
)]
fn scaled(light: u8, share: f32) -> u8 {
    (f32::from(light) * share) as u8
}

#[cfg(test)]
mod tests {
    use super::super::color::grey;
    use super::*;

    fn square(from: f32, to: f32) -> Polygon {
        Polygon::new(vec![[from, from], [to, from], [to, to], [from, to]])
    }

    fn canvas() -> Canvas {
        let material = Material::Solid(Box::new(|_| grey(200.0)));
        let class = Class::Sky;
        Canvas::new([10, 10], Surface { class, material })
    }

    #[test]
    fn the_nearer_surface_is_seen_whatever_comes_first() {
        let mut canvas = canvas();
        let near = canvas.solid(Class::Car, |_| grey(10.0));
        let far = canvas.solid(Class::Building, |_| grey(20.0));
        canvas.fill(near, &square(2.0, 6.0), Nearness::at_depth(5.0));
        canvas.fill(far, &square(4.0, 9.0), Nearness::at_depth(8.0));
        // Row 2 p + 1 holds the centres of pixel row p.
        let row = canvas.row(11);
        assert_eq!(
            (row.front[1], row.front[5], row.front[8]),
            (0, near.0, far.0)
        );
    }

    #[test]
    fn a_veil_remembers_what_is_behind_it() {
        let mut canvas = canvas();
        let wall = canvas.solid(Class::Building, |_| grey(10.0));
        let fence = canvas.veil(Class::Fence, |_| (grey(20.0), 0.5));
        canvas.fill(wall, &square(0.0, 9.0), Nearness::at_depth(8.0));
        canvas.fill(fence, &square(2.0, 6.0), Nearness::at_depth(5.0));
        let row = canvas.row(9);
        assert_eq!((row.front[4], row.behind[4]), (fence.0, wall.0));
    }

    #[test]
    fn a_shadow_falls_on_what_is_there_and_not_on_what_comes_later() {
        let mut canvas = canvas();
        canvas.darken(&square(0.0, 8.0), 0.5);
        let car = canvas.solid(Class::Car, |_| grey(10.0));
        canvas.fill(car, &square(4.0, 6.0), Nearness::at_depth(5.0));
        let row = canvas.row(9);
        assert_eq!((row.light[1], row.light[4], row.light[9]), (127, 255, 255));
    }
}
