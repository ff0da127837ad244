//! Averages on square grids, as two products with matrices.
//!
//! ONNX has no average pooling onto a grid whose cells differ in size. One axis of it is a matrix
//! `[cells, size]` whose row `i` has equal weights at positions `floor(i size / cells)` up to
//! `ceil((i + 1) size / cells)`, as in `torch.nn.AdaptiveAvgPool2d`.

use crate::{
    graph::{Attribute, Element, Graph, Size, Value, signed},
    layers::{Map, Tokens},
};

impl Graph<'_> {
    /// Averages a map on a grid of `cells` x `cells`.
    pub(crate) fn average(&mut self, scope: &str, x: &Map, cells: usize) -> Map {
        let [height, width] = &x.size;
        let rows = self.averages(scope, height, cells, Axis::Rows);
        let columns = self.averages(scope, width, cells, Axis::Columns);
        let value = self.node(scope, "MatMul", &[&x.value, &columns], Vec::new()); // [N, C, H, cells]
        let value = self.node(scope, "MatMul", &[&rows, &value], Vec::new());
        Map {
            value,
            channels: x.channels,
            size: [cells.into(), cells.into()],
        }
    }

    /// Averages a map with channels last on a grid of `cells` x `cells`.
    pub(crate) fn average_tokens(&mut self, scope: &str, x: &Tokens, cells: usize) -> Tokens {
        let [height, width] = &x.size;
        let channels = Size::Fixed(x.channels);
        // Both axes are rows here, each of all that lies behind it.
        let [rows, columns] =
            [height, width].map(|size| self.averages(scope, size, cells, Axis::Rows));
        let line = self.times(width, &channels);
        let value = self.reshape(scope, &x.value, &[height.clone(), line]);
        let value = self.node(scope, "MatMul", &[&rows, &value], Vec::new()); // [N, cells, (W, C)]
        let value = self.reshape(scope, &value, &[cells.into(), width.clone(), channels]);
        let value = self.node(scope, "MatMul", &[&columns, &value], Vec::new());
        Tokens {
            value,
            channels: x.channels,
            size: [cells.into(), cells.into()],
        }
    }

    /// The matrix of one axis: `[cells, size]` for rows, `[size, cells]` for columns.
    fn averages(&mut self, scope: &str, size: &Size, cells: usize, axis: Axis) -> Value {
        let Size::Fixed(size) = *size else {
            let matrix = self.computed_averages(scope, size, cells);
            return match axis {
                Axis::Rows => matrix,
                Axis::Columns => self.transpose(scope, &matrix, &[1, 0]),
            };
        };
        let [rows, columns] = match axis {
            Axis::Rows => [cells, size],
            Axis::Columns => [size, cells],
        };
        let mut matrix = Vec::with_capacity(cells * size);
        for row in 0..rows {
            for column in 0..columns {
                matrix.push(match axis {
                    Axis::Rows => weight([row, column], [cells, size]),
                    Axis::Columns => weight([column, row], [cells, size]),
                });
            }
        }
        self.floats(&[rows, columns], &matrix)
    }

    /// The matrix `[cells, size]`, made by the graph.
    fn computed_averages(&mut self, scope: &str, size: &Size, cells: usize) -> Value {
        let step = |graph: &mut Self, operator, inputs: [&Value; 2]| {
            graph.node(scope, operator, &inputs, Vec::new())
        };
        let numbers: Vec<i64> = (0..signed(cells)).collect();
        let next: Vec<i64> = (1..=signed(cells)).collect();
        let [numbers, next] = [numbers, next].map(|cell| self.ints(&[cells, 1], &cell));
        let [count, rounding] = [cells, cells - 1].map(|number| self.list(&[signed(number)]));
        let length = self.size_value(size);
        let positions = self.range(size); // [size]

        let first = step(self, "Mul", [&numbers, &length]);
        let first = step(self, "Div", [&first, &count]); // [cells, 1]
        let end = step(self, "Mul", [&next, &length]);
        let end = step(self, "Add", [&end, &rounding]);
        let end = step(self, "Div", [&end, &count]);
        let after = step(self, "GreaterOrEqual", [&positions, &first]); // [cells, size]
        let before = step(self, "Less", [&positions, &end]);
        let inside = step(self, "And", [&after, &before]);
        let covered = step(self, "Sub", [&end, &first]);
        let [inside, covered] = [inside, covered].map(|value| {
            let to = Attribute::Int(Element::F32 as i64);
            self.node(scope, "Cast", &[&value], vec![("to", to)])
        });
        self.node(scope, "Div", &[&inside, &covered], Vec::new())
    }
}

