//! Rotary positions: queries and keys are turned by angles that follow from a patch's place, two channels
//! of a head as a pair.
//!
//! Source: DINOv3, section 3.2. Upstream: `DINOv3ViTRopePositionEmbedding`, `apply_rotary_pos_emb`.

use std::f64::consts::TAU;

use crate::{
    graph::{Attribute, Element, Graph, Size, Value, signed},
    rounding::rounded,
};

/// What the angles follow from, beside a patch's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotary {
    /// Base of the wavelengths.
    pub(super) base: f64,
    /// Channels of a head: a quarter of them are the rows of as many pairs, a quarter the columns, and
    /// the other half their partners.
    pub(super) each: usize,
    /// Tokens that belong to no patch, which are not turned.
    pub(super) prefix: usize,
}

/// What each token is turned by.
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    /// `[tokens, 1, each]`.
    cosines: Value,
    /// The same, negative for the first of a pair.
    sines: Value,
    each: usize,
}

impl Rotary {
    /// The rotation of the patches of a grid.
    pub(super) fn rotation(self, graph: &mut Graph<'_>, scope: &str, grid: &[Size; 2]) -> Rotation {
        let [height, width] = grid;
        let [cosines, sines] = match (height.fixed(), width.fixed()) {
            (Some(height), Some(width)) => self.stored(graph, [height, width]),
            _ => self.computed(graph, scope, grid),
        };
        Rotation {
            cosines,
            sines,
            each: self.each,
        }
    }

    fn stored(self, graph: &mut Graph<'_>, grid: [usize; 2]) -> [Value; 2] {
        let dims = [self.prefix + grid[0] * grid[1], 1, self.each];
        let angles = self.angles(grid).into_iter();
        let (cosines, sines): (Vec<_>, Vec<_>) = angles
            .zip(self.signs().into_iter().cycle())
            .map(|(angle, sign)| (rounded(angle.cos()), sign * rounded(angle.sin())))
            .unzip();
        [cosines, sines].map(|table| graph.floats(&dims, &table))
    }

    /// The angle of each channel of each token; 0 where nothing is turned.
    fn angles(self, [height, width]: [usize; 2]) -> Vec<f64> {
        let frequencies = self.frequencies();
        let mut angles = vec![0.0; self.prefix * self.each];
        for row in 0..height {
            for column in 0..width {
                for _ in 0..2 {
                    for place in [place(row, height), place(column, width)] {
                        angles.extend(frequencies.iter().map(|frequency| place * frequency));
                    }
                }
            }
        }
        angles
    }

    /// Radians by which a step of one turns each pair of a coordinate.
    fn frequencies(self) -> Vec<f64> {
        let quarter = self.each / 4;
        let frequency = |pair: usize| TAU / self.base.powf(pair as f64 / quarter as f64);
        (0..quarter).map(frequency).collect()
    }

    fn signs(self) -> Vec<f32> {
        let half = self.each / 2;
        [vec![-1.0; half], vec![1.0; half]].concat()
    }

    /// The same tables, made by the graph.
    fn computed(self, graph: &mut Graph<'_>, scope: &str, grid: &[Size; 2]) -> [Value; 2] {
        let [rows, columns] = grid.each_ref().map(|size| self.line(graph, scope, size));
        let signs = self.signs();
        let signs = graph.floats(&[self.each], &signs);
        let cosines = self.table(graph, scope, ("Cos", grid, [&rows, &columns]));
        let sines = self.table(graph, scope, ("Sin", grid, [&rows, &columns]));
        let sines = graph.node(scope, "Mul", &[&sines, &signs], Vec::new());
        [(cosines, 1.0), (sines, 0.0)].map(|(table, unturned)| {
            let dims = [self.prefix, 1, self.each];
            let prefix = graph.floats(&dims, &vec![unturned; self.prefix * self.each]);
            let axis = vec![("axis", Attribute::Int(0))];
            graph.node(scope, "Concat", &[&prefix, &table], axis)
        })
    }

