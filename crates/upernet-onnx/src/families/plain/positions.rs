//! Learned positions as a map, brought to the size of an image's.

use crate::{
    Error,
    graph::{Attribute, Element, Graph, Size, Value},
    interpolation::{ANTIALIASED_SLOPE, Interpolation, SLOPE},
    layers::Map,
    weights::Recipe,
};

/// The positions of the patches of a square grid, and before them that of the class token.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct LearnedPositions {
    /// Patches along a side of the grid.
    pub(in crate::families) side: usize,
    /// How they reach grids of other sizes.
    pub(in crate::families) interpolation: Interpolation,
}

/// The cubic kernel of an antialiased interpolation up to a distance of 1, highest power first.
const NEAR: [f32; 4] = [ANTIALIASED_SLOPE + 2.0, -ANTIALIASED_SLOPE - 3.0, 0.0, 1.0];

/// The same from 1 to 2.
const FAR: [f32; 4] = [
    ANTIALIASED_SLOPE,
    -5.0 * ANTIALIASED_SLOPE,
    8.0 * ANTIALIASED_SLOPE,
    -4.0 * ANTIALIASED_SLOPE,
];

impl LearnedPositions {
    /// `[1, 1 + side^2, channels]`, as in the file.
    pub(super) fn dims(self, channels: usize) -> [usize; 3] {
        [1, 1 + self.side * self.side, channels]
    }

    /// Those of the patches of `map`, `[1, channels, height, width]`.
    pub(super) fn like(
        self,
        graph: &mut Graph<'_>,
        scope: &str,
        map: &Map,
    ) -> Result<Value, Error> {
        let [height, width] = &map.size;
        if let (Some(height), Some(width)) = (height.fixed(), width.fixed()) {
            return self.stored(graph, scope, map.channels, [height, width]);
        }
        let learned = self.stored(graph, scope, map.channels, [self.side; 2])?;
        Ok(match self.interpolation {
            Interpolation::Bicubic => {
                let [channels, height, width] =
                    [map.channels.into(), height.clone(), width.clone()];
                let sizes = graph.sizes(&[1.into(), channels, height, width]);
                bicubic(graph, scope, &learned, &sizes)
            }
            Interpolation::AntialiasedBicubic => {
                let rows = self.antialiased(graph, scope, height);
                let columns = self.antialiased(graph, scope, width);
                let columns = graph.transpose(scope, &columns, &[1, 0]);
                let tall = graph.node(scope, "MatMul", &[&rows, &learned], Vec::new());
                graph.node(scope, "MatMul", &[&tall, &columns], Vec::new())
            }
        })
    }

    fn stored(
        self,
        graph: &mut Graph<'_>,
        scope: &str,
        channels: usize,
        grid: [usize; 2],
    ) -> Result<Value, Error> {
        let key = format!("{scope}.position_embeddings");
        let recipe = Recipe::Positions {
            channels,
            grid,
            interpolation: self.interpolation,
        };
        let dims = [1, channels, grid[0], grid[1]];
        graph.derived(&key, &dims, recipe, &[(&key, &self.dims(channels))])
    }

    /// The matrix `[to, side]` that interpolates a line, made by the graph: `Resize` antialiases from
    /// operator set 18 on.
    fn antialiased(self, graph: &mut Graph<'_>, scope: &str, to: &Size) -> Value {
        let step = |graph: &mut Graph<'_>, operator, inputs: [&Value; 2]| {
            graph.node(scope, operator, &inputs, Vec::new())
        };
        let number = |graph: &mut Graph<'_>, number: f32| graph.floats(&[], &[number]);
        let side = self.side;
        let [half, one, two] = [0.5, 1.0, 2.0].map(|value| number(graph, value));
        let length = number(graph, side as f32);
        let positions = graph.range(to);
        let count = graph.size_value(to);
        let [positions, count] = [positions, count].map(|value| {
            let to = Attribute::Int(Element::F32 as i64);
            graph.node(scope, "Cast", &[&value], vec![("to", to)])
        });
        let column = graph.list(&[-1, 1]);
        let positions = step(graph, "Reshape", [&positions, &column]);
        let scale = step(graph, "Div", [&length, &count]);
        let stretch = step(graph, "Max", [&scale, &one]);
        let centers = step(graph, "Add", [&positions, &half]);
        let centers = step(graph, "Mul", [&centers, &scale]); // [to, 1]
        let cells: Vec<f32> = (0..side).map(|cell| cell as f32 + 0.5).collect();
        let cells = graph.floats(&[side], &cells);
        let distance = step(graph, "Sub", [&cells, &centers]); // [to, side]
        let distance = graph.node(scope, "Abs", &[&distance], Vec::new());
        let distance = step(graph, "Div", [&distance, &stretch]);