/// Which axis of a map a matrix belongs to.
#[derive(Clone, Copy)]
pub(crate) enum Axis {
    Rows,
    Columns,
}

/// What cell `cell` of `cells` takes of position `position` of `size`.
fn weight([cell, position]: [usize; 2], [cells, size]: [usize; 2]) -> f32 {
    let covered = cell * size / cells..((cell + 1) * size).div_ceil(cells);
    if covered.contains(&position) {
        1.0 / covered.len() as f32
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::weight;
    use crate::{
        graph::{Element, Graph, Size, tests::Counted},
        layers::Tokens,
    };

    fn matrix(cells: usize, size: usize) -> Vec<Vec<f32>> {
        (0..cells)
            .map(|cell| {
                let row = (0..size).map(|position| weight([cell, position], [cells, size]));
                row.collect()
            })
            .collect()
    }

    #[test]
    fn cells_of_different_sizes_overlap() {
        // torch.nn.functional.adaptive_avg_pool1d(torch.eye(5), 3).T
        let third = 1.0 / 3.0;
        assert_eq!(
            matrix(3, 5),
            [
                [0.5, 0.5, 0.0, 0.0, 0.0],
                [0.0, third, third, third, 0.0],
                [0.0, 0.0, 0.0, 0.5, 0.5],
            ]
        );
    }

    #[test]
    fn a_map_smaller_than_the_grid_repeats_itself() {
        // torch.nn.functional.adaptive_avg_pool1d(torch.eye(2), 3).T
        assert_eq!(matrix(3, 2), [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]);
    }

    #[test]
    fn every_cell_is_an_average() {
        for (cells, size) in [(1, 1), (1, 9), (2, 7), (6, 5), (6, 16), (64, 3)] {
            for row in matrix(cells, size) {
                let sum: f32 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{cells} of {size}: {sum}");
            }
        }
    }

    /// What a grid of 7 x 7 adds to a graph: its operators, and the shapes of its constants.
    fn added(graph: &mut Graph<'_>, size: [Size; 2]) -> (Vec<&'static str>, Vec<Vec<usize>>) {
        let [nodes, constants] = [graph.nodes.len(), graph.initializers.len()];
        // An image's own, so that nothing of it has been computed before.
        let value = graph.input("x");
        let channels = 4;
        let x = Tokens {
            value,
            channels,
            size,
        };
        let grid = graph.average_tokens("pool", &x, 7);
        assert_eq!((grid.channels, grid.size), (4, [7.into(), 7.into()]));
        let operators = graph.nodes[nodes..].iter().map(|node| node.operator);
        let floats = graph.initializers[constants..].iter();
        let floats = floats.filter(|stored| stored.element == Element::F32);
        (
            operators.collect(),
            floats.map(|stored| stored.dims.clone()).collect(),
        )
    }

    #[test]
    fn blocks_share_the_matrices_of_a_size() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        let steps = vec!["Reshape", "MatMul", "Reshape", "MatMul"];
        let matrices = vec![vec![7, 16], vec![7, 9]];
        let found = added(&mut graph, [16.into(), 9.into()]);
        assert_eq!(found, (steps.clone(), matrices));
        let found = added(&mut graph, [9.into(), 16.into()]);
        assert_eq!(found, (steps, Vec::new()));
    }

    #[test]
    fn blocks_compute_the_matrices_of_a_size_once() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        let image = graph.input("image");
        let size = [2, 3].map(|axis| graph.length(&image, axis));
        let (first, _) = added(&mut graph, size.clone());
        assert!(first.contains(&"Range"), "{first:?}");
        let (second, _) = added(&mut graph, size);
        assert_eq!(second, ["Reshape", "MatMul", "Reshape", "MatMul"]);
    }
}