    /// The angles along an axis, `[size, each / 4]`.
    fn line(self, graph: &mut Graph<'_>, scope: &str, size: &Size) -> Value {
        let step = |graph: &mut Graph<'_>, operator, inputs: [&Value; 2]| {
            graph.node(scope, operator, &inputs, Vec::new())
        };
        let [one, two] = [1.0, 2.0].map(|number| graph.floats(&[], &[number]));
        let frequencies: Vec<f32> = self.frequencies().into_iter().map(rounded).collect();
        let frequencies = graph.floats(&[frequencies.len()], &frequencies);
        let positions = graph.range(size);
        let count = graph.size_value(size);
        let [positions, count] = [positions, count].map(|value| {
            let to = Attribute::Int(Element::F32 as i64);
            graph.node(scope, "Cast", &[&value], vec![("to", to)])
        });
        let places = graph.reshape(scope, &positions, &[Size::Fixed(1)]);
        let places = step(graph, "Mul", [&places, &two]);
        let places = step(graph, "Add", [&places, &one]);
        let places = step(graph, "Div", [&places, &count]);
        let places = step(graph, "Sub", [&places, &one]);
        step(graph, "Mul", [&places, &frequencies])
    }

    /// A function of the angles of each patch, `[patches, 1, each]`, from the angles of rows and columns.
    fn table(
        self,
        graph: &mut Graph<'_>,
        scope: &str,
        (function, grid, [rows, columns]): (&'static str, &[Size; 2], [&Value; 2]),
    ) -> Value {
        let quarter = Size::Fixed(self.each / 4);
        let [height, width] = grid.clone();
        let rows = graph.node(scope, function, &[rows], Vec::new());
        let rows = graph.reshape(scope, &rows, &[Size::Fixed(1), quarter.clone()]);
        let columns = graph.node(scope, function, &[columns], Vec::new());
        let shape = graph.sizes(&[height, width, quarter]);
        let [rows, columns] =
            [rows, columns].map(|line| graph.node(scope, "Expand", &[&line, &shape], Vec::new()));
        let axis = vec![("axis", Attribute::Int(-1))];
        let table = graph.node(scope, "Concat", &[&rows, &columns, &rows, &columns], axis);
        graph.reshape(scope, &table, &[1.into(), self.each.into()])
    }
}

impl Rotation {
    /// Turns every head of `[N, tokens, heads, each]`.
    pub(super) fn turned(&self, graph: &mut Graph<'_>, scope: &str, x: &Value) -> Value {
        let [half, each] = [self.each / 2, self.each].map(signed);
        let first = graph.slice(scope, x, -1, [0, half]);
        let second = graph.slice(scope, x, -1, [half, each]);
        let axis = vec![("axis", Attribute::Int(-1))];
        let partners = graph.node(scope, "Concat", &[&second, &first], axis);
        let kept = graph.node(scope, "Mul", &[x, &self.cosines], Vec::new());
        let added = graph.node(scope, "Mul", &[&partners, &self.sines], Vec::new());
        graph.node(scope, "Add", &[&kept, &added], Vec::new())
    }
}

/// Where the centre of a patch lies along an axis, from -1 to 1.
fn place(index: usize, count: usize) -> f64 {
    (2 * index + 1) as f64 / count as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::Rotary;

    /// `DINOv3ViTRopePositionEmbedding` of transformers 5.23 with heads of 8 channels and a base of 100,
    /// asked for 2 x 3 patches: `torch.arctan2(sin, cos)[0]`.
    #[test]
    fn angles_are_upstreams() {
        let rotary = Rotary {
            base: 100.0,
            each: 8,
            prefix: 2,
        };
        let angles = rotary.angles([2, 3]);
        assert_eq!(angles.len(), (2 + 6) * 8);
        assert!(angles[..16].iter().all(|&angle| angle == 0.0));
        for (number, expected) in FIRST.into_iter().enumerate() {
            let [found, last] = [angles[16 + number], angles[56 + number]];
            assert!((found.sin() - f64::sin(expected)).abs() < 1e-6, "{found}");
            assert!((found.cos() - f64::cos(expected)).abs() < 1e-6, "{found}");
            // The last patch lies opposite the first.
            assert!((last + found).abs() < 1e-12, "{last}");
        }
    }

    const FIRST: [f64; 8] = [
        3.141_592_5,
        -0.314_159_27,
        2.094_395_4,
        -0.418_879,
        3.141_592_5,
        -0.314_159_27,
        2.094_395_4,
        -0.418_879,
    ];
}