        // Up to 1 the kernel is one polynomial, up to 2 another; each is 0 where it ends, and the second
        // where it begins.
        let near = step(graph, "Min", [&distance, &one]);
        let far = step(graph, "Max", [&distance, &one]);
        let far = step(graph, "Min", [&far, &two]);
        let near = polynomial(graph, scope, &near, NEAR);
        let far = polynomial(graph, scope, &far, FAR);
        let weights = step(graph, "Add", [&near, &far]);
        let ones = graph.floats(&[side, 1], &vec![1.0; side]);
        let sums = step(graph, "MatMul", [&weights, &ones]);
        step(graph, "Div", [&weights, &sums])
    }
}

/// `Resize` as PyTorch interpolates.
fn bicubic(graph: &mut Graph<'_>, scope: &str, map: &Value, sizes: &Value) -> Value {
    let attributes = vec![
        (
            "coordinate_transformation_mode",
            Attribute::Text("half_pixel"),
        ),
        ("cubic_coeff_a", Attribute::Float(SLOPE)),
        ("mode", Attribute::Text("cubic")),
    ];
    let absent = Value::absent();
    let inputs = [map, &absent, &absent, sizes];
    graph.node(scope, "Resize", &inputs, attributes)
}

/// The polynomial of these coefficients, that of the highest power first.
fn polynomial(
    graph: &mut Graph<'_>,
    scope: &str,
    x: &Value,
    [first, others @ ..]: [f32; 4],
) -> Value {
    let mut sum = graph.floats(&[], &[first]);
    for coefficient in others {
        let coefficient = graph.floats(&[], &[coefficient]);
        sum = graph.node(scope, "Mul", &[&sum, x], Vec::new());
        sum = graph.node(scope, "Add", &[&sum, &coefficient], Vec::new());
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::LearnedPositions;
    use crate::{
        graph::{Graph, Size, tests::Counted},
        interpolation::Interpolation,
        layers::Map,
    };

    /// The operators that bring positions of 3 x 3 patches to a map of that size, and the shape of what
    /// is stored.
    fn operators(
        interpolation: Interpolation,
        size: impl FnOnce(&mut Graph<'_>) -> [Size; 2],
    ) -> (Vec<&'static str>, Vec<usize>) {
        let key = "embeddings.position_embeddings";
        let weights = Counted(BTreeMap::from([(key.to_owned(), vec![1, 10, 2])]));
        let mut graph = Graph::new(&weights);
        let size = size(&mut graph);
        let map = Map {
            value: graph.input("patches"),
            channels: 2,
            size,
        };
        let before = graph.nodes.len();
        let positions = LearnedPositions {
            side: 3,
            interpolation,
        };
        positions
            .like(&mut graph, "embeddings", &map)
            .expect("the key is there");
        let stored = graph.initializers.iter();
        let stored = stored.filter(|stored| stored.name.name() == key);
        let dims: Vec<_> = stored.map(|stored| stored.dims.clone()).collect();
        let operators = graph.nodes[before..].iter().map(|node| node.operator);
        (operators.collect(), dims.concat())
    }

    #[test]
    fn those_of_a_known_size_are_stored() {
        for interpolation in [Interpolation::Bicubic, Interpolation::AntialiasedBicubic] {
            let found = operators(interpolation, |_| [5.into(), 4.into()]);
            assert_eq!(found, (Vec::new(), vec![1, 2, 5, 4]));
        }
    }

    #[test]
    fn those_of_another_are_computed_from_what_was_learned() {
        let open = |graph: &mut Graph<'_>| {
            let image = graph.input("image");
            [2, 3].map(|axis| graph.length(&image, axis))
        };
        let (plain, dims) = operators(Interpolation::Bicubic, open);
        assert_eq!(plain, ["Concat", "Resize"]);
        assert_eq!(dims, [1, 2, 3, 3]);
        let (antialiased, dims) = operators(Interpolation::AntialiasedBicubic, open);
        let products = antialiased.iter().filter(|&&name| name == "MatMul");
        // The sums of the weights of both axes, then the map by both matrices.
        assert_eq!(products.count(), 4);
        assert!(!antialiased.contains(&"Resize"), "{antialiased:?}");
        assert_eq!(dims, [1, 2, 3, 3]);
    }
}
